"""The recipe for the Flask tutorial's blog, applied to the blog in Flask's source archive."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.applications import Application, Browser, accept_browse_withdraw
from support.recipes import tutorial

pytestmark = pytest.mark.recipes


@pytest.fixture
def blog(recipe):
    """The page, with the tutorial in its folder and the page's changes applied."""
    page = recipe("blog")
    shutil.copytree(tutorial(), page.folder, dirs_exist_ok=True)
    page.run("git apply privacy.diff")
    return page


def opened(blog):
    """Return the blog's app with an empty database."""
    app = blog.app("flaskr", "create_app")
    with app.app_context():
        assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    return app


def register(browser, name):
    assert browser.request("/auth/register", "POST", data={"username": name, "password": "x"}).status_code == 302
    assert browser.request("/auth/login", "POST", data={"username": name, "password": "x"}).status_code == 302


def test_the_tutorials_own_tests_pass(blog):
    """Nothing of the blog works differently."""
    output = blog.run("python -m pytest -q -p no:cacheprovider -p no:xdist tests")
    assert re.search(r"^24 passed", output, re.MULTILINE), output


def test_the_commands_of_the_page_work(blog):
    """The declaration is written and frozen; with the session cookie declared, the check has no error."""
    written = Path(blog.folder, "flaskr", "privacy.toml")
    for command in blog.commands():
        if not command.startswith("pip ") and not command.endswith(" run"):
            output = blog.run(command)
        if command.endswith("init"):
            text = written.read_text()
            commented = re.search(r"^# \[\[cookies\]\]\n(?:# .*\n)+", text, re.MULTILINE)[0]
            written.write_text(text.replace(commented, commented.replace("# ", "")))
    assert "Page views" in output


def test_accept_browse_withdraw(blog):
    """A visitor's decision is honoured on the blog's pages, and a post can be written in each state."""
    app = opened(blog)
    browser, titles = Browser(app), []
    register(browser, "ann")
    assert browser.request("/auth/logout").status_code == 302

    def write():
        writer = Browser(app)
        writer.request("/auth/login", "POST", data={"username": "ann", "password": "x"})
        titles.append(f"Post {len(titles)}")
        assert writer.request("/create", "POST", data={"title": titles[-1], "body": "…"}).status_code == 302

    accept_browse_withdraw(Application(app), browser, ["/", "/auth/login"], own_feature=write)
    assert all(title in browser.open("/").text for title in titles)


def test_a_logged_in_authors_page_is_named_by_its_rule(blog):
    """``PRIVACY_LOGGED_IN`` keeps the number of a post out of the log."""
    app = opened(blog)
    browser = Browser(app)
    register(browser, "ann")
    browser.submit(browser.open("/").text, "accept_all")
    browser.request("/create", "POST", data={"title": "Post", "body": "…"})
    browser.open("/1/update")
    assert Application(app).pages_viewed() == ["/", "/<int:id>/update"]
