"""The policy as HTML, Markdown and JSON, its earlier versions, and the GPC support resource."""

from __future__ import annotations

from flask import jsonify, make_response
from werkzeug.wrappers import Response

from ...policy.comparison import ChangedSection, describe
from ...policy.document import Document
from ..context import current_runtime, privacy_context
from ..http import abort_with, accepted_types
from ..rendering import render
from ..runtime import Runtime
from . import pages

_CONTENT_TYPES = ("text/html", "text/markdown", "application/json")


@pages.get("/", endpoint="policy")
def policy() -> Response:
    """Show the policy, derived from the same objects that the code enforces."""
    content_type = accepted_types().best_match(_CONTENT_TYPES, default="text/html")
    response = _as(content_type or "text/html")
    response.vary.add("Accept")
    return response


@pages.get("/policy.md", endpoint="policy_markdown")
def markdown() -> Response:
    """Return the policy as Markdown."""
    return _as("text/markdown")


@pages.get("/policy.json", endpoint="policy_json")
def json() -> Response:
    """Return the policy as JSON, with the whole declaration."""
    return _as("application/json")


@pages.get("/versions/<day>", endpoint="version")
def show_version(day: str) -> str:
    """Show an earlier version as it was posted, with its changes; 404 for a day without a version."""
    ctx, version = privacy_context(), current_runtime().versions.load(day)
    if version is None:
        abort_with(404)
    before = max((other for other in current_runtime().versions.dates() if other < day), default=None)
    return _page(version.document(ctx.language.code), day, before)


def gpc(**host: str) -> Response:
    """Return the GPC support resource at ``/.well-known/gpc.json``."""
    version = current_runtime().policy.version
    return jsonify({"gpc": True} | ({"lastUpdate": version} if version else {}))


def _as(content_type: str) -> Response:
    runtime, document = current_runtime(), _document()
    if content_type == "application/json":
        return jsonify(document.as_dict() | {"declaration": runtime.policy.as_dict()})
    if content_type == "text/markdown":
        response = make_response(document.as_markdown())
        response.content_type = "text/markdown; charset=utf-8"
        return response
    return make_response(_page(document, runtime.policy.version, None))


def _document() -> Document:
    from ...policy.writer import derive

    ctx = privacy_context()
    return derive(ctx.runtime.policy, ctx.language, **ctx.runtime.policy_facts)


def _page(document: Document, day: str, before: str | None) -> str:
    ctx = privacy_context()
    return render(
        "policy.html",
        t=ctx.language,
        document=document,
        day=day,
        versions=ctx.runtime.versions.dates()[::-1],
        newest=max(ctx.runtime.versions.dates(), default=""),
        before=before,
        changes=_changes(ctx.runtime, before, day) if before else (),
    )


def _changes(runtime: Runtime, before: str, day: str) -> list[ChangedSection]:
    earlier, later = runtime.versions.load(before), runtime.versions.load(day)
    return describe(earlier, later, privacy_context().language) if earlier and later else []
