"""The extension's own pages and template verbs."""

import pytest
from flask import render_template_string

from conftest import choose
from flask_mixamo_privacy import assets
from flask_mixamo_privacy.errors import UndeclaredPurpose


def test_the_banner_is_for_those_who_have_to_be_asked(tiny):
    """Nobody who decided, and nobody who sends GPC, gets a byte of it."""
    site = tiny()
    decided = site.visitor()
    choose(decided, "reject_all")
    assert "privacy-banner" in site.visitor().get("/").text
    assert "privacy-banner" not in decided.get("/").text + site.visitor(Sec_GPC="1").get("/").text


def test_the_banner_comes_back_to_the_same_page(tiny):
    """The hidden field is escaped, whatever the query holds."""
    text = tiny().visitor().get('/other?a=1&b="><script>alert(1)</script>').text
    assert '"><script>alert' not in text and 'name="next" value="/other?a=1&amp;b=' in text


def test_the_banner_has_no_inline_code(tiny):
    """Neither scripts, nor styles, nor handlers: it works under default-src 'self'."""
    text = tiny().visitor().get("/").text
    assert "<style" not in text and "style=" not in text and " on" not in text.partition("<form")[2].partition("</form>")[0]
    assert text.count("<script") == text.count("<script src=")


def test_a_site_may_bundle_the_assets_itself(tiny):
    """Then the banner brings the form alone."""
    site = tiny()
    site.view("/bundled", lambda: render_template_string("{{ privacy.banner(assets=False) }}"))
    text = site.visitor().get("/bundled").text
    assert "Accept all" in text and "<script" not in text and "<link" not in text


def test_our_files_fit_into_a_sites_own_webassets(tmp_path):
    """Merged with others into one file, minified."""
    from webassets.bundle import Bundle
    from webassets.env import Environment

    (tmp_path / "site.css").write_text("body { color: red }")
    environment = Environment(directory=str(tmp_path), url="/", cache=False, manifest=False)
    environment.register("all", Bundle("site.css", assets.bundle("banner.css"), output="all.css"))
    environment["all"].build(force=True)
    built = (tmp_path / "all.css").read_text()
    assert "color: red" in built and ".privacy-banner{" in built


def test_assets_are_named_by_their_content_and_kept_for_a_year(tiny):
    """Another content has another name, so a browser never asks twice."""
    visitor = tiny().visitor()
    name = visitor.get("/").text.partition('href="')[2].partition('"')[0]
    response = visitor.get(name)
    assert response.status_code == 200 and response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.content_type == "text/css; charset=utf-8" and b"/*" not in response.data


@pytest.mark.parametrize(
    "name", ["banner.0000000000.css", "banner.css", "..%2f..%2fsetup.cfg", "x.js", ".js", "banner.js.map"]
)
def test_only_built_files_are_served(tiny, name):
    """Nothing else below the folder, and nothing beside it."""
    assert tiny().visitor().get(f"/privacy/static/{name}").status_code == 404


def test_a_script_is_there_for_a_granted_purpose_alone(tiny):
    """Otherwise not a byte of it, and Vary says that others may see another page."""
    site = tiny()
    site.view(
        "/x",
        lambda: render_template_string('[{{ privacy.script("/a.js", purpose="statistics", defer=True, data_x="1&2") }}]'),
    )
    visitor = site.visitor()
    assert (visitor.get("/x").text, visitor.get("/x").headers["Vary"]) == ("[]", "Cookie, Sec-GPC")
    choose(visitor, "accept_all")
    assert visitor.get("/x").text == '[<script src="/a.js" defer data-x="1&amp;2"></script>]'


def test_a_template_that_names_an_undeclared_purpose_raises(tiny):
    """At once, and not only for visitors who granted it."""
    site = tiny()
    site.view("/x", lambda: render_template_string('{{ privacy.script("/a.js", purpose="marketing") }}'))
    with pytest.raises(UndeclaredPurpose, match="'marketing'"):
        site.visitor().get("/x")


def test_promise_18_the_way_back_is_on_the_policy_page_too(tiny):
    """One click from the policy, logged out or not."""
    assert 'href="/privacy/consent"' in tiny().visitor().get("/privacy/").text


def test_promise_2_the_policy_page_says_what_is_declared(tiny):
    """Every purpose, every cookie and the retention are on it; the provider only where it is looked up."""
    from flask_mixamo_privacy.declaration import built_in

    text = tiny().visitor().get("/privacy/").text
    policy = built_in()
    said = [p.title for p in policy.purposes] + [c.name for c in policy.cookies] + [str(policy.retention.events)]
    assert [word for word in said if word not in text] == []
    assert "internet provider" not in text


def test_a_site_overrides_any_template_and_its_banner_is_not_shared(tiny, tmp_path):
    """An own banner may say something of the visitor, so it is made anew for each page."""
    own = tmp_path / "templates" / "mixamo_privacy"
    own.mkdir(parents=True)
    (own / "banner.html").write_text("{{ request.args.who }} {{ here }}")
    site = tiny()
    site.app.jinja_loader.searchpath.insert(0, str(tmp_path / "templates"))
    texts = [site.visitor().get(f"/?who={who}").text for who in ("one", "two")]
    assert "one /?who=one" in texts[0] and "two /?who=two" in texts[1]


def test_it_works_below_another_path(tiny):
    """Under a SCRIPT_NAME every address of ours carries it."""
    visitor = tiny().visitor()
    text = visitor.get("/", environ_overrides={"SCRIPT_NAME": "/shop"}).text
    assert 'action="/shop/privacy/consent"' in text and 'href="/shop/privacy/static/banner.' in text
    assert 'name="next" value="/shop/"' in text and 'href="/shop/privacy/consent"' in text
