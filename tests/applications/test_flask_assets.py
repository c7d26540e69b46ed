"""Flask-Assets: the site's own bundles, with a style sheet of the extension in one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask, render_template_string
from flask.cli import FlaskGroup
from flask_assets import Bundle, Environment

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.web.assets import bundle
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

PAGE = (
    '{% assets "site_css" %}<link rel="stylesheet" href="{{ ASSET_URL }}">{% endassets %}'
    '{% assets "site_js" %}<script src="{{ ASSET_URL }}" defer></script>{% endassets %}' + LAYOUT
)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = new_app(tmp_path)
    static = tmp_path / "static"
    static.mkdir()
    (static / "site.css").write_text("main {  color: #333;  }\n")
    (static / "site.js").write_text("// the site's own\ndocument.title  +=  '!';\n")
    app.static_folder = str(static)
    assets = Environment(app)
    assets.register("site_css", Bundle("site.css", bundle("widgets.css"), filters="rcssmin", output="packed.css"))
    assets.register("site_js", Bundle("site.js", filters="rjsmin", output="packed.js"))
    Privacy(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: render_template_string(PAGE, title="News"))
    return app


def test_accept_browse_withdraw(app):
    """The bundles of the site and the files of the extension are served in each state of consent."""
    browser = Browser(app)

    def own_page(page):
        urls = re.findall(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"', page.text)
        served = {url.partition("?")[0]: browser.request(url, headers={"Accept": "*/*"}) for url in urls}
        assert all(response.status_code == 200 for response in served.values()), served
        assert "main{color:#333}" in served["/static/packed.css"].text
        assert "document.title+='!'" in served["/static/packed.js"].text

    accept_browse_withdraw(Application(app), browser, ["/", "/news"], own_page=own_page)


def test_a_bundle_contains_the_style_sheet_of_the_extension(app):
    """A site may pack ``widgets.css`` into its own style sheet, which then needs no second request."""
    url = re.search(r'href="(/static/packed.css[^"]*)"', Browser(app).open("/").text)[1]
    assert "privacy-" in Browser(app).request(url).text


def test_the_command_of_flask_assets_builds_all_bundles(app, tmp_path):
    """``flask assets build`` works in an app with the extension."""
    outcome = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["assets", "build"])
    assert outcome.exit_code == 0, outcome.output
    assert {"packed.css", "packed.js"} <= {path.name for path in (tmp_path / "static").iterdir()}
