"""The one address to which every decision is posted, and what a decision sets going."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import current_app, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...consent import proof
from ...consent.decision import CHOICES, Choice, Decision, choose, limit_choice_for_minor
from ...consent.recording import names_by_storage, stored_for
from ...errors import LedgerUnavailable, UndeclaredPurpose, UndeclaredService
from ...ledger.entry import ShownText, resolve_shown
from ..context import PrivacyContext, privacy_context
from ..http import (
    DECISION_NOT_FROM_HERE,
    SAVED,
    consent_state,
    is_same_origin,
    local_path,
    no_store,
    problem,
    removed_before,
    settings_page,
    wants_json,
    withdrawal_parameters,
)
from ..response import carry_out
from . import pages

# The settings page, and what the visitor decided so far as JSON.

# A sentence of the catalogues.
STAYS_OFF = "Some of what is optional stays off in this browser."


@pages.get("/consent", endpoint="settings")
def settings() -> AnyResponse:
    """One switch a purpose, as decided so far; nothing is switched on beforehand."""
    ctx = privacy_context()
    said = STAYS_OFF if ctx.is_minor else SAVED if "saved" in request.args else None
    return settings_page(said, removed=removed_before(ctx))


@pages.get("/state.json", endpoint="state")
def state() -> AnyResponse:
    """What is granted, as JSON, never cached."""
    return no_store(jsonify(consent_state(privacy_context())))


# Sentences of the catalogues; the visitor reads them in a language of the visitor's own.
ASK_AGAIN = "What we ask has changed since you opened that page, so nothing was saved. Please choose again."
NOT_SAVED = "Your consent could not be recorded just now, so nothing was granted. Please try again in a moment."


@pages.post("/consent", endpoint="decide")
def post() -> AnyResponse:
    """Take a decision. A refusal or a withdrawal always takes effect in this very response; only a grant can fail."""
    ctx = privacy_context()
    if not is_same_origin(request):
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
    words, fresh = _words_shown(ctx)
    if decision.kind == "grant" and not fresh:
        return _without_grant(ctx, decision, words, 409, ASK_AGAIN)
    back = local_path(request.form.get("next"))
    open_page = (back or "") if wants_json() and not _needs_new_page(decision) else None
    try:
        carry_out(ctx, decision, words, open_page=open_page)
    except LedgerUnavailable as error:
        current_app.logger.error("A grant could not be recorded: %s", error, exc_info=error)
        return _without_grant(ctx, decision, words, 503, NOT_SAVED)
    return _answer(ctx, decision, back)


def _decision(ctx: PrivacyContext, choice: Choice) -> Decision:
    form, policy = request.form, ctx.runtime.policy
    wanted = choice, form.getlist("purpose"), form.getlist("service")
    listed, keep = form.get("services") == "listed" and choice == "save", "keep" in form
    if ctx.is_minor:
        wanted = limit_choice_for_minor(policy, *wanted)
    return choose(policy, ctx.consent, *wanted, listed=listed, keep=keep, gpc=ctx.gpc, today=ctx.today)


def _words_shown(ctx: PrivacyContext) -> tuple[ShownText | None, bool]:
    """The words that the form names, and whether they ask what the policy asks now."""
    policy, token = ctx.runtime.policy, request.form.get("shown", "")
    if not token:
        return None, True  # a program's post: there were no words of ours, and the ledger says so
    words = resolve_shown(
        token,
        partial(proof.current_text, policy),
        policy.policy_fingerprint,
        ctx.runtime.ledger.shown_text,
        same_text_suffices=True,
    )
    return words, words is not None


def _without_grant(
    ctx: PrivacyContext, decision: Decision, words: ShownText | None, status: int, message: str
) -> AnyResponse:
    """What was taken back in the same breath takes effect; what was to be granted does not."""
    if decision.fallback is not None:
        carry_out(ctx, decision.withdrawal_only(ctx.consent), words)
    return problem(status, message)


def _needs_new_page(decision: Decision) -> bool:
    """Whether the page at hand cannot show what was granted: it was served without it, and with its host refused."""
    return decision.kind == "grant" and bool(decision.services)


def _answer(ctx: PrivacyContext, decision: Decision, back: str | None) -> AnyResponse:
    settled = _what_was_removed(decision, back) if decision.withdraws_something else back
    if not wants_json():
        return no_store(redirect(settled or url_for("mixamo_privacy.settings", saved=1), 303))
    left = stored_for(ctx.runtime.policy, decision.withdrawn, decision.withdrawn_services)
    answer = consent_state(ctx) | {"message": ctx.language(SAVED).text, "removed": names_by_storage(left)} | _tracker(ctx)
    if settled and (decision.withdraws_something or _needs_new_page(decision)):
        answer["go"] = settled
    return no_store(jsonify(answer))


def _tracker(ctx: PrivacyContext) -> dict[str, str]:
    """What a page that stays open may run from now on, where it may."""
    granted = "statistics" in ctx.consent.granted
    return {"tracker": ctx.runtime.tracker_url(ctx.environ.get("SCRIPT_NAME", ""), ctx.visitor_tag)} if granted else {}


def _what_was_removed(decision: Decision, back: str | None) -> str:
    """The address of the page that removes what no header can remove, and says what is gone."""
    values: dict[str, Any] = {"saved": 1, "next": back, **withdrawal_parameters(decision)}
    return url_for("mixamo_privacy.settings", **values)
