"""The licence of a download: its text, and the form that accepts it."""

from __future__ import annotations

from flask import abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ...collection import notices
from ...errors import RightsUnavailable, UndeclaredCollection
from ...ledger.entry import ShownText
from ..context import current_runtime, privacy_context
from ..forms import CHANGED, NOT_TAKEN, NotCollected, open_submission, raise_http_errors
from ..http import FORM_NOT_FROM_HERE, is_same_origin, local_path, no_store
from ..licences import Licence, accept, is_accepted, licence_of
from . import pages


@pages.get("/licence/<point_id>", endpoint="licence")
def licence(point_id: str) -> Response:
    """The text, and a button; that it was accepted, where it was."""
    return _page(_found(point_id))


@pages.post("/licence/<point_id>", endpoint="accept")
def take(point_id: str) -> Response:
    """Accept the version that was shown. On record first; then it takes effect, and the way goes on."""
    ctx, found = privacy_context(), _found(point_id)
    if not is_same_origin(request):
        return _page(found, _said(FORM_NOT_FROM_HERE), 403)
    version = found.version(ctx.runtime.policy)
    if request.form.get("version", version) != version:
        return _page(found, _said(CHANGED), 409)
    onward = local_path(request.form.get("next"))
    try:
        taking = open_submission(found.point, "email", ("next", "version"))
        with raise_http_errors(found.point):
            taking.validate()
            taking.require_acceptance()
            taking.record("acceptance", _words(found), version=version)
        accept(ctx, found)
    except NotCollected as error:
        return _page(found, error.message, error.code or 400)
    except RightsUnavailable as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return _page(found, _said(NOT_TAKEN), 503)
    with raise_http_errors(found.point):
        taking.apply_opt_ins()
    return no_store(redirect(onward or url_for("mixamo_privacy.licence", point_id=found.point.id), 303))


def _found(point_id: str) -> Licence:
    """The licence of a point; 404 for a point that has none."""
    runtime = current_runtime()
    try:
        point = notices.find_point(runtime.policy, point_id)
    except UndeclaredCollection:
        abort(404)
    found = licence_of(point)
    if found is None:
        abort(404)
    return found


def _said(message: str) -> str:
    return privacy_context().language(message).text


def _words(found: Licence) -> ShownText:
    ctx = privacy_context()
    return ShownText(
        f"licence:{found.point.id}", ctx.language.code, found.localized_text(ctx.runtime.policy, ctx.language).text, ""
    )


def _page(found: Licence, message: str | None = None, status: int = 200) -> Response:
    ctx = privacy_context()
    t, policy = ctx.language, ctx.runtime.policy
    words = found.localized_text(policy, t)
    page = render_template(
        "mixamo_privacy/licence.html",
        t=t,
        title=t.of(found.point.title, policy.language),
        point=found.point,
        words=words,
        paragraphs=[part.strip() for part in words.text.split("\n\n") if part.strip()],
        accepted=message is None and is_accepted(ctx, found),
        message=message,
    )
    return no_store(make_response(page, status))
