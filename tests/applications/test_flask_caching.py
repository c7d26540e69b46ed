"""Flask-Caching: cached data beside ordinary pages, and whole cached pages under ``PRIVACY_CACHEABLE``."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from flask import render_template_string
from flask_caching import Cache

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.errors import NotAllowed
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app
from support.form_site import policy

FORM = """{{ privacy.problems() }}<input name="name" value="{{ privacy.field('name').value }}">"""


class Site(Application):
    """A site that counts how often it computes its number and its pages."""

    def __init__(self, folder: Path, whole_pages: bool) -> None:
        super().__init__(new_app(folder, PRIVACY_CACHEABLE=whole_pages, CACHE_TYPE="SimpleCache"))
        Privacy(self.app)
        cache = Cache(self.app)
        self.computed: list[str] = []
        self.compute = cache.memoize(600)(self.compute)
        view = cache.cached(600)(self.page) if whole_pages else self.page
        for path in ("/", "/news"):
            self.app.add_url_rule(path, path, view)

    def compute(self) -> int:
        self.computed.append("number")
        return 42

    def page(self) -> str:
        self.computed.append("page")
        return render_template_string(LAYOUT, title=f"The answer is {self.compute()}")


class BrowserWithScripts(Browser):
    """A browser that runs ``page.js``: it shows the banner, or reports the page view as the tracker does."""

    def open(self, url: str) -> Any:
        response = super().open(url)
        if b"page.js" in response.data:
            brought = self.request("/privacy/page.js", headers={"Accept": "*/*"}).text
            if "mixamo-ask" in brought:
                markup = json.loads(re.search(r'innerHTML=("(?:[^"\\]|\\.)*")', brought)[1])
                response.set_data(
                    markup.replace('name="next" value=""', f'name="next" value="{url}"').encode() + response.data
                )
            if "tracker.js" in brought:
                view = [{"kind": "page_view", "page": url}]
                assert self.request("/privacy/events", "POST", json=view, headers={"Accept": "*/*"}).status_code == 204
        return response


@pytest.fixture(params=[False, True], ids=["data", "whole pages"])
def site(request: Any, tmp_path: Path) -> Site:
    return Site(tmp_path, request.param)


def test_accept_browse_withdraw(site):
    """A visitor never receives the banner or the tracker of another, and each page view is recorded once."""

    def own_page(page):
        assert "The answer is 42" in page.text

    accept_browse_withdraw(site, BrowserWithScripts(site.app), ["/", "/news"], own_page=own_page)
    assert site.computed.count("number") == 1


def test_a_cached_page_is_the_same_for_all_visitors(tmp_path):
    """The view runs once for each path, and no copy contains what a visitor decided."""
    site = Site(tmp_path, whole_pages=True)
    browsers = [Browser(site.app) for _ in range(3)]
    for browser, choice in zip(browsers, ("accept_all", "reject_all", "accept_all"), strict=True):
        browser.request("/privacy/consent", "POST", data={"choice": choice})
    assert len({browser.open("/").text for browser in (*browsers, Browser(site.app))}) == 1
    assert site.computed.count("page") == 1 and not site.pages_viewed()


@pytest.mark.parametrize("is_test", [True, False], ids=["tests", "production"])
def test_what_a_visitor_typed_is_never_cached(tiny, is_test):
    """A cached view would keep the typed name for all visitors, so the extension's own page is shown instead."""
    site = tiny(PRIVACY_POLICY=policy(), PRIVACY_CACHEABLE=True, CACHE_TYPE="SimpleCache")
    show = Cache(site.app).cached(600)(lambda: render_template_string(FORM))
    site.app.add_url_rule("/register", "form", show, methods=["GET"])
    site.app.add_url_rule(
        "/register", "take", site.privacy.collects("registration", form="form")(lambda: "taken"), methods=["POST"]
    )
    site.app.testing = is_test
    with pytest.raises(NotAllowed, match=r"@cache\.cached") if is_test else nullcontext():
        answer = site.visitor().post("/register", data={"name": "Ada"})
        assert answer.status_code == 400 and "Please fill in: your email." in answer.text
    assert "Ada" not in site.visitor().get("/register").text
