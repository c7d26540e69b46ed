"""A site whose pages come from a library that swaps the body: htmx, Turbo, or none."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from flask import Response, redirect, render_template_string

VENDOR = Path(__file__).parent / "vendor"
FILES = {"htmx": "htmx-2.0.11.min.js", "turbo": "turbo-8.0.23.min.js"}

FRAME = """<!doctype html><html lang="en"><head><title>Swapped</title><link rel="icon" href="data:,">
{% if library %}<script src="/library.js"></script>{% endif %}{% block head %}{% endblock %}</head>
<body{% if library == "htmx" %} hx-boost="true"{% endif %}>{{ privacy.banner() }}<main data-number="{{ next_number() }}">
{% block content %}{% for path in paths %}<a href="{{ path }}">{{ path }}</a> {% endfor %}
<button type="button" data-privacy-event="liked">Like</button>{{ embed }}{% endblock %}</main>
<footer>{{ privacy.settings_link() }}</footer></body></html>"""

# Sets window.tracked to the number of the page for which a tracker's script ran last.
OBSERVE_TRACKER = """addEventListener("privacy:tracker", () => {
  if (document.currentScript?.isConnected) window.tracked = document.querySelector("main").dataset.number }, true)"""
# Whether another page than the one with this number is complete: no library is at work on it, and its tracker's script ran.
IS_TRACKED = """(earlier) => { const { number } = document.querySelector("main")?.dataset ?? {};
  return number && number !== earlier && number === window.tracked && document.readyState === "complete"
    && !("turboPreview" in document.documentElement.dataset) && !document.querySelector("[class*=htmx-]") }"""

PATHS = ("/p1", "/p2", "/p3", "/p4", "/p5", "/p1?page=2", "/old")


def swap(site: Any, library: str, embed: Any = lambda: "") -> Any:
    """Let the library navigate a site of five pages; also on the extension's own pages, as a site's own frame does."""
    from jinja2 import ChoiceLoader, DictLoader

    app = site.app
    loader = DictLoader({"mixamo_privacy/base.html": FRAME})
    app.jinja_loader = ChoiceLoader([loader, app.jinja_loader] if app.jinja_loader else [loader])
    numbers = count(1)
    app.context_processor(lambda: {"library": library, "next_number": lambda: next(numbers)})
    for path in PATHS[:5]:
        site.view(path, lambda: render_template_string(FRAME, paths=PATHS, embed=embed()))
    site.view("/old", lambda: redirect("/p5"))
    if library:
        code = (VENDOR / FILES[library]).read_text(encoding="utf-8")
        site.view("/library.js", lambda: Response(code, content_type="text/javascript; charset=utf-8"))
    return site
