"""The policy: as a page, as Markdown, as JSON; its earlier versions; and what it says to Global Privacy Control."""

from __future__ import annotations

from flask import abort, jsonify, make_response, render_template, request
from werkzeug.wrappers import Response

from ...policy.document import Document
from ...policy.versions import Change, changes
from ..context import current_runtime, privacy_context
from ..runtime import Runtime
from . import pages

_FORMS = ("text/html", "text/markdown", "application/json")


@pages.get("/", endpoint="policy")
def policy() -> Response:
    """What the site declares, drawn from the very objects that the code enforces."""
    form = request.accept_mimetypes.best_match(_FORMS, default="text/html")
    response = _as(form or "text/html")
    response.vary.add("Accept")
    return response


@pages.get("/policy.md", endpoint="policy_markdown")
def markdown() -> Response:
    return _as("text/markdown")


@pages.get("/policy.json", endpoint="policy_json")
def json() -> Response:
    return _as("application/json")


@pages.get("/versions/<day>", endpoint="version")
def version(day: str) -> str:
    """An earlier version, as it was posted, with what changed since the one before; 404 for a day without one."""
    ctx, found = privacy_context(), current_runtime().versions.load(day)
    if found is None:
        abort(404)
    before = max((other for other in current_runtime().versions.dates() if other < day), default=None)
    return _page(found.document(ctx.language.code), day, before)


def gpc() -> Response:
    """The GPC support resource, at ``/.well-known/gpc.json``."""
    version = current_runtime().policy.version
    return jsonify({"gpc": True} | ({"lastUpdate": version} if version else {}))


def _as(form: str) -> Response:
    runtime, found = current_runtime(), _document()
    if form == "application/json":
        return jsonify(found.as_dict() | {"declaration": runtime.policy.as_dict()})
    if form == "text/markdown":
        response = make_response(found.as_markdown())
        response.content_type = "text/markdown; charset=utf-8"
        return response
    return make_response(_page(found, runtime.policy.version, None))


def _document() -> Document:
    from ...policy.writer import derive

    ctx = privacy_context()
    return derive(ctx.runtime.policy, ctx.language, **ctx.runtime.policy_facts)


def _page(document: Document, day: str, before: str | None) -> str:
    ctx = privacy_context()
    return render_template(
        "mixamo_privacy/policy.html",
        t=ctx.language,
        document=document,
        day=day,
        versions=ctx.runtime.versions.dates()[::-1],
        newest=max(ctx.runtime.versions.dates(), default=""),
        before=before,
        changes=_changes(ctx.runtime, before, day) if before else (),
    )


def _changes(runtime: Runtime, before: str, day: str) -> list[Change]:
    old, new = runtime.versions.load(before), runtime.versions.load(day)
    return changes(old, new) if old and new else []
