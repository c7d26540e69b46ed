"""Links to other sites: marked for sighted visitors and for screen readers."""

from contextlib import nullcontext

import pytest
from flask import render_template_string
from markupsafe import escape

from flask_mixamo_privacy.errors import UndeclaredHost
from flask_mixamo_privacy.policy.parts import Cookie, Service, host_of
from support.service_site import with_services


@pytest.fixture
def render(tiny):
    def in_template(template, url, language="en"):
        site = tiny()
        with site.app.test_request_context("/", headers={"Accept-Language": language}):
            return render_template_string(template, url=url)

    return in_template


def test_promise_30_an_external_link_is_marked(render):
    """An external link is marked by words, class and rel, and leads to the other site directly."""
    assert render('{{ url|external_link("Their site") }}', "https://other.example/a?b=1&c=2") == (
        '<a class="mixamo-external" href="https://other.example/a?b=1&amp;c=2" rel="external noopener noreferrer">Their site'
        '<span lang="en" dir="ltr"> (another site, with a privacy policy of its own)</span></a>'
    )


def test_promise_30_the_mark_is_in_the_visitors_language(render):
    """The mark is a sentence of the catalogues."""
    text = render('{{ url|external_link("هناك") }}', "https://other.example/", "ar")
    assert 'lang="ar" dir="rtl"' in text and "another site" not in text


@pytest.mark.parametrize(("url", "away"), [("/a", False), ("a", False), ("http://localhost/a", False), ("//LOCALHOST/a", False),
                                           ("//other.example/", True), ("https://localhost.other.example/", True),
                                           ("https://localhost@other.example/", True), ("/\\other.example", True),
                                           ("///other.example", True), ("https:other.example", True), ("//[", True)])  # fmt: skip
def test_promise_30_the_template_test_finds_external_links(render, url, away):
    """A link is external by the host that a browser would open."""
    assert render("{{ url is external }}", url) == str(away)


@pytest.mark.parametrize(("url", "away"), [("https://shop.example/a", False), ("https://www.shop.example/a", True)])
def test_a_link_to_the_public_host_behind_a_proxy_is_internal(tiny, url, away):
    """A proxy may change Host. The site's own host is then that of PRIVACY_BASE_URL, and its scripts need no service."""
    site = tiny(PRIVACY_BASE_URL="https://shop.example")
    with site.app.test_request_context("/", base_url="http://127.0.0.1:8000", headers={"Sec-GPC": "1"}):
        assert render_template_string("{{ url is external }}", url=url) == str(away)
        script = "{{ privacy.script(url, purpose='necessary') }}"
        with nullcontext() if not away else pytest.raises(UndeclaredHost):
            assert url in render_template_string(script, url=url)


def test_an_internal_link_has_no_mark(render):
    """The filter renders an internal link without a mark, so a template need not distinguish them."""
    assert render('{{ url|external_link("<b>Here</b>") }}', "/a") == '<a href="/a">&lt;b&gt;Here&lt;/b&gt;</a>'


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("/a", ""), ("a", ""), ("", ""), ("#//x", ""), ("data:,//x", ""), ("mailto:ada@shop.example", ""), ("// note", ""),
        ("https://a.example:443/x", "a.example"), ("http://a.example:8000", "a.example:8000"), ("wss://b.example/", "b.example"),
        ("//A.Example./x", "a.example"), ("http://a.example.:8000", "a.example:8000"), ("http://[", ""), ("//", ""),
        ("http://[::1]:8000/", "[::1]:8000"), ("http://[::1]:80/", "[::1]"), ("https://a@b@c.example", "c.example"),
        ("https://a.example b@c.example", "c.example"), ("https://c.example#@a.example", "c.example"),
        ("/\\c.example", "c.example"), ("https:c.example", "c.example"), ("///c.example", "c.example"),
        (" ht\ntps://c.ex\tample", "c.example"), ("https:\\c.example\\@a.example", "c.example"),
    ],
)  # fmt: skip
def test_the_host_of_a_url_is_the_one_that_a_browser_opens(url, host):
    """The host is in lower case, without user information, final dot or default port."""
    assert host_of(url) == host


def test_a_service_covers_all_ports_of_a_host_declared_without_one():
    """A host declared with a port covers that port alone."""
    service = Service("film", "Film", "media", ("video.example", "*.map.example", "a.example:8000"), ("frame",))
    assert all(map(service.covers, ("video.example", "video.example:8000", "x.map.example:1", "a.example:8000")))
    assert not any(map(service.covers, ("a.example", "a.example:8001", "map.example", "evil-video.example", "")))
    assert service.covers("video.example", "frame") and not service.covers("video.example", "script")


@pytest.mark.parametrize(
    ("name", "kind", "matches"),
    [("kept", "http", True), ("kept", "js", True), ("__Host-kept", "http", True), ("__Secure-kept", "js", True),
     ("kept", "local", False), ("keptx", "http", False)],
)  # fmt: skip
def test_a_cookie_matches_by_name_and_kind(name, kind, matches):
    """A cookie's prefix need not be declared."""
    assert Cookie("kept", "media", "1 day", "Kept.").matches(name, kind) == matches


def test_without_a_text_the_url_is_the_text(render):
    """The text omits the parts of the URL that a reader does not need."""
    assert ">other.example/a<span" in render("{{ url|external_link }}", "https://other.example/a/?q=1")


def test_promise_30_a_script_url_is_rejected(render):
    """A URL that would run code raises, and the error lists what is allowed."""
    with pytest.raises(
        ValueError, match=r"The URL of external_link is 'javascript:alert\(1\)'; allowed: a path, or a URL with http"
    ):
        render("{{ url|external_link }}", "javascript:alert(1)")


def test_promise_30_the_policy_page_marks_its_own_links(tiny):
    """The links to the policies of recipients and services are external."""
    policy = with_services(
        Service("pay", "Payment", "statistics", ("pay.example",), ("frame",), "https://pay.example/privacy")
    )
    visitor = tiny(PRIVACY_POLICY=policy).visitor()
    link = '<a class="mixamo-external" href="https://pay.example/privacy" rel="external noopener noreferrer">'
    assert link in visitor.get("/privacy/").text and link in visitor.get("/privacy/consent").text


@pytest.mark.parametrize(
    "words", ["http://", "https:///x", "http://[", "https://a.example is where it is", "https://a\\\\b"]
)
def test_text_that_only_begins_like_a_url_is_no_link(tiny, words):
    """The policy page is served, and text that is no valid URL is not linked."""
    policy = with_services(cookies=(Cookie("kept", "media", "1 day", words),))
    page = tiny(PRIVACY_POLICY=policy).visitor().get("/privacy/")
    assert (page.status_code, str(escape(words)) in page.text, f'href="{words}' in page.text) == (200, True, False)


def test_promise_30_there_is_no_redirect_endpoint(tiny):
    """No URL of the extension redirects a visitor to another site."""
    site = tiny()
    for rule in site.app.url_map.iter_rules():
        if rule.endpoint.startswith("mixamo_privacy") and not rule.arguments:
            for name in ("next", "url", "to"):
                response = site.visitor().get(f"{rule.rule}?{name}=https://evil.example/")
                assert "evil.example" not in (response.location or "")
