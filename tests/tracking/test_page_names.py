"""The extension's own pages and its template helpers."""

import pytest
from flask import render_template_string

from conftest import choose
from flask_mixamo_privacy.errors import UndeclaredPurpose
from flask_mixamo_privacy.web import assets


def test_the_banner_is_shown_only_to_visitors_to_ask(tiny):
    """A visitor who decided or sends GPC gets no byte of the banner."""
    site = tiny()
    decided = site.visitor()
    choose(decided, "reject_all")
    assert "mixamo-ask" in site.visitor().get("/").text
    assert "mixamo-ask" not in decided.get("/").text + site.visitor(Sec_GPC="1").get("/").text


def test_the_banner_returns_to_the_same_page(tiny):
    """The hidden field is escaped for any query string."""
    text = tiny().visitor().get('/other?a=1&b="><script>alert(1)</script>').text
    assert '"><script>alert' not in text and 'name="next" value="/other?a=1&amp;b=' in text


def test_the_banner_has_no_inline_code(tiny):
    """The banner has no inline script, style or handler, so it works under default-src 'self'."""
    text = tiny().visitor().get("/").text
    assert "<style" not in text and "style=" not in text and " on" not in text.partition("<form")[2].partition("</form>")[0]
    assert text.count("<script") == text.count("<script src=")


def test_a_site_may_bundle_the_assets_itself(tiny):
    """The banner then has only its form."""
    site = tiny()
    site.view("/bundled", lambda: render_template_string("{{ privacy.banner(assets=False) }}"))
    text = site.visitor().get("/bundled").text
    assert "Accept all" in text and "<script" not in text and "<link" not in text


def test_the_assets_can_be_bundled_by_webassets(tmp_path):
    """Flask-Assets merges and minifies the files into one."""
    from webassets.bundle import Bundle
    from webassets.env import Environment

    (tmp_path / "site.css").write_text("body { color: red }")
    environment = Environment(directory=str(tmp_path), url="/", cache=False, manifest=False)
    environment.register("all", Bundle("site.css", assets.bundle("banner.css"), output="all.css"))
    environment["all"].build(force=True)
    built = (tmp_path / "all.css").read_text()
    assert "color: red" in built and ".mixamo-ask{" in built


def test_assets_are_named_by_their_content_and_cached_for_a_year(tiny):
    """New content has a new name, so a browser never requests a file twice."""
    visitor = tiny().visitor()
    name = visitor.get("/").text.partition('href="')[2].partition('"')[0]
    response = visitor.get(name)
    assert response.status_code == 200 and response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.content_type == "text/css; charset=utf-8" and b"/*" not in response.data


@pytest.mark.parametrize(
    "name", ["banner.0000000000.css", "banner.css", "..%2f..%2fsetup.cfg", "x.js", ".js", "banner.js.map"]
)
def test_only_built_files_are_served(tiny, name):
    """No other file in or outside the folder is served."""
    assert tiny().visitor().get(f"/privacy/static/{name}").status_code == 404


def test_a_script_is_present_for_a_granted_purpose_alone(tiny):
    """The page has no byte of it otherwise, and Vary shows that pages differ."""
    site = tiny()
    site.view(
        "/x",
        lambda: render_template_string('[{{ privacy.script("/a.js", purpose="statistics", defer=True, data_x="1&2") }}]'),
    )
    visitor = site.visitor()
    assert (visitor.get("/x").text, visitor.get("/x").headers["Vary"]) == ("[]", "Cookie, Sec-GPC")
    choose(visitor, "accept_all")
    assert visitor.get("/x").text == '[<script src="/a.js" defer data-x="1&amp;2"></script>]'


def test_a_template_with_an_undeclared_purpose_raises(tiny):
    """An undeclared purpose raises for every visitor, granted or not."""
    site = tiny()
    site.view("/x", lambda: render_template_string('{{ privacy.script("/a.js", purpose="marketing") }}'))
    with pytest.raises(UndeclaredPurpose, match="'marketing'"):
        site.visitor().get("/x")


def test_promise_18_the_settings_are_linked_from_the_policy_page_too(tiny):
    """The settings are one click from the policy, logged in or not."""
    assert 'href="/privacy/consent"' in tiny().visitor().get("/privacy/").text


def test_promise_2_the_policy_page_lists_what_is_declared(tiny):
    """Purposes, cookies and retention are listed; the provider only if it is looked up."""
    from flask_mixamo_privacy.policy.toml import built_in

    text = tiny().visitor().get("/privacy/").text
    policy = built_in()
    declared = [p.title for p in policy.purposes] + [c.name for c in policy.cookies] + [str(policy.retention.events)]
    assert [word for word in declared if word not in text] == []
    assert "internet provider" not in text


def test_a_site_overrides_any_template_and_its_banner_is_not_shared(tiny, tmp_path):
    """An overridden banner is rendered for each page, because it may depend on the visitor."""
    own = tmp_path / "templates" / "mixamo_privacy"
    own.mkdir(parents=True)
    (own / "banner.html").write_text("{{ request.args.who }} {{ here }}")
    site = tiny()
    site.app.jinja_loader.searchpath.insert(0, str(tmp_path / "templates"))
    texts = [site.visitor().get(f"/?who={name}").text for name in ("one", "two")]
    assert "one /?who=one" in texts[0] and "two /?who=two" in texts[1]


def test_the_extension_works_below_another_path(tiny):
    """Every URL of the extension has the SCRIPT_NAME."""
    visitor = tiny().visitor()
    text = visitor.get("/", environ_overrides={"SCRIPT_NAME": "/shop"}).text
    assert 'action="/shop/privacy/consent"' in text and 'href="/shop/privacy/static/banner.' in text
    assert 'name="next" value="/shop/"' in text and 'href="/shop/privacy/consent"' in text
