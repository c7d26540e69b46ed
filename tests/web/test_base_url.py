"""The base URL of links in mails: a Host header that Flask or Werkzeug lets pass must not lead elsewhere."""

from __future__ import annotations

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from flask_mixamo_privacy.web.http import base_url, host_name

ODD = [
    "localhost:80@evil.example",
    "localhost:",
    "localhost/evil.example",
    "localhost#.evil.example",
    "local host",
    "[::1]evil.example",
    "localhost:80:81",
    "localhost:65536",
    "localhost:99999",
    "localhost\\evil.example",
    "localhost\tx",
    "localhost?x",
    "user@localhost",
    "lo\xe7alhost",
    "localhost..",
    ".localhost",
    "-localhost",
    "[::1",
    "::1",
    "[::1%25eth0]",
    "[127.0.0.1]",
    "a" * 64,
    "a." * 130 + "a",
]


def base_of(site, host):
    """Return the base URL that a request with this Host header gets, or an empty text if the host is refused."""
    site.view("/base", base_url)
    # An old test client makes a URL of the host itself, which raises for some of them.
    body, status, _ = run_wsgi_app(site.app, create_environ("/base") | {"HTTP_HOST": host})
    assert status.startswith(("200", "400"))
    return b"".join(body).decode() if status.startswith("200") else ""


@pytest.mark.parametrize("testing", [True, False])
@pytest.mark.parametrize("host", ODD)
def test_an_odd_host_is_never_the_base_url(tiny, host, testing):
    """Werkzeug before 3.1.9 lets them pass, and a link made of one opens another site."""
    assert base_of(tiny(TESTING=testing), host) == ""


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_a_loopback_host_is_the_base_url_in_debug_mode(tiny, host):
    """The development server needs no setting. In production a visitor can send such a host."""
    assert base_of(tiny(TESTING=False, DEBUG=True), host) == f"http://{host}"
    assert base_of(tiny(TESTING=False), host) == ""


def test_an_odd_host_is_judged_quickly():
    """The time does not grow with the number of ways to read a name."""
    assert host_name("a" * 255 + "-") is None and host_name("a-" * 130) is None
    assert host_name("[:::1]") is None and host_name("localhost:80:80") is None
    assert host_name("xn--bcher-kva.example.:8000") == "xn--bcher-kva.example."


def test_a_form_does_not_come_from_a_page_of_an_odd_host(tiny):
    """An ``Origin`` that repeats the odd host proves nothing."""
    odd = "localhost:80@evil.example"
    answer = (
        tiny()
        .app.test_client(use_cookies=False)
        .post("/privacy/requests", headers={"Origin": f"http://{odd}"}, environ_overrides={"HTTP_HOST": odd})
    )
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    ("host", "base"),
    [("shop.example", "http://shop.example"), ("www.shop.example:8000", "http://www.shop.example:8000"),
     ("evil.example", ""), ("shop.example.evil.example", ""), ("shop.example:80@evil.example", "")],
)  # fmt: skip
def test_trusted_hosts_are_checked_even_if_flask_does_not(tiny, host, base):
    """Flask before 3.1 ignores ``TRUSTED_HOSTS``, so the extension compares the host itself."""
    assert base_of(tiny(TESTING=False, TRUSTED_HOSTS=["shop.example", ".shop.example"]), host) == base
