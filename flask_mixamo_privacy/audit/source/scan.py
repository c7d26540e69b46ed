"""The source scan: the site's templates, scripts and style sheets, compared with the declaration."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from flask import Flask
from jinja2 import TemplateSyntaxError

from ...errors import MissingExtra
from ...policy.model import Policy
from ...web.runtime import Runtime
from ..checks import CheckFinding
from .html import MarkupPart, of_markup, of_page_script, of_stylesheet, parts_of
from .traces import Gate, InlineTrace, LoadTrace, SourcePlace, StoredTrace, Trace, host_in

_STORAGES = {"js": "cookie", "local": "local storage", "session": "session storage", "idb": "IndexedDB"}


class Rules:
    """The rules of one declaration. Loads from the site's own hosts are not reported."""

    def __init__(self, policy: Policy, own_hosts: Collection[str] = ()) -> None:
        self._policy = policy
        self._own = frozenset(own_hosts)

    def findings(self, traces: Iterable[Trace]) -> Iterator[CheckFinding]:
        """Yield a finding for each undeclared or ungated trace, and for each inline script."""
        for trace in traces:
            if isinstance(trace, LoadTrace):
                yield from self._load(trace)
            elif isinstance(trace, StoredTrace):
                yield from self._stored(trace)
            else:
                yield _inline(trace)

    def _load(self, load: LoadTrace) -> Iterator[CheckFinding]:
        if load.host in self._own:
            return
        services = [service for service in self._policy.services if service.covers(load.host, load.what)]
        loads = f"The page loads from {load.host!r}{f' ({load.what})' if load.what else ''}"
        if not services:
            hint = "Declare it under [[services]] and load it with privacy.script, style or embed, or remove it."
            yield _finding("error", "host-not-declared", load.place, f"{loads}, which no service declares.", hint)
            return
        withheld = [one for one in services if not self._granted(one.purpose, one.id, load.place.gate)]
        if withheld and len(withheld) == len(services):
            service = services[0]
            message = f"{loads} before {service.purpose!r} is granted."
            hint = f'Load it with privacy.script, style or embed, or put it inside {{% consent "{service.purpose}" %}}.'
            yield _finding("error", "before-consent", load.place, message, hint)
        elif withheld:
            message = f"{loads}, and {withheld[0].id!r}, one of its services, may not be granted."
            hint = "Load it with privacy.script, style or embed, and name its service there."
            yield _finding("warning", "ambiguous-service", load.place, message, hint)

    def _stored(self, stored: StoredTrace) -> Iterator[CheckFinding]:
        storage = _STORAGES[stored.kind]
        if stored.name is None:
            message = f"A script writes to {storage} under a name that is not literal."
            hint = "Write the name as a literal, or check it with `flask privacy audit`."
            yield _finding("warning", "unreadable", stored.place, message, hint)
        elif not self._declared(stored):
            message = f"A script stores {stored.name!r} ({storage}), which the policy does not declare."
            hint = f'Remove it, or add a [[cookies]] table with name = "{stored.name}" and kind = "{stored.kind}".'
            yield _finding("error", "used-not-declared", stored.place, message, hint)

    def _declared(self, stored: StoredTrace) -> bool:
        return self._policy.cookie(stored.name or "", stored.kind, "first") is not None

    def _granted(self, purpose: str, service: str, gate: Gate) -> bool:
        if not self._policy.purpose(purpose).optional:
            return True
        return gate is not None and (not gate or bool(gate & {purpose, service}))


def _inline(inline: InlineTrace) -> CheckFinding:
    message = f"The page has an inline script ({inline.what}), which a browser does not run under script-src 'self'."
    hint = "Move it to a file, or give its tag the site's nonce."
    return _finding("warning", "inline-script", inline.place, message, hint)


def _finding(level: str, key: str, place: SourcePlace, message: str, hint: str) -> CheckFinding:
    return CheckFinding(level, key, message, hint, place.file, place.line)


# The site's files.

_PACKAGE = Path(__file__).parents[2]
_TEMPLATES = (".html", ".htm", ".xhtml", ".jinja", ".jinja2", ".j2", ".svg")
_SCRIPTS, _SHEETS, _PAGES = (".js", ".mjs"), (".css",), (".html", ".htm", ".svg")


def scan(app: Flask, runtime: Runtime) -> Iterator[CheckFinding]:
    """Yield the findings of the site's own files, file by file, or raise :class:`MissingExtra`.

    Files of installed packages are skipped, because the site's developer cannot change them. The audit of the running site
    covers them.
    """
    _require_parsers()
    rules = Rules(runtime.policy, own_hosts(app, runtime))
    for path in sorted(set(_templates(app))):
        try:
            yield from rules.findings(of_markup(parts_of(_read(path), app.jinja_env), _shown(path)))
        except TemplateSyntaxError as error:
            message = f"This template has a syntax error: {error.message}."
            hint = "Correct it: Jinja raises the same error when it renders the template."
            yield CheckFinding("warning", "unreadable", message, hint, _shown(path), error.lineno)
    for path in sorted(set(_static(app))):
        yield from rules.findings(_of_static(path))


def own_hosts(app: Flask, runtime: Runtime) -> set[str]:
    """Return the site's own hosts, from its settings."""
    return {app.config["SERVER_NAME"] or "", host_in(runtime.settings.base_url or "")} - {""}


def _require_parsers() -> None:
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
    place = SourcePlace(_shown(path), 1)
    if path.suffix in _PAGES:
        return of_markup([MarkupPart(_read(path))], place.file)
    return list((of_page_script if path.suffix in _SCRIPTS else of_stylesheet)(_read(path), place))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _shown(path: Path) -> str:
    """Return the shortest path that a terminal can open."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on Windows, the path is on another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative
