"""The recipe for nginx: its configurations, in a real nginx on loopback, with the names of hosts in the requests."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

from support.applications import Application, Browser, accept_browse_withdraw, forward_to
from support.recipes import free_port

pytestmark = pytest.mark.recipes

MAIN = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 64; }}
http {{
  log_format path "$request_uri"; access_log {folder}/access.log path;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/nginx/{name};
}}"""


@contextmanager
def proxied(page, name, address):
    """Run nginx with a configuration of the page, on other ports, in front of this address. Yield its port."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert program, "nginx is not installed; `make caches` does that."
    port, file = free_port(), page.folder / "nginx" / name
    text = file.read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for written in ("http://127.0.0.1:8000", "http://127.0.0.1:8001"):
        text = text.replace(written, address)
    file.write_text(text)
    (page.folder / "main").write_text(MAIN.format(folder=page.folder, name=name))
    with page.running(f"{program} -p {page.folder} -c {page.folder}/main", port):
        yield port


def test_a_subpath_keeps_forms_links_and_redirects_below_it(recipe, serve):
    """A visitor accepts, browses and withdraws at /shop/, and the log has the paths with it."""
    page = recipe("nginx")
    app = page.app("shop")
    with proxied(page, "shop.conf", serve(app)) as port:
        browser = Browser(forward_to(port), "http://www.example.org")

        def own_page(answer):
            assert 'href="http://www.example.org/shop/news"' in answer.text

        pages, settings = ["/shop/", "/shop/news"], "/shop/privacy/consent"
        accept_browse_withdraw(Application(app), browser, pages, settings=settings, own_page=own_page)
        assert browser.request("/.well-known/gpc.json").json["gpc"] is True


def test_addresses_with_tokens_stay_out_of_the_access_log(recipe, serve):
    """nginx logs the page of the form, and no link of a mail."""
    page = recipe("nginx")
    with proxied(page, "shop.conf", serve(page.app("shop"))) as port:
        browser = Browser(forward_to(port), "http://www.example.org")
        for path in ("/shop/privacy/requests", "/shop/privacy/unsubscribe/token", "/shop/privacy/requests/confirm/token"):
            answer = browser.request(path)
            assert answer.status_code in (200, 400, 404, 410) and "/shop/privacy/" in answer.text
        assert (page.folder / "access.log").read_text().splitlines() == ["/shop/privacy/requests"]


@pytest.mark.parametrize("shared", [False, True], ids=["each host asks", "one decision"])
def test_subdomains_ask_by_themselves_or_share_a_decision(recipe, serve, shared):
    """A grant on one host counts on the other only with ``PRIVACY_COOKIE_DOMAIN``."""
    page = recipe("nginx")
    config = {"PRIVACY_COOKIE_DOMAIN": "example.org"} if shared else {}
    app = page.app("sites", "create_app", config=config)
    with proxied(page, "sites.conf", serve(app)) as port:
        browser = Browser(forward_to(port), "http://shop.example.org")
        browser.submit(browser.open("/").text, "accept_all")
        browser.base_url = "http://blog.example.org"
        other = browser.open("/").text
        assert "<h1>Blog</h1>" in other and ("mixamo-ask" in other) is not shared
        assert Application(app).decisions() == ["grant"]
