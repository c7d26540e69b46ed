"""The licence of a download: its text, and the form that accepts it."""

from __future__ import annotations

from flask import make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from ...collection import notices
from ...errors import RightsUnavailable, UndeclaredCollection
from ...ledger.entry import ShownText
from ..context import current_runtime, privacy_context
from ..forms import open_submission, raise_http_errors
from ..http import FORM_NOT_FROM_HERE, abort_with, is_same_origin, local_path, no_store, problem_json, wants_json
from ..licences import Licence, accept, is_accepted, licence_of
from ..problems import CHANGED, NOT_TAKEN, FormProblem, NotCollected, make_problem, show_again
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
        return _rejected(licence, _problem(FORM_NOT_FROM_HERE), 403)
    version = licence.version(ctx.runtime.policy)
    if request.form.get("version", version) != version:
        return _rejected(licence, _problem(CHANGED), 409)
    target = local_path(request.form.get("next"))
    try:
        submission = open_submission(licence.point, "email", ("next", "version"))
        with raise_http_errors(submission):
            submission.validate()
            submission.require_acceptance()
            submission.record("acceptance", _licence_text(licence), version=version)
        accept(ctx, licence)
        with raise_http_errors(submission):
            submission.apply_opt_ins()
    except NotCollected as error:
        return _rejected(licence, error.problem, error.code or 400)
    except RightsUnavailable as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return _rejected(licence, _problem(NOT_TAKEN), 503)
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


def _problem(message: str) -> FormProblem:
    t = privacy_context().language
    return make_problem(t, t(message), {})


def _rejected(licence: Licence, problem: FormProblem, status: int) -> Response:
    """Return the page with the form again: the site's own page if it has one that shows the problem."""
    if wants_json():
        return problem_json(status, problem.message)
    response = show_again(problem, status, licence.endpoint, {}) if licence.endpoint is not None else None
    privacy_context().problem = problem
    return response or _page(licence, status)


def _licence_text(licence: Licence) -> ShownText:
    ctx = privacy_context()
    return ShownText(
        f"licence:{licence.point.id}", ctx.language.code, licence.localized_text(ctx.runtime.policy, ctx.language).text, ""
    )


def _page(licence: Licence, status: int = 200) -> Response:
    ctx = privacy_context()
    t, policy = ctx.language, ctx.runtime.policy
    text = licence.localized_text(policy, t)
    page = render(
        "licence.html",
        t=t,
        title=t.of(licence.point.title, policy.language),
        point=licence.point,
        words=text,
        paragraphs=[part.strip() for part in text.text.split("\n\n") if part.strip()],
        accepted=status < 400 and is_accepted(ctx, licence),
    )
    return no_store(make_response(page, status))
