"""A small site with at least one fault of each kind that the audit reports, each on its own page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask, make_response, redirect, render_template_string, request

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.web.current import current_consent

FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>{{ head|safe }}</head>
<body>{{ privacy.banner() }}<main><h1>{{ title }}</h1><p>Some words to read on the page called {{ title }}.</p>{{ body|safe }}</main>
<footer>{% if way_back %}{{ privacy.settings_link() }} {% endif %}{{ privacy.policy_link() }}</footer></body></html>"""

#: The body of each page, without its frame.
BODIES = {
    "undeclared": """<script>document.cookie = "flash=1"; document.cookie = "flash=; max-age=0"; localStorage.print = "1"</script>""",
    "pixel": '<img src="http://pixel.example/1.gif" alt="">',
    "frame": '<iframe src="http://one.map.example/" title="A map"></iframe>',
    "shared": '<img src="http://shared.example/1.gif" alt="">',
    "people": '<p><a href="/found?email=ada@people.example">Ada</a></p>',
    "found": "",
    "away": '<p><a href="https://shop.example/about">Another shop</a></p>',
    "newsletter": '<form><label><input type="checkbox" name="privacy_opt_in" value="newsletter" checked> News</label></form>',
    "app": """<div id="app"></div><script>app.textContent = "All there is to read is written by a script. ".repeat(9)</script>""",
    "barred": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">',
    "lost": "",
}


def create_app(folder: Path) -> Flask:
    """Create the site, with all its files in one folder."""
    app = Flask(__name__, instance_path=str(folder))
    app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_ASSETS_DIR=str(folder / "assets"), PRIVACY_LOADER=False)
    Privacy(app)
    app.add_url_rule("/", "home", lambda: page("home"))
    for name, body in BODIES.items():
        app.add_url_rule(f"/{name}", name, lambda name=name, body=body: page(name, body, way_back=name != "lost"))
    for view in (hop, early, stubborn, deaf, sticky, long, scripted, push):
        app.add_url_rule(f"/{view.__name__}", view.__name__, view)
    return app


def page(title: str, body: str = "", head: str = "", way_back: bool = True) -> str:
    return render_template_string(FRAME, title=title, body=body, head=head, way_back=way_back)


def hop():
    """Set a cookie on a redirect, which no page ever sets."""
    answer = redirect("/")
    answer.set_cookie("hop", "1")
    return answer


def counted(when: Callable[[], bool], **cookie):
    """Return a page that sets a cookie of its own name after a grant of statistics, and also when `when()` is true."""
    name = request.path[1:]
    answer = make_response(page(name))
    if current_consent.allows("statistics") or when():
        answer.set_cookie(name, "1", **{"max_age": 86400, **cookie})
    return answer


def gpc() -> bool:
    return request.headers.get("Sec-GPC") == "1"


def early():
    return counted(lambda: current_consent.state("statistics") == "unasked")


def deaf():
    return counted(gpc)


def sticky():
    return counted(lambda: False, path="/sticky")


def long():
    return counted(lambda: False, max_age=365 * 86400)


def stubborn():
    """Load a script for visitors who granted media, and also for visitors who refused it."""
    wanted = current_consent.allows("media") or (current_consent.state("media") == "refused" and not gpc())
    return page("stubborn", '<script src="http://video.example/player.js"></script>' if wanted else "")


def scripted():
    set_it = "<script>document.cookie = 'scripted=1; path=/; max-age=86400'</script>"
    return page("scripted", set_it if current_consent.allows("statistics") else "")


def push():
    """Show a banner whose reject button is small."""
    return page("push", head="<style>#mixamo-place [value=reject_all] { font-size: 6px }</style>")
