"""Real applications: a visitor who accepts, browses and withdraws, and what the log and the ledger hold of each step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import Client, TestResponse

from conftest import Tiny

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
OPENS_A_PAGE = {"User-Agent": CHROME, "Accept": "text/html,*/*;q=0.8"}
LAYOUT = """<!doctype html><html lang="en"><title>{{ title }}</title><body>{{ privacy.banner() }}
<main><h1>{{ title }}</h1>{% block content %}{% endblock %}<p>{{ privacy.settings_link() }}</p></main>"""


class Application(Tiny):
    """An app that the test builds itself, with the extension's files in the app's instance folder."""

    def __init__(self, app: Flask) -> None:
        self.app, self.folder = app, Path(app.instance_path)

    def pages_viewed(self) -> list[str]:
        return [event["page"] for event in self.events("page_view")]

    def decisions(self) -> list[str]:
        """Return the kinds of the ledger's entries, without the accesses by this test."""
        return [row["kind"] for row in self.ledger() if row["kind"] != "access"]


def new_app(folder: Path, name: str = "application", **config: Any) -> Flask:
    """Return an app with all its files below this folder. The test adds Privacy itself, in the order that it tries."""
    app = Flask(name, instance_path=str(folder / name))
    app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=str(folder / "assets"))
    app.config.update(config)
    return app


class Browser:
    """A browser without JavaScript. It submits the forms that it is shown, and fails at an answer of 500 or more."""

    def __init__(self, wsgi_app: Any, base_url: str = "http://localhost", **headers: str) -> None:
        self.client = Client(wsgi_app)
        self.base_url = base_url
        self.headers = OPENS_A_PAGE | {name.replace("_", "-"): value for name, value in headers.items()}

    def request(self, url: str, method: str = "GET", **options: Any) -> TestResponse:
        headers = self.headers | options.pop("headers", {})
        response = self.client.open(url, method=method, base_url=self.base_url, headers=headers, buffered=True, **options)
        assert response.status_code < 500, (method, url, response.text)
        return response

    def open(self, url: str) -> TestResponse:
        """Open a page, which the site must serve."""
        response = self.request(url)
        assert response.status_code == 200, (url, response.status)
        return response

    def submit(self, page: str, choice: str) -> TestResponse:
        """Press a button of the privacy form in this page, and follow the redirect."""
        action, fields = privacy_form(page)
        response = self.request(action, "POST", data={**fields, "choice": choice})
        assert response.status_code == 303, response.text
        return self.open(response.headers["Location"])


def privacy_form(page: str) -> tuple[str, dict[str, str]]:
    """Return the address and the hidden fields of the form that asks for consent."""
    form = re.search(r'<form[^>]*action="([^"]*/consent)" method="post".*?</form>', page, re.DOTALL)
    assert form, page
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
    return unescape(form[1]), {name: unescape(value) for name, value in hidden}


def accept_browse_withdraw(
    site: Application,
    browser: Browser,
    pages: Sequence[str],
    *,
    settings: str = "/privacy/consent",
    named: Iterable[str] = (),
    own_page: Callable[[TestResponse], object] = lambda page: None,
    own_feature: Callable[[], object] = lambda: None,
) -> None:
    """Open all pages before consent, with it and after its withdrawal. Check the log and the ledger after each step.

    ``named`` are the names of the pages in the log, if they differ from their paths. ``own_page`` checks each page, and
    ``own_feature`` uses what else the site offers, by requests that are no page views.
    """

    def browse(*pages: str) -> list[TestResponse]:
        responses = [browser.open(page) for page in pages]
        for response in responses:
            own_page(response)
        own_feature()
        return responses

    unasked = browse(*pages)
    assert "mixamo-ask" in unasked[0].text and not any(map(sets_cookie, unasked))
    assert not site.decisions() and not site.events()
    assert "mixamo-ask" not in browser.submit(unasked[0].text, "accept_all").text  # this opens the first page again
    browse(*pages[1:])
    assert sorted(site.pages_viewed()) == sorted(named or pages)
    assert len(site.events("visit_start")) == 1 and len({event["visitor"] for event in site.events()}) == 1
    assert site.decisions() == ["grant"]
    browser.submit(browser.open(settings).text, "reject_all")
    refused = browse(*pages)
    assert not any("mixamo-ask" in page.text or "tracker.js" in page.text or sets_cookie(page) for page in refused)
    assert not site.events() and site.decisions() == ["grant", "withdrawal"]
    assert site.cli("ledger", "verify").exit_code == 0


def sets_cookie(response: TestResponse) -> bool:
    """Return whether the response sets or deletes a cookie of the extension."""
    return any("privacy_" in line for line in response.headers.getlist("Set-Cookie"))


def forward_to(port: int) -> Any:
    """Return a WSGI app that passes each request to a real server on loopback, so that a test client can browse it."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else None
        connection.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        dropped = ("connection", "transfer-encoding", "content-length")
        start_response(
            f"{response.status} {response.reason}",
            [(name, value) for name, value in response.getheaders() if name.lower() not in dropped],
        )
        return [content]

    return app
