"""The environment of the extension's own templates. A site's Jinja settings, such as other delimiters, do not apply there.

A template of the same name in the site replaces one of the extension's, and is read with the site's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, current_app, has_request_context, render_template
from jinja2 import BaseLoader, Environment, FileSystemLoader, Template, TemplateNotFound
from jinja2.ext import Extension
from markupsafe import Markup, escape

from ..collection import notices
from ..policy.parts import CollectionPoint
from .assets import folder
from .context import PrivacyContext, current_runtime, privacy_context
from .hosts import host_value

FOLDER = "mixamo_privacy/"  # of the templates' names


def render(name: str, **values: Any) -> str:
    """Render ``mixamo_privacy/<name>``, the extension's template or the site's. Also works outside a request."""
    helpers = current_runtime().helpers
    values["privacy"], values["breakable"] = helpers.in_own_templates, breakable
    if not has_request_context():
        values["url_for"] = _url_outside_request  # Flask's own url_for would require SERVER_NAME
    template = helpers.templates.get_template(FOLDER + name)
    if template.environment.is_async and _is_in_event_loop():
        return _render_in_a_thread(template, **values)
    return render_template(template, **values)


# A long name of a cookie, a host or a field. Browsers break a line at none of its signs.
_LONG_NAME = re.compile(r"[\w.*-]{16,}")
_SIGN = re.compile(r"([_.-])(?=[^\W_]|\*)")


def breakable(text: object) -> Markup:
    """Return a text whose long names may break after ``_``, ``.`` and ``-``. A copy of it has the same characters."""
    html = _LONG_NAME.sub(lambda name: _SIGN.sub(r"\1<wbr>", name[0]), str(escape(text)))
    return Markup(html)  # noqa: S704 — escaped before the breaks are added


def _is_in_event_loop() -> bool:
    from asyncio import get_running_loop  # imported late, because few sites have asynchronous templates

    try:
        return get_running_loop() is not None
    except RuntimeError:
        return False


def _render_in_a_thread(template: Template, **values: Any) -> str:
    """Render a fragment while an asynchronous page is rendered, because Jinja runs one event loop in each template."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, partial(render_template, template, **values)).result()


def _url_outside_request(endpoint: str, **values: Any) -> str:
    """Return a URL without its host, below the configured mount."""
    adapter = current_app.url_map.bind("localhost")
    path = adapter.build(endpoint, values | host_value(endpoint, adapter))
    return privacy_context().mount + path


def own_environment(app: Flask) -> Environment:
    """Return the environment of the extension's templates. It shares the site's globals with layouts of the site."""
    site = app.jinja_env
    environment = Environment(loader=_Loader(app), autoescape=True, auto_reload=site.auto_reload, enable_async=site.is_async)
    environment.globals = site.globals
    return environment


def is_built_in(filename: str | None) -> bool:
    """Whether a template's file is one of the extension's."""
    return filename is not None and Path(filename).is_relative_to(folder("templates"))


class _Loader(BaseLoader):
    """Loads the extension's templates in their own syntax, and the site's templates by the site's environment."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._built_in = FileSystemLoader(folder("templates"))

    def load(self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None) -> Template:
        site = self._app.jinja_env
        if self._is_overridden(site, name):
            return site.get_template(name)
        return self._built_in.load(environment, name, globals)

    @staticmethod
    def _is_overridden(site: Environment, name: str) -> bool:
        try:
            return site.loader is not None and not is_built_in(site.loader.get_source(site, name)[1])
        except TemplateNotFound:  # the site replaced the loader that knows blueprints
            return False


# A template of the site may extend or include one of the extension's.

_DEFAULT = Environment(autoescape=True)


class OwnSyntax(Extension):
    """Lets the site's environment read the extension's templates, by translating them to the site's delimiters."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        site = self.environment
        if not is_built_in(filename) or _syntax(site) == _syntax(_DEFAULT):
            return source
        return "".join(_translated(source, site))


def _syntax(environment: Environment) -> tuple[str | None, ...]:
    return (
        *(environment.block_start_string, environment.block_end_string),
        *(environment.variable_start_string, environment.variable_end_string),
        *(environment.comment_start_string, environment.comment_end_string),
        *(environment.line_statement_prefix, environment.line_comment_prefix),
    )


def _translated(source: str, site: Environment) -> Iterator[str]:
    """Yield the parts of a template in the default syntax, in the syntax of the site. Comments are left out."""
    starts = (site.block_start_string, site.variable_start_string, site.comment_start_string)
    special = {mark[0] for mark in (*starts, site.line_statement_prefix, site.line_comment_prefix) if mark}
    for _, kind, text in _DEFAULT.lex(source):
        if kind.startswith("comment"):
            continue
        if kind in ("block_begin", "variable_begin"):
            yield getattr(site, kind.replace("_begin", "_start_string")) + text[2:]
        elif kind in ("block_end", "variable_end"):
            yield text.rstrip()[:-2] + getattr(site, kind + "_string")
        elif kind == "data" and not special.isdisjoint(text):  # a part of the HTML could be read as a delimiter
            yield f"{site.variable_start_string} {text!r}|safe {site.variable_end_string}"
        else:
            yield text + " " if kind == "operator" else text


# The widgets that a site places in its own forms.


def form_fragment(template: str, point: CollectionPoint, **values: Any) -> Markup:
    """Render a fragment of a form. A callable value is replaced by its result for policy, point and language."""
    ctx = privacy_context()
    policy, t = ctx.runtime.policy, ctx.language
    context = {name: value(policy, point, t) if callable(value) else value for name, value in values.items()}
    page = render(
        f"{template}.html",
        t=t,
        policy=policy,
        point=point,
        purposes=[t.of(policy.purpose(purpose).title, policy.language) for purpose in point.purposes],
        described=lambda names: t.names(notices.field_descriptions(policy, names, t)),
        **context,
        **widget_style(ctx),
    )
    return Markup(page)  # noqa: S704 — a rendered template


def widget_style(ctx: PrivacyContext) -> dict[str, Any]:
    """Return the template values for the widgets' style sheet. Only the first widget of a page links it."""
    first, ctx.has_embed = not ctx.has_embed, True
    root, name = ctx.mount, ctx.runtime.assets.filename("widgets.css")
    address = f"{root}{ctx.runtime.settings.url_prefix}/static/{name}"
    return {"stylesheet": address if first else "", "nonce": ctx.nonce_attribute}
