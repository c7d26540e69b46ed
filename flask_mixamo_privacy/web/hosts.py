"""Sites that route by host or by subdomain. The extension's pages are on every host of such a site.

Flask adds no route to every host, so each rule of ours has an argument in place of the host. The argument is taken away from
the views and added to each URL, which therefore stays on the visitor's host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from flask import Blueprint, Flask, current_app, has_request_context, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter, MapAdapter, Rule

HOST = "privacy_host"  # the name of the argument


class AnyHost(BaseConverter):
    """A host, or a subdomain, which may be empty. Werkzeug names the subdomain of a foreign host ``<invalid>``."""

    regex = "[^/<>]*"
    part_isolating = True
    weight = 1  # so that a rule of ours comes before any page of a site's own <tenant>

    def to_url(self, value: Any) -> str:
        return str(value)


class PagesBlueprint(Blueprint):
    """A blueprint whose pages are on every host of the app."""

    def register(self, app: Any, options: dict[str, Any]) -> None:
        super().register(app, options)
        if routes_by_host(app):  # other apps pay nothing
            app.url_value_preprocessors[self.name].append(take_host)
            app.url_default_functions[self.name].append(add_host)

    def make_setup_state(self, app: Any, options: dict[str, Any], first_registration: bool = False) -> BlueprintSetupState:
        return _OnEveryHost(self, app, options, first_registration)


class _OnEveryHost(BlueprintSetupState):
    def add_url_rule(self, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any) -> None:
        super().add_url_rule(rule, endpoint, view_func, **(options | on_every_host(cast(Flask, self.app))))


def routes_by_host(app: Flask) -> bool:
    """Return whether the host of a request decides which routes the app has."""
    return app.url_map.host_matching or app.subdomain_matching


def on_every_host(app: Flask) -> dict[str, Any]:
    """Return the options of a rule that matches on every host of the app."""
    if not routes_by_host(app):
        return {}
    app.url_map.converters[HOST] = AnyHost
    return {"host" if app.url_map.host_matching else "subdomain": f"<{HOST}:{HOST}>"}


def take_host(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Remove the host from the arguments of a view."""
    if values:
        values.pop(HOST, None)


def add_host(endpoint: str, values: dict[str, Any]) -> None:
    """Add the host of this request to the values of a URL; outside a request, the host in ``SERVER_NAME``."""
    adapter = current_app.create_url_adapter(request if has_request_context() else None)
    for name, value in host_value(endpoint, adapter or current_app.url_map.bind("localhost")).items():
        values.setdefault(name, value)


def host_value(endpoint: str, adapter: MapAdapter) -> dict[str, str]:
    """Return the value that a URL of ours needs to be on the host of an adapter."""
    if not (endpoint.startswith("mixamo_privacy.") and routes_by_host(current_app)):
        return {}
    return {HOST: adapter.server_name if adapter.map.host_matching else adapter.subdomain or ""}


def adapter_at(app: Flask, host: str) -> MapAdapter:
    """Return an adapter for the URLs of a host."""
    if app.url_map.host_matching:
        return app.url_map.bind(host)
    name = app.config["SERVER_NAME"] or ""
    is_below = app.subdomain_matching and f".{host}".endswith(f".{name}")
    subdomain = host.removesuffix(name).rstrip(".") if is_below else "<invalid>" if app.subdomain_matching else None
    return app.url_map.bind("localhost", subdomain=subdomain)


def first_host(app: Flask) -> str:
    """Return ``SERVER_NAME``, or else the first host with a start page or another route, or else ``localhost``."""
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule != "/") if app.url_map.host_matching else ()
    hosts = (rule.host for rule in rules if rule.host and "<" not in rule.host)
    return app.config["SERVER_NAME"] or next(hosts, "localhost")


def is_on_host(rule: Rule, adapter: MapAdapter) -> bool:
    """Return whether a rule is one of the adapter's host, or one of ours, which are on every host."""
    if HOST in rule.arguments:
        return True
    if adapter.map.host_matching:
        return rule.host == adapter.server_name
    return (rule.subdomain or "") == (adapter.subdomain or "")


def adapters_of_site(app: Flask, rules: Iterable[Rule]) -> Iterator[MapAdapter]:
    """Yield an adapter for each host, or subdomain, that the rules name."""
    for place in dict.fromkeys((rule.host if app.url_map.host_matching else rule.subdomain) or "" for rule in rules):
        name = re.sub(r"<[^>]*>", "x", place)
        yield app.url_map.bind(name) if app.url_map.host_matching else app.url_map.bind("localhost", subdomain=name)


def host_of_routes(app: Flask) -> str:
    """Return the host of this request if the routes depend on it, otherwise an empty text."""
    return request.host if routes_by_host(app) and has_request_context() else ""
