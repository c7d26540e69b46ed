"""Targets that are requests to a tiny site: cookies, forms, events, hosts and headers."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from werkzeug.test import create_environ

from conftest import Tiny, choose
from flask_mixamo_privacy.web.runtime import RUNTIME
from support.fuzz.mutation import LONGEST, mutated
from support.fuzz.texts import CANARY, Target

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
_HEADERS = {
    "Accept-Language": ("de-AT,de;q=0.9,en;q=0.5,*;q=0.1", "*", "zh-Hans-CN;q=1"),
    "Referer": (f"https://other.example/a/{CANARY}?q=1", "https://localhost/item/a", "https://[::1]/", "http://[bad"),
    "User-Agent": (CHROME, "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", "Googlebot/2.1", f"curl ({CANARY})"),
    "Accept": ("text/html,*/*;q=0.8", "application/json", "application/problem+json;q=0.1"),
    "Origin": ("http://localhost", "null", "https://evil.example"),
    "Sec-Fetch-Site": ("same-origin", "cross-site"),
    "Sec-Fetch-Dest": ("document", "iframe"),
    "X-Requested-With": ("com.example.app", "XMLHttpRequest"),
    "X-Forwarded-For": ("203.0.113.77", "[2001:db8::1]:80"),
    "Sec-GPC": ("1", "0"),
    "Content-Type": ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json; charset=x"),
    "If-None-Match": ('"a", W/"b"',),
    "If-Modified-Since": ("Sat, 09 May 2026 12:00:00 GMT",),
    "Range": ("bytes=0-1,2-3",),
    "HX-Request": ("true",),
}  # fmt: skip
_FORMS = (
    "choice=save&purpose=statistics&purpose=customisation&service=a&shown=abc.banner.en.0123&next=%2Fother",
    "choice=accept_all&next=//evil.example",
    f"kind=access&email={CANARY}&message=a&name=Ada",
    "kind=delete&email=ada%40mail.example&confirm=1",
    "--b\r\nContent-Disposition: form-data; name=choice\r\n\r\naccept_all\r\n--b--",
)
_POSTS = ("/privacy/consent", "/privacy/me/erase", "/privacy/requests", "/privacy/unsubscribe/abc", "/privacy/csp-report")
_EVENTS = tuple(
    json.dumps(events)
    for events in (
        [{"id": "1", "kind": "page_view", "page": "/item/a", "previous": f"https://other.example/{CANARY}", "at": "2026-05-08T12:00:00Z"}],
        [{"id": "2", "kind": "click", "page": "/", "data": {"to": f"/item/{CANARY}", "button": CANARY}, "age": 10.5}],
        [{"id": "3", "kind": "video.played", "page": f"/{CANARY}", "data": {"seconds": 3, "title": CANARY, "ok": None}}],
    )
)  # fmt: skip


class Site:
    """A tiny site with one consenting visitor. What it appends to the log is collected."""

    def __init__(self, folder: Path, foreign: Path) -> None:
        self.site = Tiny(folder)
        runtime = self.site.app.extensions[RUNTIME]
        self.lines: list[str] = []
        self.runtime, runtime.append = runtime, self.lines.append
        runtime.rate_limit.retry_after = lambda *_: 0
        self.cookie = self._granted(self.site)
        other = Tiny(foreign, SECRET_KEY="the secret of another site")
        self.forged = self._granted(other)
        self.lines.clear()

    def _granted(self, site: Tiny) -> str:
        visitor = site.visitor(User_Agent=CHROME)
        choose(visitor, "accept_all")
        visitor.get("/theme/dark")
        cookies = filter(None, map(visitor.get_cookie, ("privacy_consent", "privacy_visitor", "privacy_choices")))
        return "; ".join(f"{cookie.key}={cookie.value}" for cookie in cookies)

    def open(
        self, path: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request to the site; see :func:`open_page`."""
        return open_page(self.site.app, path, method, body, **headers)

    def check_lines(self, allowed: bool) -> None:
        """Raise if an event was logged without consent, or with personal data."""
        lines, self.lines[:] = "".join(self.lines), []
        assert allowed or not lines, f"an event without consent: {lines[:300]}"
        assert CANARY not in lines, f"personal data in the log: {lines[:600]}"


def open_page(
    app: Any, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send a request past every client library, and return status, headers and body. A 5xx is a fault."""
    environ = create_environ(path, method=method)
    environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), "HTTP_USER_AGENT": CHROME}
    for name, value in headers.items():
        key = name.upper() if name in ("Content_Type",) else f"HTTP_{name.upper()}"
        environ[key] = as_header(value)
    answer: list[Any] = []
    parts = app.wsgi_app(environ, lambda status, found, error=None: answer.extend((status, found)))
    content = b"".join(parts)
    if close := getattr(parts, "close", None):
        close()
    status = int(answer[0].split(" ")[0])
    assert status < 500, (status, content[:200])
    return status, answer[1], content


def as_header(value: str) -> str:
    """Return a header's value as WSGI has it: bytes decoded as latin-1, without the characters that end a header."""
    raw = value.encode("utf-8", "surrogatepass")[:LONGEST]
    return raw.decode("latin-1").translate(dict.fromkeys((0, 10, 13), " "))


def targets(folder: Path) -> tuple[Target, ...]:
    """Return the targets of a new site in this folder."""
    for name in ("site", "foreign"):
        (folder / name).mkdir()
    site = Site(folder / "site", folder / "foreign")

    def cookies(text: str) -> None:
        """A forged cookie grants nothing and logs nothing."""
        _, _, content = site.open("/privacy/state.json", Cookie=text)
        assert json.loads(content)["granted"] == ["necessary"]
        site.open("/item/a", Cookie=text, Sec_Fetch_Dest="document", Accept="text/html")
        site.check_lines(allowed=False)

    def forms(text: str) -> None:
        """A post from another site grants nothing."""
        path = _POSTS[len(text) % len(_POSTS)]
        kind = "multipart/form-data; boundary=b" if text.startswith("--b") else "application/x-www-form-urlencoded"
        body = text.encode("utf-8", "surrogatepass")[:LONGEST]
        _, found, _ = site.open(
            path, "POST", body, Content_Type=kind, Sec_Fetch_Site="cross-site", Origin="https://evil.example"
        )
        for value in [value for name, value in found if name == "Set-Cookie" and value.startswith("privacy_consent=")]:
            state = json.loads(site.open("/privacy/state.json", Cookie=value.partition(";")[0])[2])
            assert state["granted"] == ["necessary"], (path, text)
        site.check_lines(allowed=False)

    def events(text: str) -> None:
        """An event of a consenting visitor has no personal data. Without consent there is none."""
        body = text.encode("utf-8", "surrogatepass")[:LONGEST]
        site.open("/privacy/events", "POST", body, Cookie=site.cookie, Sec_Fetch_Site="same-origin")
        site.check_lines(allowed=True)
        assert site.open("/privacy/events", "POST", body, Sec_Fetch_Site="same-origin")[0] == 403
        site.check_lines(allowed=False)

    def hosts(text: str) -> None:
        """No host breaks a page."""
        site.open("/privacy/consent", Host=text)
        site.open("/item/a", Host=text, Referer=f"http://{text}/other", Cookie=site.cookie, Sec_Fetch_Dest="document")
        site.check_lines(allowed=True)

    def headers(text: str) -> None:
        """No header breaks a page, or gets personal data into the log."""
        name, _, value = text.partition(": ")
        values = {name: value} if name.replace("-", "_").replace("_", "").isalpha() and name.isascii() else {"Referer": text}
        values = {name.replace("-", "_"): value for name, value in values.items()}
        site.open("/item/a", Cookie=site.cookie, **{"Sec_Fetch_Dest": "document", "Accept": "text/html"} | values)
        site.check_lines(allowed=True)
        site.open("/privacy/consent", **values)

    lines = [f"{name}: {value}" for name, examples in _HEADERS.items() for value in examples]
    return (
        _of("cookies", 10, [site.forged, "privacy_consent=a.b.c", "a=b; privacy_visitor=x; session=eyJ9.a.b"], cookies),
        _of("forms", 4, _FORMS, forms),
        _of("events", 8, _EVENTS, events),
        _of(
            "hosts", 5, ["localhost", "localhost:80@evil.example", "[::1]:5000", "shop.example.:443", "xn--a.example"], hosts
        ),
        _of("headers", 6, lines, headers),
    )


def _of(name: str, share: int, seeds: Sequence[str], run: Any) -> Target:
    def make(chance: random.Random) -> str:
        return mutated(chance, seeds)

    return Target(name, share, make, run)
