"""Flask-Compress: compressed pages in each state of consent, validated by an ETag of their own."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import brotli
import pytest
from flask import Flask, Response, render_template_string, request
from flask_compress import Compress

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress}


class CompressingBrowser(Browser):
    """A browser that accepts one encoding, and decodes what it receives."""

    def __init__(self, app: Flask, encoding: str) -> None:
        super().__init__(app, Accept_Encoding=encoding)
        self.encoding = encoding

    def open(self, url: str):
        response = super().open(url)
        assert response.headers["Content-Encoding"] == self.encoding and "Accept-Encoding" in response.headers["Vary"]
        response.set_data(DECODERS[self.encoding](response.data))
        return response


@pytest.fixture(params=[(Compress, Privacy), (Privacy, Compress)], ids=["Flask-Compress first", "Privacy first"])
def order(request):
    return request.param


@pytest.fixture
def app(order: Any, tmp_path: Path) -> Flask:
    app = new_app(tmp_path, COMPRESS_MIN_SIZE=10)
    for extension in order:
        extension(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: with_etag(render_template_string(LAYOUT, title="News " * 100)))
    app.add_url_rule("/plain", "plain", lambda: with_etag("<p>plain</p>" * 100))
    return app


def with_etag(text: str) -> Response:
    response = Response(text)
    response.add_etag()
    return response.make_conditional(request)


@pytest.mark.parametrize("encoding", DECODERS)
def test_accept_browse_withdraw(app, encoding):
    """Every page arrives compressed, and is recorded like a plain one."""

    def own_page(page):
        assert page.text.startswith("<!doctype html>") and "News News" in page.text

    accept_browse_withdraw(Application(app), CompressingBrowser(app, encoding), ["/", "/news"], own_page=own_page)


def test_the_files_of_the_extension_are_compressed_once(app):
    """They are sent as they were built, and not compressed again."""
    browser = Browser(app, Accept_Encoding="br")
    page = brotli.decompress(browser.open("/").data).decode()
    url = page.partition('<script src="')[2].partition('"')[0]
    response = browser.request(url, headers={"Accept": "*/*"})
    assert response.headers["Content-Encoding"] == "br" and b"privacy" in brotli.decompress(response.data)


def test_a_validator_of_the_site_confirms_no_outdated_page(app):
    """A page that depends on the decision is sent again in full after it, and any other page is confirmed."""
    browser = Browser(app, Accept_Encoding="br")
    for path, status in (("/", 200), ("/plain", 304)):
        validator = browser.open(path).headers.get("ETag", '"none"')
        browser.request("/privacy/consent", "POST", data={"choice": "reject_all"})
        assert browser.request(path, headers={"If-None-Match": validator}).status_code == status
        browser.client.delete_cookie("privacy_consent")
