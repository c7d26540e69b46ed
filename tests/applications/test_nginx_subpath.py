"""A subpath behind a real nginx, which sets ``X-Forwarded-Prefix`` and its kin for Werkzeug's ProxyFix."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, render_template_string, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, forward_to, new_app

pytestmark = pytest.mark.server

CONFIGURATION = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /shop/ {{
      proxy_pass http://127.0.0.1:{behind}/; proxy_http_version 1.1;
      proxy_set_header X-Forwarded-For 203.0.113.7; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Prefix /shop;
    }}
  }}
}}"""
LINK = LAYOUT.replace("{% block content %}", "{% block content %}<a href=\"{{ url_for('news', _external=True) }}\">News</a>")


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = new_app(tmp_path)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    Privacy(app)
    app.add_url_rule("/", "index", lambda: render_template_string(LINK, title="Shop"))
    app.add_url_rule("/news", "news", lambda: render_template_string(LINK, title="News"))
    app.add_url_rule("/old", "old", lambda: ("", 302, {"Location": url_for("news")}))
    return app


@pytest.fixture
def port(app: Flask, serve, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that serves the app below ``/shop/``."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert program, "nginx is not installed; `make caches` does that."
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    behind = serve(app).rpartition(":")[2]
    (tmp_path / "configuration").write_text(CONFIGURATION.format(folder=tmp_path, port=port, behind=behind))
    with open(tmp_path / "output", "w") as output:
        process = subprocess.Popen([program, "-p", tmp_path, "-c", tmp_path / "configuration"], stdout=output, stderr=output)
    deadline = time.monotonic() + 30
    while not listens(port):
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "output").read_text()
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_accept_browse_withdraw(app, port):
    """Forms, scripts and redirects stay below the subpath, and the log names the pages with it."""
    browser = Browser(forward_to(port), f"http://127.0.0.1:{port}")

    def own_page(page):
        assert f'href="http://127.0.0.1:{port}/shop/news"' in page.text
        scripts = [part.partition('"')[0] for part in page.text.split(' src="')[1:]]
        assert all(browser.request(url, headers={"Accept": "*/*"}).status_code == 200 for url in scripts)

    def follow_an_old_link():
        assert browser.request("/shop/old").headers["Location"] == "/shop/news"

    accept_browse_withdraw(
        Application(app),
        browser,
        ["/shop/", "/shop/news"],
        settings="/shop/privacy/consent",
        own_page=own_page,
        own_feature=follow_an_old_link,
    )


def test_the_log_holds_the_visitors_network_and_page_before(app, port):
    """nginx's own address is not recorded, and a page of the site is no foreign referrer."""
    browser = Browser(forward_to(port), f"http://127.0.0.1:{port}")
    browser.submit(browser.open("/shop/").text, "accept_all")
    browser.request("/shop/news", headers={"Referer": f"http://127.0.0.1:{port}/shop/"})
    *_, event = Application(app).events("page_view")
    assert event["network"] == "203.0.113.0/24"
    assert (event["page"], event["previous"], event["referrer"]) == ("/shop/news", "/shop/", None)
