"""The settings page, and the endpoint of every consent decision."""

from __future__ import annotations

import hmac
from functools import partial
from typing import Any

from flask import current_app, jsonify, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...consent import proof
from ...consent.decision import CHOICES, Choice, Decision, choose, limit_choice_for_minor
from ...consent.recording import names_by_storage, stored_for
from ...errors import LedgerUnavailable, UndeclaredPurpose, UndeclaredService
from ...ledger.entry import ShownText, resolve_shown
from ...storage.failures import log_failure
from ..context import PrivacyContext, privacy_context
from ..decisions import carry_out
from ..http import (
    DECISION_NOT_FROM_HERE,
    SAVED,
    consent_state,
    form_token,
    hides_origin,
    is_in_frame,
    is_same_origin,
    local_path,
    no_store,
    problem,
    removed_before,
    settings_page,
    to_new_document,
    wants_json,
    withdrawal_parameters,
)
from . import pages

# A sentence of the catalogues.
STAYS_OFF = "Some optional features stay off in this browser."
NOT_KEPT = "No choice is saved in this browser. If you have just chosen, your browser blocks the cookie that keeps it."


@pages.get("/consent", endpoint="settings")
def settings() -> AnyResponse:
    """Show one switch for each purpose, in its current state. None is preselected."""
    ctx = privacy_context()
    is_saved = ctx.use_consent().record is not None
    message = (SAVED if is_saved else NOT_KEPT) if "saved" in request.args else None
    if ctx.is_minor:
        message = STAYS_OFF
    return settings_page(message, is_error=message == NOT_KEPT, removed=removed_before(ctx))


@pages.get("/state.json", endpoint="state")
def state() -> AnyResponse:
    """Return the visitor's consent as uncacheable JSON."""
    return no_store(jsonify(consent_state(privacy_context())))


# Sentences of the catalogues.
ASK_AGAIN = "What we ask has changed since you opened that page, so nothing was saved. Please choose again."
NOT_SAVED = "Your consent could not be recorded just now, so nothing was granted. Please try again in a moment."


@pages.post("/consent", endpoint="decide")
def post() -> AnyResponse:
    """Apply a decision. A refusal or a withdrawal always takes effect in this response; only a grant can fail."""
    ctx = privacy_context()
    proven = is_same_origin(request)
    if not proven and not hides_origin(request):
        return problem(403, DECISION_NOT_FROM_HERE)
    choice = request.form.get("choice", "")
    if choice not in CHOICES:
        return problem(400, f"The field choice is {choice!r}; allowed: {', '.join(CHOICES)}.")
    try:
        decision = _decision(ctx, choice)
    except UndeclaredPurpose as error:
        return problem(400, f"There is no purpose {error.purpose!r} here; there are: {', '.join(error.declared)}.")
    except UndeclaredService as error:
        return problem(400, f"There is no service {error.service!r} here; there are: {', '.join(error.declared) or 'none'}.")
    shown, is_current = _shown_text(ctx, decision)
    if decision.kind == "grant" and not ((proven and not _may_be_covered(shown)) or _has_form_token(ctx)):
        return _without_grant(ctx, decision, shown, 403, DECISION_NOT_FROM_HERE)
    if decision.kind == "grant" and not is_current:
        return _without_grant(ctx, decision, shown, 409, ASK_AGAIN)
    back, is_change = local_path(request.form.get("next")), ctx.consent.record is not None
    try:
        carry_out(ctx, decision, shown)
    except LedgerUnavailable as error:
        log_failure("A grant could not be recorded", error, log=current_app.logger)
        return _without_grant(ctx, decision, shown, 503, NOT_SAVED)
    return _answer(ctx, decision, back, is_change and request.form.get("services") == "listed")


def _may_be_covered(shown: ShownText | None) -> bool:
    """Return whether another site may have led the visitor to press a button that it covers with a page of its own.

    That takes a frame. Only pages of this origin frame the settings page, but any site may frame a page with the banner.
    """
    return is_in_frame(request) and (shown is None or shown.source != "settings")


def _has_form_token(ctx: PrivacyContext) -> bool:
    """Return whether the form comes from a settings page that was made for the consent cookie of this post."""
    expected, token = form_token(ctx), request.form.get("token", "")
    return bool(expected) and hmac.compare_digest(expected.encode(), token.encode())


def _decision(ctx: PrivacyContext, choice: Choice) -> Decision:
    form, policy = request.form, ctx.runtime.policy
    selection = choice, form.getlist("purpose"), form.getlist("service")
    listed, keep = form.get("services") == "listed" and choice == "save", "keep" in form
    if ctx.is_minor:
        selection = limit_choice_for_minor(policy, *selection)
    return choose(policy, ctx.consent, *selection, listed=listed, keep=keep, gpc=ctx.gpc, today=ctx.today)


def _shown_text(ctx: PrivacyContext, decision: Decision) -> tuple[ShownText | None, bool]:
    """Return the text that the form names, and whether a grant after it is valid under the current policy."""
    policy, token = ctx.runtime.policy, request.form.get("shown", "")
    if not token:
        return None, True  # a program saw no text of ours, so the ledger records none
    is_refusal = decision.kind == "refusal"  # it waits for no database
    lookup = _no_text if is_refusal else ctx.runtime.ledger.shown_text
    shown = resolve_shown(
        token, partial(proof.current_text, policy), policy.policy_fingerprint, lookup, ctx.runtime.settings.languages
    )
    return shown, shown is not None


def _no_text(_digest: str, _fingerprint: str) -> None:
    """Look up no text."""


def _without_grant(
    ctx: PrivacyContext, decision: Decision, shown: ShownText | None, status: int, message: str
) -> AnyResponse:
    """Apply the decision's withdrawals without its grants, and return an error response."""
    if decision.fallback is not None:
        carry_out(ctx, decision.withdrawal_only(ctx.consent), shown)
    return problem(status, message)


def _needs_new_page(decision: Decision) -> bool:
    """Return whether the open page must reload: its HTML and its CSP exclude a service that is now granted."""
    return decision.kind == "grant" and bool(decision.services)


def _answer(ctx: PrivacyContext, decision: Decision, back: str | None, is_change_of_settings: bool) -> AnyResponse:
    """Lead back to the page. A visitor who changed the settings reads first that the change is saved."""
    target = _saved_page(decision, back) if decision.withdraws_something else back
    if not wants_json():
        return to_new_document(_saved_page(decision, back) if is_change_of_settings or not target else target)
    removed = stored_for(ctx.runtime.policy, decision.withdrawn, decision.withdrawn_services)
    answer = consent_state(ctx) | {"message": ctx.language(SAVED).text, "removed": names_by_storage(removed)} | _tracker(ctx)
    if target and (decision.withdraws_something or _needs_new_page(decision)):
        answer["go"] = target
    return no_store(jsonify(answer))


def _tracker(ctx: PrivacyContext) -> dict[str, str]:
    """Return the tracker's URL for the page that stays open, if statistics are granted."""
    granted = "statistics" in ctx.consent.granted
    return {"tracker": ctx.runtime.tracker_url(ctx.mount, ctx.visitor_tag)} if granted else {}


def _saved_page(decision: Decision, back: str | None) -> str:
    """Return the URL of the page that states that the choice is saved, with a link back.

    It also deletes what a header cannot delete, and lists what was deleted.
    """
    values: dict[str, Any] = {"saved": 1, "next": back, **withdrawal_parameters(decision)}
    return url_for("mixamo_privacy.settings", **values)
