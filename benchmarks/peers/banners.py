"""The page of ten posts with each package's banner, and with none: bytes, requests and the time until it can be pressed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import brotli
from flask import Flask, Response, render_template_string
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_mixamo_privacy import Privacy

from . import packages, throttled

ROUNDS, PRESSES = 5, 3
_POST = "<article><h1>Post {}</h1><p>" + "Some words, and some more words to make a paragraph of it. " * 6 + "</p></article>"
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Posts</title>@head</head><body>@start<main>"
    + "".join(map(_POST.format, range(10)))
    + "</main>@end</body></html>"
)
_STYLE = "".join(f".box-{n} {{ margin: {n}px; padding: {n % 7}em; color: #{n:03x} }}\n" for n in range(400))
_OURS = "document.querySelector('.mixamo-ask [value=accept_all]')"


@dataclass(frozen=True)
class Peer:
    """A banner as its documentation shows it: tags for the page, scripts of the site's own, and its button."""

    name: str
    button: str
    head: str = ""
    start: str = ""
    end: str = ""
    scripts: Mapping[str, str] | None = None
    package: str = ""


_PEERS = (
    Peer("no banner", "document.querySelector('h1')"),
    Peer(
        "vanilla-cookieconsent",
        "document.querySelector('#cc-main [data-role=all]')",
        head='<link rel="stylesheet" href="/files/vanilla-cookieconsent/dist/cookieconsent.css">',
        end='<script defer src="/files/vanilla-cookieconsent/dist/cookieconsent.umd.js"></script>'
        '<script defer src="/own/vanilla.js"></script>',
        scripts={
            "vanilla.js": "CookieConsent.run({hideFromBots: false,"
            "categories: {necessary: {readOnly: true}, statistics: {}},"
            "language: {default: 'en', translations: {en: {consentModal: {description: 'We count visits only if you agree.',"
            "acceptAllBtn: 'Accept all', acceptNecessaryBtn: 'Reject all', showPreferencesBtn: 'Settings'},"
            "preferencesModal: {title: 'Settings', savePreferencesBtn: 'Save', sections: []}}}}});"
        },
        package="vanilla-cookieconsent",
    ),
    Peer(
        "klaro",
        "document.querySelector('.klaro .cookie-notice .cm-btn-success')",
        head='<script defer src="/own/klaro.js"></script><script defer src="/files/klaro/dist/klaro.js"></script>',
        scripts={
            "klaro.js": "var klaroConfig = {version: 1, acceptAll: true,"
            "translations: {en: {purposes: {statistics: 'Statistics'}}},"
            "services: [{name: 'count', title: 'Counting', purposes: ['statistics'], cookies: []}]};"
        },
        package="klaro",
    ),
    Peer(
        "tarteaucitron.js",
        "document.querySelector('#tarteaucitronPersonalize2')",
        head='<script src="/files/tarteaucitronjs/tarteaucitron.min.js"></script>'
        '<script src="/own/tarteaucitron.js"></script>',
        scripts={
            "tarteaucitron.js": "tarteaucitron.init({privacyUrl: '', orientation: 'bottom', highPrivacy: true,"
            "DenyAllCta: true,"
            "AcceptAllCta: true, showIcon: false, removeCredit: true, useExternalCss: false, useExternalJs: false});"
            "tarteaucitron.services.count = {key: 'count', type: 'analytic', name: 'Counting',"
            "needConsent: true, cookies: [], js() {}, fallback() {}};"
            "(tarteaucitron.job = tarteaucitron.job || []).push('count');"
        },
        package="tarteaucitronjs",
    ),
    Peer(
        "osano cookieconsent",
        "document.querySelector('.cc-window .cc-allow')",
        head='<link rel="stylesheet" href="/files/cookieconsent/build/cookieconsent.min.css">',
        end='<script src="/files/cookieconsent/build/cookieconsent.min.js"></script><script src="/own/osano.js"></script>',
        scripts={"osano.js": "cookieconsent.initialise({type: 'opt-in', palette: {popup: {background: '#000'}}});"},
        package="cookieconsent",
    ),
    Peer(
        "c15t (React, offline mode)",
        "[...document.querySelectorAll('button')].find(one => /accept all/i.test(one.textContent))",
        head='<link rel="stylesheet" href="/own/c15t.css">',
        end='<div id="consent"></div><script src="/own/c15t.js"></script>',
        package="@c15t/react",
    ),
)
_C15T = """import { createRoot } from "react-dom/client";
import { ConsentManagerProvider, ConsentBanner, ConsentDialog } from "@c15t/react";
import "@c15t/react/styles.css";
const options = { mode: "offline", consentCategories: ["necessary", "measurement"], overrides: { country: "DE" } };
createRoot(document.getElementById("consent")).render(
  <ConsentManagerProvider options={options}><ConsentBanner /><ConsentDialog /></ConsentManagerProvider>);
"""


def measure() -> dict[str, Any]:
    """Return the rows of all banners from interleaved rounds, and the delays of presses of ours."""
    packages.bundle(_C15T, packages.NPM / "c15t.js", "--jsx=automatic")
    with TemporaryDirectory(prefix="privacy-banners-") as folder, _serving(Path(folder)) as address:
        pages = {
            "ours": ("/ours/", _OURS),
            "ours, style sheet linked": ("/linked/", _OURS),
            "ours, page with a style sheet": ("/ours/styled", _OURS),
            "ours, linked, page with a style sheet": ("/linked/styled", _OURS),
            **{peer.name: (f"/page/{number}", peer.button) for number, peer in enumerate(_PEERS)},
        }
        with throttled.browser() as running:
            # From the first page of an endpoint, the extension learns that the next may have the style.
            throttled.visit(running, [address + path for path, _ in pages.values()])
            rounds = [_round(running, address, pages, number) for number in range(ROUNDS)]
            presses = {name: _press(running, f"{address}/ours/", name) for name in ("Accept all", "Reject all", "Settings")}
    rows = {name: _row([one[name] for one in rounds]) for name in pages}
    for peer in _PEERS:
        rows[peer.name]["version"] = packages.version(peer.package) if peer.package else ""
    return {"rows": rows, "presses": presses}


def _round(running: Any, address: str, pages: dict[str, tuple[str, str]], number: int) -> dict[str, Any]:
    """Load each page once. Each round begins with another page."""
    names = list(pages)
    names = names[number * 2 % len(names) :] + names[: number * 2 % len(names)]
    return {name: throttled.load(running, address + pages[name][0], pages[name][1]) for name in names}


def _row(loads: list[throttled.Load]) -> dict[str, Any]:
    return {
        "usable": median(one.usable for one in loads),
        "all": [one.usable for one in loads],
        "late": sum(one.usable > one.paint for one in loads),  # loads whose first paint had no banner
        "paint": median(one.paint for one in loads),
        "shift": max(one.shift for one in loads),
        "requests": median(one.requests for one in loads),
        "bytes": median(one.bytes for one in loads),
    }


def _press(running: Any, address: str, name: str) -> float:
    return max(throttled.press(running, address, name) for _ in range(PRESSES))


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve all pages on a free port of loopback, compressed by brotli."""
    sites: dict[str, Any] = {f"/{name}": _our_site(folder / name, name == "ours") for name in ("ours", "linked")}
    server = make_server("127.0.0.1", 0, DispatcherMiddleware(_peer_site(), sites), threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def _our_site(folder: Path, inline: bool) -> Flask:
    folder.mkdir()
    app = _compressed(Flask("ours", instance_path=str(folder)))
    app.config.update(SECRET_KEY="not a secret, a benchmark", PRIVACY_LOADER=False, PRIVACY_INLINE_STYLE=inline)
    app.config["PRIVACY_ASSETS_DIR"] = str(folder / "assets")
    Privacy(app)
    page = _page(Peer("ours", _OURS, start="{{ privacy.banner() }}"))
    styled = page.replace("</head>", '<link rel="stylesheet" href="/style.css"></head>')
    app.add_url_rule("/", "index", lambda: render_template_string(page))
    app.add_url_rule("/styled", "styled", lambda: render_template_string(styled))
    return app


def _peer_site() -> Flask:
    app = _compressed(Flask("peers"))
    scripts = {name: text for peer in _PEERS for name, text in (peer.scripts or {}).items()}
    app.add_url_rule("/page/<int:number>", "page", lambda number: _page(_PEERS[number]))
    app.add_url_rule("/files/<path:name>", "files", lambda name: _file(packages.MODULES / name))
    app.add_url_rule(
        "/own/<name>", "own", lambda name: _script(scripts[name]) if name in scripts else _file(packages.NPM / name)
    )
    app.add_url_rule("/style.css", "style", lambda: Response(_STYLE, mimetype="text/css"))
    return app


def _page(peer: Peer) -> str:
    return _PAGE.replace("@head", peer.head).replace("@start", peer.start).replace("@end", peer.end)


def _script(text: str) -> Response:
    return Response(text, mimetype="text/javascript")


def _file(path: Path) -> Response:
    return Response(path.read_bytes(), mimetype="text/css" if path.suffix == ".css" else "text/javascript")


def _compressed(app: Flask) -> Flask:
    @app.after_request
    def compress(response: Response) -> Response:
        if response.status_code == 200 and "Content-Encoding" not in response.headers:
            response.set_data(_brotli(response.get_data()))
            response.headers["Content-Encoding"] = "br"
        return response

    return app


_brotli: Callable[[bytes], bytes] = lru_cache(maxsize=256)(lambda data: brotli.compress(data, quality=11))
