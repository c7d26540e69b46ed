"""Messages at the start of a site: misspelt settings, and routes that hide each other."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from ..config import DEFAULTS
from .hosts import HOST, adapters_of_site, routes_by_host

logger = logging.getLogger("flask_mixamo_privacy")

_PREFIX = "PRIVACY_"
_OWN = "mixamo_privacy"


def unknown_settings(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each ``PRIVACY_*`` key that is no setting, with the most similar setting or "".

    A key with another prefix is yielded if it is nearly a setting: ``PRIVCY_CSP``, or ``FLASK_PRIVACY_CSP``, which is the
    name of an environment variable.
    """
    for name in config:
        if name not in DEFAULTS and name not in Flask.default_config:
            own = name.startswith(_PREFIX)
            near = get_close_matches(name.upper().removeprefix("FLASK_"), DEFAULTS, 1, 0.8 if own else 0.9)
            if own or near:
                yield name, near[0] if near else ""


def hidden_routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the endpoint that answers, and the endpoint that never does, of the site's and our equal routes."""
    first: dict[tuple[str, str, str | None, str | None], Rule] = {}
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}):
            path = _ARGUMENT.sub(r"<\1>", rule.rule)
            other = first.setdefault((path, method, rule.host, rule.subdomain), rule)
            if _is_own(other) != _is_own(rule):
                yield rule.rule, other.endpoint, rule.endpoint
    if routes_by_host(app):
        yield from _hidden_on_hosts(app)


def _hidden_on_hosts(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield the same for routes of one host, which come before those of all hosts, also with another path that matches."""
    rules = list(app.url_map.iter_rules())
    own = [rule for rule in rules if _is_own(rule) and not rule.arguments - {HOST}]
    for adapter in adapters_of_site(app, (rule for rule in rules if not _is_own(rule))):
        for rule in own:
            for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}):
                with suppress(HTTPException):  # the map has no such path on this host
                    answers = str(adapter.match(rule.rule, method)[0])
                    if not answers.startswith(_OWN):
                        yield rule.rule, answers, rule.endpoint


#: An argument of a rule. Its converter counts, because "<int:day>" and "<day>" answer different paths.
_ARGUMENT = re.compile(r"<(?:(?:string|default):|([^:<>]+:))?[^<>]*>")


def _is_own(rule: Rule) -> bool:
    return str(rule.endpoint).startswith(_OWN)


def route_message(path: str, answers: str, hidden: str) -> str:
    """Return the message about two routes with the same path."""
    return f"The route {path} belongs to {answers!r}, so {hidden!r} is never reached."


ROUTE_HINT = "Change the site's route, or set PRIVACY_URL_PREFIX."


def log_messages(app: Flask) -> None:
    """Log a warning for each misspelt setting now, and for each hidden route before the first request."""
    for name, near in unknown_settings(app.config):
        if near:
            logger.warning("There is no setting %s. Did you mean %s?", name, near)
    app.before_request_funcs.setdefault(None, []).insert(0, _log_routes_once(app))


def _log_routes_once(app: Flask) -> Callable[[], None]:
    """Return a function that removes itself when it is called first, so that later requests do not pay for it."""

    def log_routes() -> None:
        # Flask is iterating over the old list. It must not change.
        app.before_request_funcs[None] = [each for each in app.before_request_funcs[None] if each is not log_routes]
        for path, answers, hidden in dict.fromkeys(hidden_routes(app)):
            logger.warning("%s %s", route_message(path, answers, hidden), ROUTE_HINT)

    return log_routes
