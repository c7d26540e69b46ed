"""The licence of a download: its text, and the form that accepts it."""

from __future__ import annotations

from flask import make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from ...collection import notices
from ...errors import RightsUnavailable, UndeclaredCollection
from ...ledger.entry import ShownText
from ..context import current_runtime, privacy_context
from ..forms import CHANGED, NOT_TAKEN, NotCollected, open_submission, raise_http_errors
from ..http import FORM_NOT_FROM_HERE, abort_with, is_same_origin, local_path, no_store, problem_json, wants_json
from ..licences import Licence, accept, is_accepted, licence_of
from ..rendering import render
from . import pages


@pages.get("/licence/<point_id>", endpoint="licence")
def show(point_id: str) -> Response:
    """Show the text with a button, or that the visitor has accepted it."""
    return _page(_licence(point_id))


@pages.post("/licence/<point_id>", endpoint="accept")
def take(point_id: str) -> Response:
    """Accept the version that was shown. The ledger entry comes first; the acceptance takes effect after it."""
    ctx, licence = privacy_context(), _licence(point_id)
    if not is_same_origin(request):
        return _page(licence, _translate(FORM_NOT_FROM_HERE), 403)
    version = licence.version(ctx.runtime.policy)
    if request.form.get("version", version) != version:
        return _page(licence, _translate(CHANGED), 409)
    target = local_path(request.form.get("next"))
    try:
        submission = open_submission(licence.point, "email", ("next", "version"))
        with raise_http_errors(licence.point):
            submission.validate()
            submission.require_acceptance()
            submission.record("acceptance", _licence_text(licence), version=version)
        accept(ctx, licence)
    except NotCollected as error:
        return _page(licence, error.message, error.code or 400)
    except RightsUnavailable as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return _page(licence, _translate(NOT_TAKEN), 503)
    with raise_http_errors(licence.point):
        submission.apply_opt_ins()
    return no_store(redirect(target or url_for("mixamo_privacy.licence", point_id=licence.point.id), 303))


def _licence(point_id: str) -> Licence:
    """Return the licence of a point; 404 for a point without one."""
    runtime = current_runtime()
    try:
        point = notices.find_point(runtime.policy, point_id)
    except UndeclaredCollection:
        abort_with(404)
    licence = licence_of(point)
    if licence is None:
        abort_with(404)
    return licence


def _translate(message: str) -> str:
    return privacy_context().language(message).text


def _licence_text(licence: Licence) -> ShownText:
    ctx = privacy_context()
    return ShownText(
        f"licence:{licence.point.id}", ctx.language.code, licence.localized_text(ctx.runtime.policy, ctx.language).text, ""
    )


def _page(licence: Licence, message: str | None = None, status: int = 200) -> Response:
    ctx = privacy_context()
    t, policy = ctx.language, ctx.runtime.policy
    if message is not None and status >= 400 and wants_json():
        return problem_json(status, message)
    text = licence.localized_text(policy, t)
    page = render(
        "licence.html",
        t=t,
        title=t.of(licence.point.title, policy.language),
        point=licence.point,
        words=text,
        paragraphs=[part.strip() for part in text.text.split("\n\n") if part.strip()],
        accepted=message is None and is_accepted(ctx, licence),
        message=message,
    )
    return no_store(make_response(page, status))
