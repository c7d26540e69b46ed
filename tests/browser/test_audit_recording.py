"""What the audit records of a page: everything that the page stores and requests, by every route, and nothing else."""

import shutil
from dataclasses import replace

import pytest
from flask import Flask, Response, redirect, render_template_string

from conftest import Tiny, serving
from flask_mixamo_privacy.audit.browser.crawl import audit
from flask_mixamo_privacy.audit.browser.launch import SYSTEMS
from flask_mixamo_privacy.policy.parts import Notices, Service
from flask_mixamo_privacy.policy.toml import built_in
from support.service_site import with_services

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAGE = """<!doctype html><html lang="en"><title>Tiny</title><body>{{ privacy.banner() }}
<main><h1>Tiny</h1><p>Words to read. {{ privacy.settings_link() }}</p>BODY</main><script>SCRIPT</script>"""

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
    "dispatchEvent(new StorageEvent('storage', {storageArea: localStorage})); document.cookie = 'event=1'": "event",
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
    "new SharedWorker('/shared.js')": "shared.example",
    "new SharedWorker('/talking.js')": "talking.example",
    "new WebTransport('https://transport.example/').closed.catch(() => {})": "transport.example",
    "new RTCPeerConnection({iceServers: [{urls: ['stun:stun.example:3478']}]})": "stun.example:3478",
    "document.head.insertAdjacentHTML('beforeend', '<link rel=preconnect href=http://hint.example>')": "hint.example",
    "document.head.insertAdjacentHTML('beforeend', '<link rel=manifest href=http://manifest.example/>')": "manifest.example",
    "document.head.insertAdjacentHTML('beforeend', '<link rel=icon href=http://icon.example/>')": "icon.example",
    "document.body.insertAdjacentHTML('beforeend', '<iframe srcdoc=\"<img src=http://inner.example>\"></iframe>')": "inner.example",
    "document.body.insertAdjacentHTML('beforeend', '<p style=height:9000px><img loading=lazy src=http://lazy.example>')": "lazy.example",
}


#: Kinds of requests that a page's Content-Security-Policy does not prevent.
UNREFUSED = ("worker", "shared", "talking", "stun", "hint", "manifest", "icon")

WORKERS = {
    "/worker.js": "fetch('http://worker.example/').catch(() => {})",
    "/shared.js": "fetch('http://shared.example/').catch(() => {})",
    "/talking.js": "new WebSocket('ws://talking.example/')",
}


def page(script="", body=""):
    return lambda **_: render_template_string(PAGE.replace("SCRIPT", script).replace("BODY", body))


def answering(text="", content_type="text/javascript", **headers):
    return lambda **_: Response(text, content_type=content_type, headers=headers)


@pytest.fixture
def look(tiny):
    """Return a function that audits a tiny site whose page /doing runs the given scripts."""

    def run(scripts, link="", **config):
        made = tiny(**config)
        doing = page(";\n".join(scripts))
        made.view("/doing", lambda: (doing(), {"Link": link} if link else {}))
        for path, text in WORKERS.items():
            made.view(path, answering(text))
        made.view("/answer", answering(**{"Set-Cookie": "answered=1"}))
        return audit(made.app, offline=True, skip=["*.js", "/answer"], limit=4)

    return run


def found(report, code):
    """Return the subjects of findings with their routes."""
    return {one.subject: one.routes for one in report.findings if one.code == code}


def test_stored_items_are_recorded_even_if_deleted_at_once(look):
    """Cookies set by script, Cookie Store, response or on unload are recorded, and every storage by method and property."""
    assert found(look(STORING), "used-not-declared") == dict.fromkeys(STORING.values(), ("/doing",))


def test_every_kind_of_request_is_recorded(look):
    """Fetches, beacons, sockets, calls, images, fonts, workers, frames, icons, lazy resources and connection hints are
    recorded.
    """
    report = look(ASKING, "</x.css>; rel=preload, <http://header.example>; rel=preconnect")
    asked = dict.fromkeys([*ASKING.values(), "header.example"], ("/doing",))
    assert found(report, "host-not-declared") == asked
    again = {one.subject for one in report.findings if "withdrawn" in one.states}
    assert again >= {"shared.example", "talking.example"}, "A shared worker is not held when it starts again."


def test_requests_that_the_browser_refused_are_reported(look):
    """A page under a Content-Security-Policy still attempts the request, so the report lists it."""
    asking = {script: host for script, host in ASKING.items() if host.partition(".")[0] not in UNREFUSED}
    assert set(found(look(asking, PRIVACY_CSP="enforce"), "host-not-declared")) == set(asking.values())


@pytest.mark.parametrize("name", [*filter(shutil.which, SYSTEMS)] or SYSTEMS[:1])
def test_an_icon_is_an_image_in_every_browser(look, monkeypatch, name):
    """A browser with windows requests the icon without an initiator; a headless browser never requests it."""
    monkeypatch.setattr("flask_mixamo_privacy.audit.browser.launch.SYSTEMS", (name,))
    policy = with_services(Service("icons", "Icons", "necessary", ("icon.example",), ("image",)))
    icon = "document.head.insertAdjacentHTML('beforeend', '<link rel=icon href=http://icon.example/>')"
    assert found(look([icon], PRIVACY_POLICY=policy), "host-not-declared") == {}


STYLED = """<link rel=stylesheet href=http://fonts.example/x.css>
<link rel=prefetch as=script href=http://library.example/x.js>"""
NAMED = """<img alt="" src=https://base.example/x.png><img alt="" src=https://server.example/x.png>
<img alt="" src=https://cookie.example/x.png><a href=https://www.base.example>Home</a>"""
LEAVING = """<a id=out target=_blank rel=external aria-describedby="told new" href=http://out.example/>Out</a>
<span id=told>leaves this site</span> <span id=new>in a new window</span>"""
PLAIN = "<noscript><meta http-equiv=refresh content='0; url=/other'></noscript>"
BOX = "<label><input type=checkbox name=purpose value=films> Films</label>"
SITE = {
    "/styled": page(body=STYLED),
    "/named": page(body=NAMED),
    "/leaving": page(body=LEAVING),
    "/soon": page("setTimeout(() => { location = '/other' }, 150)"),
    "/parting": page("addEventListener('pagehide', () => setTimeout(() => { location = '/other' }))"),
    "/plain": page(body=PLAIN),
    "/away": lambda: redirect("https://login.example/"),
    "/next": lambda: Response(page()(), headers={"Set-Cookie": "next=1"}),
    "/sitemap.xml": answering('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "application/xml"),
    "/ticked": page("document.querySelector('[name=purpose]').checked = true", BOX),
    "/people": page(body="<a href=/of/ada@people.example>Ada</a>"),
    "/of/<person>": lambda person: ("Nobody knows why.", 500),
}
NAMES = {
    "PRIVACY_BASE_URL": "https://base.example",
    "SERVER_NAME": "server.example",
    "SESSION_COOKIE_DOMAIN": "cookie.example",
}


async def leave(page):
    await page.goto("/leaving")
    async with page.expect_popup():
        await page.locator("#out").click()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The audit's report on a site that makes no undeclared request, although many of its pages seem to."""
    others = Flask("others")
    others.add_url_rule("/x.css", "x", answering("p { margin: 0 }", "text/css", **{"Access-Control-Allow-Origin": "*"}))
    services = (
        Service("fonts", "Fonts", "necessary", ("fonts.example",), ("style",)),
        Service("library", "Library", "necessary", ("library.example",), ("script",)),
    )
    policy = replace(
        built_in(),
        purposes=built_in().purposes[:1],
        cookies=built_in().cookies[:1],
        services=services,
        notices=Notices(links=True),
    )
    made = Tiny(tmp_path_factory.mktemp("site"), PRIVACY_POLICY=policy, **NAMES)
    for path, view in SITE.items():
        made.view(path, view)
    with serving(others) as url:
        hosts = {"fonts.example": url.removeprefix("http://")}
        return audit(made.app, offline=True, hosts=hosts, steps=[leave], skip=["/privacy/*"])


def test_a_page_is_reported_only_for_its_own_requests(report):
    """The site's own hosts, targets of links and redirects, the audit's requests and a declared prefetch are not reported."""
    assert {(one.code, one.subject, one.routes) for one in report.findings} == {
        ("declared-not-seen", "privacy_consent", ()),
        ("used-not-declared", "next", ("/next",)),
        ("pre-ticked", "films", ("/ticked",)),
        ("personal-data-in-url", "/of/…@…", ("/of/…@…",)),
    }


def test_a_page_that_redirects_itself_is_audited_like_the_others(report):
    """The redirect may be soon or late, without JavaScript, or to another site; XML works too.

    Only failing pages count as unvisited.
    """
    assert report.unseen == (("/of/…@…", "The server answered 500."),)
    assert {path for path in SITE if "<" not in path} < set(report.routes)


def test_no_report_contains_a_mail_address(report):
    """The list of pages, the list of unvisited pages and the findings contain none."""
    assert "ada@" not in str(report)


def test_a_step_may_open_a_page_while_the_previous_one_navigates(tiny):
    """The audit opens it again, because nothing shows when the previous page is at rest."""
    made = tiny()
    made.view("/moving", page("setTimeout(() => { location = '/moved' }, 20)"))
    made.view("/moved", page()), made.view("/next", page())

    async def open_both(page):
        for _ in range(4):
            await page.goto("/moving"), await page.goto("/next")

    audit(made.app, offline=True, steps=[open_both], skip=["/moving", "/moved", "/next", "/privacy/*"])
