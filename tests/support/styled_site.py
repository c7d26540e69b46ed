"""Sites with the real style sheets of Bootstrap, Pico and Tailwind, and the presets of docs/theming.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask, render_template_string

TESTS = Path(__file__).parents[1]
SHEETS = {"Bootstrap": "bootstrap-5.3.9.min.css", "Pico": "pico-2.1.1.min.css", "Tailwind": "tailwind-preflight-4.3.5.css"}
DOCS = (TESTS.parent / "docs" / "theming.md").read_text(encoding="utf-8")

BASE = """<!doctype html><html lang="{{ t.code if t else "en" }}" data-bs-theme="{{ scheme }}" data-theme="{{ scheme }}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}Page{% endblock %}</title><style>{{ sheet|safe }}</style>{% block head %}{% endblock %}
<style>:root { color-scheme: {{ scheme }} !important } body { padding: 1rem }{{ preset|safe }}</style></head>
<body>{{ privacy.banner() }}<main>{% block content %}<h1>Page</h1>{% endblock %}</main></body></html>"""


def preset(name: str) -> str:
    """Return the style sheet under the heading of this name in the documentation."""
    found = re.search(rf"^### {name}.*?^```css\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def style(app: Flask, folder: Path, name: str, scheme: str = "light") -> None:
    """Add a layout with this style sheet and its preset to an app, for the extension's pages and for ``/page``."""
    templates = folder / "templates" / "mixamo_privacy"
    templates.mkdir(parents=True)
    (templates / "base.html").write_text(BASE, encoding="utf-8")
    loader: Any = app.jinja_loader
    loader.searchpath.insert(0, str(templates.parent))
    sheet = (TESTS / "support" / "vendor" / SHEETS[name]).read_text(encoding="utf-8")
    app.context_processor(lambda: {"sheet": sheet, "preset": preset(name), "scheme": scheme})
    app.add_url_rule("/page", "page", lambda: render_template_string(BASE, t=None))
