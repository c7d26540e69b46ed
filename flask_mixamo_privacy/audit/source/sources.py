"""The site's own templates, scripts and style sheets, as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from flask import Flask
from jinja2 import TemplateSyntaxError

from ...errors import MissingExtra
from ...web.site import Site
from ..findings import Finding
from .markup import Piece, of_markup, of_page_script
from .rules import Rules
from .stylesheet import of_stylesheet
from .template import pieces_of
from .trace import Place, Trace, host_in

_PACKAGE = Path(__file__).parents[2]
_TEMPLATES = (".html", ".htm", ".xhtml", ".jinja", ".jinja2", ".j2", ".svg")
_SCRIPTS, _SHEETS, _PAGES = (".js", ".mjs"), (".css",), (".html", ".htm", ".svg")


def scan(app: Flask, here: Site) -> Iterator[Finding]:
    """What every file of the site's own does that the policy does not allow, file by file.

    Files of installed packages are left out: the site's developer cannot mend them, and the audit of the running site
    sees what they do. Raises :class:`MissingExtra`.
    """
    _need_parsers()
    rules = Rules(here.policy, own_hosts(app, here))
    for path in sorted(set(_templates(app))):
        try:
            yield from rules.findings(of_markup(pieces_of(_read(path), app.jinja_env), _shown(path)))
        except TemplateSyntaxError as error:
            says = f"This template cannot be read: {error.message}."
            yield Finding(
                "warning", "unreadable", says, "Jinja will say the same when it is used.", _shown(path), error.lineno
            )
    for path in sorted(set(_static(app))):
        yield from rules.findings(_of_static(path))


def own_hosts(app: Flask, here: Site) -> set[str]:
    """The hosts under which the site's settings say that it is found."""
    return {app.config["SERVER_NAME"] or "", host_in(here.settings.base_url or "")} - {""}


def _need_parsers() -> None:
    if not all(map(find_spec, ("tinycss2", "tree_sitter", "tree_sitter_javascript"))):
        raise MissingExtra("flask privacy check --templates", "audit")


def _folders(app: Flask, kind: str) -> Iterator[Path]:
    for holder in (app, *app.blueprints.values()):
        folder = getattr(holder, f"{kind}_folder")
        if folder is None or getattr(holder, "name", "") == "mixamo_privacy":
            continue
        path = Path(holder.root_path, folder).resolve()
        if "site-packages" not in path.parts and not path.is_relative_to(_PACKAGE):
            yield path


def _templates(app: Flask) -> Iterator[Path]:
    for folder in _folders(app, "template"):
        yield from (path for path in folder.rglob("*") if path.suffix in _TEMPLATES)


def _static(app: Flask) -> Iterator[Path]:
    for folder in _folders(app, "static"):
        yield from (path for path in folder.rglob("*") if path.suffix in (*_SCRIPTS, *_SHEETS, *_PAGES))


def _of_static(path: Path) -> list[Trace]:
    place = Place(_shown(path), 1)
    if path.suffix in _PAGES:
        return of_markup([Piece(_read(path))], place.file)
    return list((of_page_script if path.suffix in _SCRIPTS else of_stylesheet)(_read(path), place))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _shown(path: Path) -> str:
    """As short as a terminal can still open it."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown
