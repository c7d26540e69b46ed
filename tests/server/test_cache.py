"""Sites behind a real shared cache, nginx and Varnish: it stores what it may, and no visitor receives another's response."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Response, render_template_string

from conftest import PAGE

pytestmark = pytest.mark.server

NGINX = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache keys_zone=shared:1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host $http_host; proxy_http_version 1.1;
      proxy_cache shared; proxy_cache_key $request_uri; proxy_cache_valid 10m; add_header X-Cache $upstream_cache_status always;
    }}
  }}
}}"""

# By default Varnish passes every request with a cookie. This configuration looks them up and relies on Vary alone.
VARNISH = """vcl 4.1;
backend site {{ .host = "127.0.0.1"; .port = "{behind}"; }}
sub vcl_recv {{ if (req.method != "GET") {{ return (pass); }} return (hash); }}
sub vcl_deliver {{ if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }} else {{ set resp.http.X-Cache = "MISS"; }} }}"""


def nginx(folder: Path, port: int) -> list[str]:
    return [program("nginx"), "-p", str(folder), "-c", str(folder / "configuration")]


def varnish(folder: Path, port: int) -> list[str]:
    options = ["-F", "-j", "none", "-n", str(folder / "work"), "-s", "malloc,16m", "-a", f"127.0.0.1:{port}"]
    return [program("varnishd"), *options, "-f", str(folder / "configuration")]


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert found, f"{name} is not installed; `make caches` does that."
    return found


@pytest.fixture(params=[(nginx, NGINX), (varnish, VARNISH)], ids=["nginx", "varnish"])
def cached(request: Any, tmp_path: Path, serve: Callable[[Any], str]) -> Iterator[Callable[[Any], int]]:
    """Return a function that puts a shared cache before a site and returns its port."""
    command, configuration = request.param
    running = []

    def put_before(site: Any) -> int:
        folder = tmp_path / "cache"
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        behind = serve(site.app).rpartition(":")[2]
        (folder / "configuration").write_text(configuration.format(folder=folder, port=port, behind=behind))
        with open(folder / "output", "w") as output:
            running.append(subprocess.Popen(command(folder, port), stdout=output, stderr=output))
        deadline = time.monotonic() + 30
        while not listens(port):
            assert running[0].poll() is None and time.monotonic() < deadline, (folder / "output").read_text()
            time.sleep(0.05)
        return port

    yield put_before
    for process in running:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Visitor:
    """A browser behind the cache, with its own cookies."""

    def __init__(self, port: int, choice: str | None, headers: dict[str, str]) -> None:
        self._port, self._headers = port, headers
        self.cookies: dict[str, str] = {}
        self.seen: list[str] = []  # the cache's X-Cache header of each response
        if choice:
            self.ask("/privacy/consent", urlencode({"choice": choice}), "application/x-www-form-urlencoded")

    def ask(self, path: str, body: str | None = None, content_type: str = "") -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = dict(self._headers)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = content_type
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        for line in response.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        self.seen.append(response.headers["X-Cache"])
        return response, text

    @property
    def id(self) -> str:
        """The visitor ID in this browser's cookie jar."""
        return self.cookies.get("privacy_visitor", "").partition(".")[0]


def crowd(port: int) -> dict[str, list[Visitor]]:
    """Return three visitors of each kind."""
    kinds = {
        "asked": (None, {}),
        "granted": ("accept_all", {}),
        "refused": ("reject_all", {}),
        "gpc": (None, {"Sec-GPC": "1"}),
    }
    return {kind: [Visitor(port, *options) for _ in range(3)] for kind, options in kinds.items()}


def site_with_pages(tiny: Any, **config: Any) -> Any:
    site = tiny(**config)
    site.view("/public", lambda: public(render_template_string(PAGE)))
    site.view("/public-plain", lambda: public("<p>plain</p>"))
    site.view("/plain", lambda: "<p>plain</p>")
    return site


def public(text: str) -> Response:
    return Response(text, headers={"Cache-Control": "public, max-age=600"})


PAGES = ("/", "/public", "/public-plain", "/plain", "/other")


def test_each_visitor_gets_their_own_page(tiny, cached):
    """Each page has the right visitor's banner, tracker and ID, whichever visitor requested it before."""
    site = site_with_pages(tiny)
    people = crowd(cached(site))
    for _ in range(3):
        for kind, visitors in people.items():
            for visitor in visitors:
                for path in PAGES:
                    _, text = visitor.ask(path)
                    shows = "plain" not in path
                    assert ("mixamo-ask" in text) == (shows and kind == "asked"), (kind, path)
                    assert ("tracker.js" in text) == (shows and kind == "granted"), (kind, path)
    all_visitors = [visitor for visitors in people.values() for visitor in visitors]
    ids = [visitor.id for visitor in people["granted"]]
    assert all(ids) and len(set(ids)) == 3
    assert not any(visitor.id for visitor in all_visitors if visitor not in people["granted"])
    assert {event["visitor"] for event in site.events()} == set(ids)
    assert "HIT" in [cache_status for visitor in all_visitors for cache_status in visitor.seen], (
        "nothing was kept: the cache is not on trial"
    )
    assert "HIT" in people["refused"][1].seen, "all who refuse share their pages"


def test_private_responses_are_never_cached(tiny, cached):
    """The tracker, the state, the settings and page.js are requested from the site each time."""
    people = crowd(cached(site_with_pages(tiny)))
    for _ in range(2):
        for kind in ("granted", "refused", "asked", "gpc"):
            for visitor in people[kind]:
                answer, text = visitor.ask("/privacy/tracker.js?v=0123456789")
                assert (answer.status, "privacy_events" in text) == ((200, True) if kind == "granted" else (204, False)), (
                    kind
                )
                state = json.loads(visitor.ask("/privacy/state.json")[1])
                assert state["purposes"]["statistics"] == {"granted": "granted", "asked": "unasked"}.get(kind, "refused")
                brought = visitor.ask("/privacy/page.js")[1]
                assert ("Reject all" in brought, "tracker.js" in brought) == (kind == "asked", kind == "granted")
                assert ("checked" in visitor.ask("/privacy/consent")[1]) == (kind == "granted")
    assert not [visitor for visitors in people.values() for visitor in visitors if "HIT" in visitor.seen]


def test_a_cacheable_page_is_cached_once_for_all_visitors(tiny, cached):
    """One cached copy serves all visitors.

    The visitor's own parts load separately, and each visitor reports under their own ID.
    """
    site = site_with_pages(tiny, PRIVACY_CACHEABLE=True)
    people = crowd(cached(site))
    texts, cache_statuses = set(), []
    for _ in range(3):
        for kind, visitors in people.items():
            for visitor in visitors:
                answer, text = visitor.ask("/public")
                texts.add(text)
                cache_statuses.append(answer.headers["X-Cache"])
                assert "Set-Cookie" not in answer.headers and "Vary" not in answer.headers
                brought = visitor.ask("/privacy/page.js")[1]
                assert ("Reject all" in brought, "tracker.js" in brought) == (kind == "asked", kind == "granted")
                view = json.dumps([{"kind": "page_view", "page": "/public"}])
                status = visitor.ask("/privacy/events", view, "application/json")[0].status
                assert status == (204 if kind == "granted" else 403)
    assert len(texts) == 1 and cache_statuses[0] == "MISS" and set(cache_statuses[1:]) == {"HIT"}
    ids = [visitor.id for visitor in people["granted"]]
    assert all(ids) and len(set(ids)) == 3 and len(site.events("page_view")) == 9
    assert {event["visitor"] for event in site.events()} == set(ids)
    assert not any(visitor.id for kind in ("asked", "refused", "gpc") for visitor in people[kind])


def test_files_are_cached_in_every_encoding(tiny, cached):
    """A browser without Brotli never receives the Brotli response for another browser."""
    import re

    port = cached(site_with_pages(tiny))
    address = re.search(r"/privacy/static/banner[^\"]+js", Visitor(port, None, {}).ask("/")[1])[0]
    answers = []
    for _ in range(2):
        for accepted in ("br", "gzip", "identity"):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", address, headers={"Accept-Encoding": accepted})
            response = connection.getresponse()
            response.read()
            answers.append((accepted, response.headers["Content-Encoding"] or "identity"))
            connection.close()
    assert all(sent in (asked, "identity") for asked, sent in answers), answers
