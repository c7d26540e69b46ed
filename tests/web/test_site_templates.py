"""Sites with Jinja settings of their own, and templates of the site in place of the extension's."""

from __future__ import annotations

from functools import partial

import pytest
from flask import render_template
from jinja2 import DictLoader, Environment, StrictUndefined
from jinja2.ext import Extension

from conftest import in_a_thread
from flask_mixamo_privacy.web.access import consent_required
from flask_mixamo_privacy.web.assets import folder
from flask_mixamo_privacy.web.rendering import _translated
from flask_mixamo_privacy.web.template_tags import add_filters
from support.form_site import policy
from support.login_site import entered, with_logins

BRACKETS = {"variable_start_string": "[[", "variable_end_string": "]]", "block_start_string": "[%", "block_end_string": "%]"}
ERB = {"variable_start_string": "<%=", "variable_end_string": "%>", "block_start_string": "<%", "block_end_string": "%>"}
LINES = {"line_statement_prefix": "#", "line_comment_prefix": "##", "comment_start_string": "<!", "comment_end_string": "!>"}
SPACES = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True, "newline_sequence": "\r\n"}
OTHERS = {"undefined": StrictUndefined, "finalize": lambda value: f"~{value}~", "autoescape": False}
PAGES = ["", "consent", "me", "requests", "requests/staff", "requests/staff/1", "requests/answer/x", "reports"]
PAGES += ["unsubscribe/x", "licence/licence"]


class Shouting(Extension):
    """An extension of the site that changes every template."""

    def preprocess(self, source, name, filename=None):
        return source.upper()


@pytest.fixture
def jinja_site(tiny, clock):
    """Builds a site with these attributes of its Jinja environment, and these templates of its own."""

    def build(templates=None, **attributes):
        site = with_logins(tiny(PRIVACY_POLICY=policy(), PRIVACY_STAFF=lambda user, need: True, PRIVACY_SEND=print))
        site.view("/download", site.privacy.acceptance_required("licence")(lambda: ""))
        site.view("/film", consent_required("statistics")(lambda: ""))
        for verb, point in {"notice": "registration", "opt_in": "newsletter", "acceptance": "licence"}.items():
            site.view(f"/{verb}", lambda verb=verb, point=point: getattr(site.app.jinja_env.globals["privacy"], verb)(point))
        for name, value in attributes.items():
            setattr(site.app.jinja_env, name, value)
        site.app.jinja_loader = DictLoader(templates or {})
        return site

    build().visitor().post("/privacy/requests", data={"kind": "access", "email": "ada@shop.example"})
    return build


def texts(site):
    """Return every page of the extension, as staff see it."""
    visitor = entered(site)
    paths = [f"/privacy/{page}" for page in PAGES] + ["/notice", "/opt_in", "/acceptance", "/film"]
    return {path: visitor.get(path).text for path in paths}


@pytest.mark.parametrize("settings", [BRACKETS, ERB, LINES, SPACES, OTHERS, {"loader": DictLoader({})}])
def test_the_extensions_pages_do_not_depend_on_the_sites_jinja_settings(jinja_site, settings):
    """Delimiters, undefined values, white space, escaping and loaders of the site leave every page as it is."""
    expected = texts(jinja_site())
    assert texts(jinja_site(**settings)) == expected and "{{" not in "".join(expected.values())


def test_the_extensions_pages_do_not_depend_on_the_sites_extensions_and_values(jinja_site):
    """The site's Jinja extensions, filters, and values of the same names as the extension's have no effect."""
    expected, site = texts(jinja_site()), jinja_site()
    site.app.jinja_env.add_extension(Shouting)
    site.app.jinja_env.filters["string"] = lambda value: 1 / 0
    site.app.context_processor(lambda: {"privacy": None, "t": None, "policy": None})
    assert texts(site)["/privacy/requests"] == expected["/privacy/requests"]


@pytest.mark.parametrize("undefined", [{}, {"undefined": StrictUndefined}])
def test_a_site_overrides_a_template_in_its_own_syntax(jinja_site, undefined):
    """The site's base and layout, with its own delimiters, surround the extension's pages."""
    layout = "<html><body>[[ privacy.banner() ]][% block content %][% endblock %]<i>[[ name|upper ]] {{ }}</i>"
    base = '[% extends "layout.html" %][% block title %][% endblock %][% block head %][% endblock %]'
    site = jinja_site({"layout.html": layout, "mixamo_privacy/base.html": base}, **BRACKETS, **undefined)
    site.app.jinja_env.globals["name"] = "shop"
    text = site.visitor().get("/privacy/requests").text
    assert "<i>SHOP {{ }}</i>" in text and "<h1>Your data rights</h1>" in text and "mixamo-ask" in text


@pytest.mark.parametrize("settings", [BRACKETS, ERB, LINES])
def test_a_sites_template_may_extend_one_of_the_extensions(jinja_site, settings):
    """The extension's template is read in its own syntax there too."""
    start, end = settings.get("block_start_string", "{%"), settings.get("block_end_string", "%}")
    own = f'{start} extends "mixamo_privacy/base.html" {end}{start} block content {end}Ours{start} endblock {end}'
    site = jinja_site({"mixamo_privacy/message.html": own, "page.html": own.replace("Ours", "Page")}, **settings)
    site.view("/page", lambda: render_template("page.html", t=site.app.jinja_env.globals["privacy"]))
    assert "Ours" in site.visitor().get("/privacy/receipt").text
    text = site.visitor().get("/page").text
    assert "<main>\n    Page\n  </main>" in text and 'class="mixamo-ask"' in text


@pytest.mark.parametrize("path", sorted(folder("templates").rglob("*.html")), ids=lambda path: path.name)
@pytest.mark.parametrize("settings", [BRACKETS, ERB, LINES | BRACKETS])
def test_every_template_can_be_read_with_other_delimiters(path, settings):
    """The translated template has the same code, in the same order."""
    site = Environment(autoescape=True, **settings)
    add_filters(site)
    translated, source = "".join(_translated(path.read_text(), site)), path.read_text()
    names = [[text for _, kind, text in tokens if kind in ("name", "string")]
             for tokens in (site.lex(translated), Environment(autoescape=True).lex(source))]  # fmt: skip
    site.compile(translated)
    assert [name for name in names[0] if name != "safe"] == names[1] or "|safe" in translated


@pytest.mark.parametrize("own", [{}, {"mixamo_privacy/banner.html": "A banner", "mixamo_privacy/notice.html": "A notice"}])
def test_an_asynchronous_environment_renders_the_same(jinja_site, own):
    """A page that is rendered in an event loop has the banner and the forms of the extension."""
    texts = []
    for is_async in (False, True):
        site = jinja_site(
            own | {"page.html": "{{ privacy.banner() }}{{ privacy.notice('registration') }}"}, is_async=is_async
        )
        site.view("/page", lambda: render_template("page.html"))
        visitor = site.visitor()
        texts.append(in_a_thread(partial(visitor.get, "/page")).text)
    assert texts[0] == texts[1] != ""


def test_an_overridden_banner_is_rendered_for_each_page(jinja_site):
    """The site's banner in the site's syntax may depend on the request."""
    site = jinja_site({"mixamo_privacy/banner.html": "[[ request.args.name ]]"}, **BRACKETS)
    assert [site.visitor().get(f"/privacy/?name={name}").text.count(name) for name in ("Ada1", "Bob2")] == [1, 1]
