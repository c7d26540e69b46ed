"""flask-sock: a page with a socket on a real server. The handshake carries the visitor's cookies and is no page view."""

from __future__ import annotations

from pathlib import Path

import pytest
import simple_websocket
from flask import Flask, render_template_string
from flask_sock import Sock

from flask_mixamo_privacy import Privacy, current_consent
from support.applications import CHROME, LAYOUT, Application, Browser, accept_browse_withdraw, forward_to, new_app

pytestmark = pytest.mark.server


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = new_app(tmp_path)
    sock = Sock(app)
    privacy = Privacy(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: render_template_string(LAYOUT, title="Chat"))

    @sock.route("/chat")
    def chat(socket):
        while True:
            word = socket.receive()
            privacy.track("chat.said")
            socket.send(f"{word}, {current_consent.state('statistics')}")

    return app


def chat(port: str, browser: Browser) -> str:
    """Open the socket with the browser's cookies, say one word, and return the answer."""
    cookies = [
        f"{found.key}={found.value}"
        for found in map(browser.client.get_cookie, ("privacy_consent", "privacy_visitor"))
        if found
    ]
    headers = {"User-Agent": CHROME, "Cookie": "; ".join(cookies)}
    socket = simple_websocket.Client.connect(f"ws://127.0.0.1:{port}/chat", headers=headers)
    socket.send("hello")
    answer = socket.receive(timeout=10)
    socket.close()
    return answer


def test_accept_browse_withdraw(app, serve):
    """The socket works in each state of consent and knows it; only an event of the site's own is recorded from it."""
    port = serve(app).rpartition(":")[2]
    browser = Browser(forward_to(int(port)))
    answers = []

    def use_the_socket():
        answers.append(chat(port, browser))

    accept_browse_withdraw(Application(app), browser, ["/", "/news"], own_feature=use_the_socket)
    assert answers == ["hello, unasked", "hello, granted", "hello, refused"]
