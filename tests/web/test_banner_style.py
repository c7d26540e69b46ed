"""The banner's style: in the page where its Content-Security-Policy allows it, and linked otherwise."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

import pytest
from flask import Response, g, render_template_string, request, stream_template_string
from flask_talisman import Talisman

from conftest import choose
from flask_mixamo_privacy.web.assets import build
from flask_mixamo_privacy.web.csp import allows_style

CSS = build("banner.css").decode()
HASH = f"'sha256-{base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()}'"
CSP = "Content-Security-Policy"
INLINE = re.compile(r"<style([^>]*)>" + re.escape(CSS) + "</style>")
LINK = re.compile(r'<link rel="stylesheet" href="/privacy/static/banner\.\w+\.css"[^>]*>')


def second_page(site, path="/", **headers):
    """Return the second page of the same endpoint, which knows the headers of the first."""
    site.visitor(**headers).get(path)
    return site.visitor(**headers).get(path)


def with_policy(site, policy, name=CSP):
    site.app.after_request(lambda response: response.headers.set(name, policy) or response)
    return site


def is_inline(page):
    """Return whether a browser with JavaScript reads the style in the page, and requests no sheet."""
    links = LINK.findall(re.sub("<noscript>.*?</noscript>", "", page.text))
    inline = bool(INLINE.search(page.text))
    assert [link.endswith(" disabled>") for link in links] == [inline]
    return inline


def test_the_first_page_of_an_endpoint_links_the_sheet(tiny):
    """Only the headers of a finished page show whether the site sends a policy."""
    assert not is_inline(tiny().visitor().get("/"))


def test_a_page_without_a_policy_contains_the_style(tiny):
    """Its first paint waits for no request."""
    assert is_inline(second_page(tiny()))


@pytest.mark.parametrize("mode", ["enforce", "report-only"])
def test_a_page_with_our_own_policy_contains_the_style(tiny, mode):
    """The policy made from the grants limits hosts, and no inline code."""
    assert is_inline(second_page(tiny(PRIVACY_CSP=mode)))


@pytest.mark.parametrize("name", [CSP, f"{CSP}-Report-Only"])
@pytest.mark.parametrize(
    "policy",
    [
        "default-src 'self'",
        "style-src 'self'; default-src 'unsafe-inline'",
        "style-src 'nonce-of-another-page' 'unsafe-inline'",
        "style-src-elem 'self'; style-src 'unsafe-inline'",
        "style-src 'unsafe-inline', default-src 'self'",
        "default-src 'none'; style-src 'self' 'sha256-AAAA='",
    ],
)
def test_nothing_is_inline_under_a_policy_that_forbids_it(tiny, policy, name):
    """The sheet is linked, and nothing is blocked or reported."""
    page = second_page(with_policy(tiny(), policy, name))
    assert not is_inline(page) and "<style" not in page.text and "popover" not in page.text


@pytest.mark.parametrize(
    "policy", [f"default-src 'self'; style-src {HASH}", "style-src 'self' 'unsafe-inline'", "img-src 'self'"]
)
def test_a_page_whose_policy_allows_the_style_contains_it(tiny, policy):
    """A site may list the hash of the style, which is that of the bytes between the tags."""
    assert is_inline(second_page(with_policy(tiny(), policy)))


def test_the_style_carries_the_nonce_of_its_own_response(tiny):
    """Each response has another nonce, and the style never the nonce of an earlier one."""

    def nonce():
        g.setdefault("nonce", secrets.token_hex(8))
        return g.nonce

    site = tiny(PRIVACY_CSP_NONCE=nonce)
    site.app.after_request(lambda answer: answer.headers.set(CSP, f"style-src 'nonce-{nonce()}'") or answer)
    pages = [second_page(site), second_page(site)]
    sent = [page.headers[CSP].split("'nonce-")[1].rstrip("'") for page in pages]
    assert [INLINE.search(page.text)[1] for page in pages] == [f' nonce="{one}"' for one in sent]
    assert len(set(sent)) == 2


@pytest.mark.parametrize(("nonces", "inline"), [(["script-src"], False), (["script-src", "style-src"], True)])
def test_talismans_nonce_counts_only_where_its_policy_names_it(tiny, nonces, inline):
    """A nonce for scripts allows no style."""
    site = tiny()
    policy = {"default-src": "'self'", "script-src": "'self'", "style-src": "'self'"}
    Talisman(site.app, force_https=False, content_security_policy=policy, content_security_policy_nonce_in=nonces)
    assert is_inline(second_page(site)) is inline


def test_each_endpoint_has_a_policy_of_its_own(tiny):
    """A strict page does not change the others, and a page that becomes strict is linked again."""
    site = tiny()
    strict = {"/other"}
    site.app.after_request(
        lambda answer: answer.headers.set(CSP, "default-src 'self'") or answer if request.path in strict else answer
    )
    assert (is_inline(second_page(site)), is_inline(second_page(site, "/other"))) == (True, False)
    strict.add("/")
    assert not is_inline(second_page(site))


def test_a_site_can_always_link_the_sheet(tiny):
    """A proxy may send a policy that the app does not know of."""
    assert not is_inline(second_page(tiny(PRIVACY_INLINE_STYLE=False)))


def test_a_site_that_bundles_the_sheet_has_no_style_in_its_pages(tiny):
    """The element around the banner is then shown by the site's bundle alone."""
    site = tiny()
    site.view("/x", lambda: render_template_string("<body>{{ privacy.banner(assets=False) }}"))
    page = second_page(site, "/x")
    assert "mixamo-ask" in page.text and not INLINE.search(page.text) and "popover" not in page.text


def test_the_banner_of_a_page_for_all_visitors_links_the_sheet(tiny):
    """Its HTML arrives by a script, after the page was painted."""
    site = tiny(PRIVACY_CACHEABLE=True)
    second_page(site)
    script = second_page(site, "/privacy/page.js").text
    assert "banner." in script and "mixamo-ask" in script and "<style" not in script


def test_caches_are_unaffected(tiny):
    """A page with the style has the same headers as one that links the sheet."""
    site = tiny()
    headers = [
        {name: value for name, value in site.visitor().get("/").headers if name != "Content-Length"} for _ in range(2)
    ]
    assert headers[0] == headers[1] and headers[0]["Cache-Control"] == "private"


def test_a_visitor_who_decided_receives_no_style(tiny):
    """The style is a part of the banner."""
    site = tiny()
    second_page(site)
    visitor = site.visitor()
    choose(visitor, "reject_all")
    assert "<style" not in visitor.get("/").text


def test_a_streamed_page_links_the_sheet(tiny):
    """Its headers are final before its template asks for the banner."""
    site = tiny()
    site.view("/x", lambda: Response(stream_template_string("<body>{{ privacy.banner() }}")))
    assert not is_inline(second_page(site, "/x"))


def test_the_style_can_stand_in_a_page():
    """No character of it ends the element, also in XHTML."""
    assert not {"<", "&"} & set(CSS)


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("", True),
        ("script-src 'none'", True),
        ("STYLE-SRC 'UNSAFE-INLINE'", True),
        ("style-src 'nonce' 'self'", True),
        ("style-src 'self'; style-src 'unsafe-inline'", False),
        ("style-src", False),
        ("style-src 'unsafe-inline' 'SHA384-x'", False),
        ("default-src *", False),
    ],
)
def test_a_policy_is_read_as_a_browser_reads_it(policy, allowed):
    """The most specific directive counts, the first of equal names, and a nonce or hash switches 'unsafe-inline' off."""
    assert allows_style(policy, HASH) is allowed
