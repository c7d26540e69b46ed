"""What is stored about the visitor at hand, for this visitor alone, and its erasure. The signed cookies say who it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ...consent.decision import choose
from ...consent.recording import names_by_storage
from ...errors import PrivacyError
from ..context import PrivacyContext, privacy_context
from ..http import (
    DECISION_NOT_FROM_HERE,
    consent_state,
    is_same_origin,
    no_store,
    problem,
    removed_before,
    wants_json,
    withdrawal_parameters,
)
from ..response import carry_out
from ..template_tags import nonce_attribute
from . import pages

if TYPE_CHECKING:
    from ...tracking.visitor_data import VisitorData


# The receipt of the grant at hand, to download.

# Sentences of the catalogues.
YOUR_RECEIPT = "Your receipt"
NO_RECEIPT = "You have no receipt: nothing is granted in this browser."
NOT_READ = "This could not be read just now. Please try again in a moment."


@pages.get("/receipt", endpoint="receipt")
def download() -> Response:
    """The signed receipt as a file; a page with 404 for whoever holds no grant that the ledger knows."""
    ctx = privacy_context()
    record = ctx.use_consent().record
    try:
        entries = ctx.runtime.ledger.grant_history(record.receipt) if record is not None else None
        found = receipt_of(ctx, entries) if entries else None
    except (PrivacyError, OSError) as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return plain_page(YOUR_RECEIPT, NOT_READ, 503)
    if found is None:
        return plain_page(YOUR_RECEIPT, NO_RECEIPT, 404)
    response = make_response(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    response.content_type = "application/json"
    day = found["events"][0]["event_time"][:10]
    response.headers["Content-Disposition"] = f'attachment; filename="privacy-receipt-{day}.json"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)


def receipt_of(ctx: PrivacyContext, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The receipt of the grant with these entries, signed."""
    from ...consent.proof import make_receipt, sign_receipt

    words = ctx.runtime.ledger.shown_text(entries[0]["text"], entries[0]["fingerprint"])
    marks = ctx.consent.record.granted if ctx.consent.record is not None else frozenset()
    return sign_receipt(make_receipt(ctx.runtime.policy, entries, marks, words), ctx.runtime.keys)


def plain_page(title: str, message: str, status: int) -> Response:
    """One sentence, and the way to the settings."""
    page = render_template("mixamo_privacy/message.html", t=privacy_context().language, title=title, message=message)
    response = no_store(make_response(page))
    response.status_code = status
    return response


ABOUT_YOU = "What is stored about you"  # the title of the page, in the catalogues
ERASED = "Everything that was recorded about you here is erased."
BEING_ERASED = "Everything that was recorded about you here is being erased."


@dataclass(frozen=True)
class _Stored:
    """All that the cookies at hand lead to."""

    footprint: VisitorData
    choices: dict[str, Any]
    decided: tuple[str, str] | None  # the day of the decision, and the last on which it holds
    receipt: dict[str, Any] | None

    def __bool__(self) -> bool:
        return bool(self.footprint.events or self.choices or self.receipt)


@pages.get("/me", endpoint="me")
def me() -> Response:
    """In plain words, with the way to each switch, the receipt and the erasure."""
    ctx = privacy_context()
    found = _stored_if_readable(ctx)
    if found is None:
        return plain_page(ABOUT_YOU, NOT_READ, 503)
    removed = removed_before(ctx)
    page = render_template(
        "mixamo_privacy/me.html",
        t=ctx.language,
        title=ABOUT_YOU,
        message=_erased(ctx) if "erased" in request.args and not found else None,
        stored=found,
        policy=ctx.runtime.policy,
        consent=ctx.consent,
        removed=removed,
        forget=names_by_storage(removed),
        nonce=nonce_attribute(ctx),
    )
    return no_store(make_response(page))


@pages.get("/me.json", endpoint="me_json")
def me_json() -> Response:
    """The same for a machine, with every event; what cannot be read just now is 503."""
    ctx = privacy_context()
    found = _stored_if_readable(ctx)
    if found is None:
        answer = jsonify(message=ctx.language(NOT_READ).text)
        answer.status_code = 503
        return no_store(answer)
    decision = dict(zip(("day", "until"), found.decided, strict=True)) if found.decided else None
    said = {"events": found.footprint.as_dict(), "choices": found.choices, "decision": decision, "receipt": found.receipt}
    return no_store(jsonify({"stored": bool(found), **said, **consent_state(ctx)}))


@pages.post("/me/erase", endpoint="erase")
def erase() -> Response:
    """Withdraw every optional purpose and erase what was recorded under it, at once."""
    ctx = privacy_context()
    if not is_same_origin(request):
        return problem(403, DECISION_NOT_FROM_HERE)
    decision = choose(ctx.runtime.policy, ctx.consent, "reject_all", gpc=ctx.gpc, today=ctx.today)
    carry_out(ctx, decision, None, source="me")
    ctx.choices_to_set = "" if ctx.names.choices in ctx.request.cookies else None
    if wants_json():
        return no_store(jsonify(consent_state(ctx) | {"message": ctx.language(_erased(ctx)).text}))
    return no_store(redirect(url_for("mixamo_privacy.me", erased=1, **withdrawal_parameters(decision)), 303))


def _erased(ctx: PrivacyContext) -> str:
    """Whether it is so already; while a database is away, erasures wait for it."""
    return BEING_ERASED if ctx.runtime.store.has_spooled else ERASED


def _stored_if_readable(ctx: PrivacyContext) -> _Stored | None:
    """None, counted and logged, for what cannot be read just now."""
    try:
        return _stored(ctx)
    except (PrivacyError, OSError) as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return None


def _stored(ctx: PrivacyContext) -> _Stored:
    """Raises an error of ours, or OSError, for what cannot be read just now."""
    from ...tracking.visitor_data import VisitorData, visitor_data

    record = ctx.use_consent().record
    if record is None:
        return _Stored(VisitorData(), ctx.choices, None, None)
    decided = _day(record.day), _day(record.day + ctx.runtime.policy.days_of("privacy_consent") - 1)
    if not record.receipt:
        return _Stored(VisitorData(), ctx.choices, decided, None)
    entries = ctx.runtime.ledger.grant_history(record.receipt)
    if entries is None:  # a grant that has ended opens nothing, whoever kept its cookies
        return _Stored(VisitorData(), {}, None, None)
    visitor = ctx.known_visitor()
    seen = (
        visitor_data(visitor.id, ctx.runtime.store, ctx.runtime.settings.log_dir) if visitor is not None else VisitorData()
    )
    return _Stored(seen, ctx.choices, decided, receipt_of(ctx, entries) if entries else None)


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
