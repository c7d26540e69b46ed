"""What the audit sees of a page: everything it stores and everything it asks, however short and by whatever road."""

import shutil

import pytest
from flask import Response, render_template_string
from sites import with_services

from flask_mixamo_privacy.audit import audit
from flask_mixamo_privacy.audit.browser import SYSTEMS
from flask_mixamo_privacy.policy import Service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAGE = """<!doctype html><html lang="en"><title>Tiny</title><body>{{ privacy.banner() }}
<main><h1>Tiny</h1><p>Words to read. {{ privacy.settings_link() }}</p></main><script>SCRIPT</script>"""

STORING = {
    "document.cookie = 'flash=1'; document.cookie = 'flash=; max-age=0'": "flash",
    "cookieStore.set('store', '1')": "store",
    "fetch('/answer')": "answered",
    "localStorage.property = 1; delete localStorage.property": "property",
    "sessionStorage.setItem('item', 1); sessionStorage.clear()": "item",
    "Storage.prototype.setItem.call(localStorage, 'called', 1)": "called",
    "indexedDB.open('base')": "base",
    "caches.open('kept')": "kept",
    "navigator.serviceWorker.register('/worker.js')": "/worker.js",
    "addEventListener('pagehide', () => { document.cookie = 'parting=1' })": "parting",
}

ASKING = {
    "fetch('http://fetch.example/').catch(() => {})": "fetch.example",
    "navigator.sendBeacon('http://beacon.example/')": "beacon.example",
    "addEventListener('pagehide', () => navigator.sendBeacon('http://late.example/'))": "late.example",
    "new WebSocket('ws://socket.example/')": "socket.example",
    "new EventSource('http://source.example/')": "source.example",
    "new Image().src = 'http://image.example/'": "image.example",
    "new FontFace('Far', 'url(http://font.example/)').load().catch(() => {})": "font.example",
    "new Worker('/worker.js')": "worker.example",
    "document.head.insertAdjacentHTML('beforeend', '<link rel=preconnect href=http://hint.example>')": "hint.example",
    "document.head.insertAdjacentHTML('beforeend', '<link rel=icon href=http://icon.example/>')": "icon.example",
    "document.body.insertAdjacentHTML('beforeend', '<iframe srcdoc=\"<img src=http://inner.example>\"></iframe>')": "inner.example",
    "document.body.insertAdjacentHTML('beforeend', '<p style=height:9000px><img loading=lazy src=http://lazy.example>')": "lazy.example",
}


def answering(text="", content_type="text/javascript", **headers):
    return lambda: Response(text, content_type=content_type, headers=headers)


@pytest.fixture
def look(tiny):
    """Audits a tiny site whose page /doing runs these scripts; gives subjects by code, each with its routes."""

    def run(scripts, **config):
        made = tiny(**config)
        made.view("/doing", lambda: render_template_string(PAGE.replace("SCRIPT", ";\n".join(scripts))))
        made.view("/worker.js", answering("fetch('http://worker.example/').catch(() => {})"))
        made.view("/answer", answering(**{"Set-Cookie": "answered=1"}))
        report = audit(made.app, offline=True, skip=["/worker.js", "/answer"], limit=4)
        found = {}
        for one in report.findings:
            found.setdefault(one.code, {})[one.subject] = one.routes
        return found

    return run


def test_whatever_is_stored_is_seen_even_if_it_is_gone_at_once(look):
    """Cookies by script, store, answer and at the last moment; every storage, by method and by property."""
    assert look(STORING)["used-not-declared"] == dict.fromkeys(STORING.values(), ("/doing",))


def test_whatever_is_asked_is_seen_by_whatever_road(look):
    """Fetch, beacons, sockets, pictures, fonts, workers, frames, the icon, what loads lazily, and a mere hint to connect."""
    assert look(ASKING)["host-not-declared"] == dict.fromkeys(ASKING.values(), ("/doing",))


def test_what_the_browser_refused_is_told_all_the_same(look):
    """A page under a Content-Security-Policy still asks, and whoever reads the page would want to know."""
    asking = {
        script: host for script, host in ASKING.items() if host not in ("worker.example", "hint.example", "icon.example")
    }
    assert set(look(asking, PRIVACY_CSP="enforce")["host-not-declared"]) == set(asking.values())


@pytest.mark.parametrize("name", [*filter(shutil.which, SYSTEMS)] or SYSTEMS[:1])
def test_an_icon_is_a_picture_in_every_browser_that_is_there(look, monkeypatch, name):
    """A browser with windows asks for it, for no reason that it tells; one without never does."""
    monkeypatch.setattr("flask_mixamo_privacy.audit.browser.SYSTEMS", (name,))
    policy = with_services(Service("icons", "Icons", "necessary", ("icon.example",), ("image",)))
    icon = "document.head.insertAdjacentHTML('beforeend', '<link rel=icon href=http://icon.example/>')"
    assert "host-not-declared" not in look([icon], PRIVACY_POLICY=policy)
