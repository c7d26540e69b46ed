"""The front page for staff: what has to be done, in one view. Each part needs the same access as its own page."""

from __future__ import annotations

from typing import Any

from flask import make_response
from werkzeug.wrappers import Response

from ..access import authorise, current_page, may_access, require_login
from ..context import PrivacyContext, current_runtime, privacy_context
from ..http import no_store
from ..rendering import render
from ..staff_pages import NEEDS, figures_of, health_part, kept_findings, mails_part, requests_part, staff_pages
from ..staff_words import RequestWords
from . import pages


@pages.get("/staff", endpoint="staff")
def overview() -> Response:
    """Show requests, mails, findings and health to staff who may see them. Each need that is used is one access entry."""
    login_response = require_login(current_runtime())
    if login_response is not None:
        return login_response
    ctx = privacy_context()
    needs = (*NEEDS, *dict.fromkeys(need for need, _ in ctx.runtime.settings.staff_pages.values()))
    allowed = [need for need in dict.fromkeys(needs) if may_access(need)]
    for need in [need for need in allowed if need in ("requests", "health")] or allowed[:1] or NEEDS[:1]:
        authorise(need, current_page)
    return no_store(make_response(render("staff.html", **_parts(ctx, set(allowed)))))


def _parts(ctx: PrivacyContext, allowed: set[str]) -> dict[str, Any]:
    runtime, t = ctx.runtime, ctx.language
    figures = figures_of(runtime) if allowed & {"requests", "health"} else {}
    has_requests = "requests" in allowed and figures["databases"]["rights"]["state"] == "ok"
    findings, checked_at = kept_findings(runtime).read(runtime) if "health" in allowed else (None, "")
    versions = runtime.versions.dates()
    return {
        "t": t,
        "words": RequestWords(runtime.policy, t),
        "requests": requests_part(runtime) if has_requests else None,
        "mails": mails_part(runtime, figures) if has_requests else None,
        "findings": findings,
        "checked_at": checked_at,
        "health": health_part(figures, t) if "health" in allowed else (),
        "is_healthy": bool(figures.get("healthy")),
        "version": max(versions, default=""),
        "has_earlier": len(versions) > 1,
        "others": staff_pages(ctx)[1:],
    }
