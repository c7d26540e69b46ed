"""The visitor's own data: receipt, stored events and erasure. The signed cookies identify the visitor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from flask import current_app, jsonify, make_response, request, url_for
from werkzeug.wrappers import Response

from ...consent.decision import choose
from ...consent.recording import cookie_domains, names_by_storage
from ...errors import PrivacyError, StoreUnavailable
from ...policy.parts import in_words
from ..context import PrivacyContext, privacy_context
from ..decisions import carry_out, has_ended, ids_in_cookies, ids_of_earlier_grants
from ..http import (
    DECISION_NOT_FROM_HERE,
    consent_state,
    consent_url,
    hides_origin,
    is_same_origin,
    no_store,
    problem,
    problem_json,
    removed_before,
    to_new_document,
    wants_json,
    withdrawal_parameters,
)
from ..rendering import render
from . import pages

if TYPE_CHECKING:
    from ...tracking.visitor_data import VisitorData, VisitorEvents


# Sentences of the catalogues.
YOUR_RECEIPT = "Your receipt"
NO_RECEIPT = "You have no receipt: nothing is granted in this browser."
NOT_READ = "This could not be read just now. Please try again in a moment."


@pages.get("/receipt", endpoint="receipt")
def download() -> Response:
    """Serve the signed receipt as a file, or a page with 404 without a grant in the ledger."""
    ctx = privacy_context()
    record = ctx.use_consent().record
    try:
        entries = ctx.runtime.ledger.grant_history(record.receipt) if record is not None else None
        receipt = receipt_of(ctx, entries) if entries else None
    except (PrivacyError, OSError) as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return plain_page(YOUR_RECEIPT, NOT_READ, 503)
    if receipt is None:
        return plain_page(YOUR_RECEIPT, NO_RECEIPT, 404)
    response = make_response(json.dumps(receipt, ensure_ascii=False, indent=1) + "\n")
    response.content_type = "application/json"
    day = receipt["events"][0]["event_time"][:10]
    response.headers["Content-Disposition"] = f'attachment; filename="privacy-receipt-{day}.json"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)


def receipt_of(ctx: PrivacyContext, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the signed receipt of the grant with these ledger entries."""
    from ...consent.proof import make_receipt, sign_receipt

    text = ctx.runtime.ledger.shown_text(entries[0]["text"], entries[0]["fingerprint"])
    fingerprints = ctx.consent.record.granted if ctx.consent.record is not None else frozenset()
    return sign_receipt(make_receipt(ctx.runtime.policy, entries, fingerprints, text), ctx.runtime.keys)


def plain_page(title: str, message: str, status: int) -> Response:
    """Return a page with one sentence and a link to the settings, or a problem for a client that prefers JSON."""
    t = privacy_context().language
    if wants_json():
        return problem_json(status, t(message).text, consent_url=consent_url())
    page = render("message.html", t=t, title=title, message=t(message), is_error=status >= 500)
    response = no_store(make_response(page))
    response.status_code = status
    return response


ABOUT_YOU = "What is stored about you"  # the title of the page, in the catalogues
ERASED = "Everything that was recorded about you here has been erased."
BEING_ERASED = "Everything that was recorded about you here is being erased."

_BEGINNING = b'{"events":'
_MOST_IN_MEMORY, _CHUNK = 1024 * 1024, 64 * 1024  # bytes


@dataclass(frozen=True)
class _Stored:
    """The data that the visitor's cookies identify."""

    footprint: VisitorData
    choices: dict[str, Any]
    decided: tuple[str, str] | None  # the day of the decision, and the last day on which it is valid
    receipt: dict[str, Any] | None

    def __bool__(self) -> bool:
        return bool(self.footprint.total or self.choices or self.receipt)


@pages.get("/me", endpoint="me")
def me() -> Response:
    """Show the visitor's data, with links to settings and receipt. ``?erase`` asks for confirmation of the erasure."""
    ctx = privacy_context()
    stored = _stored_if_readable(ctx, lambda events: events.summary())
    if stored is None:
        return plain_page(ABOUT_YOU, NOT_READ, 503)
    removed = removed_before(ctx)
    page = render(
        "me.html",
        t=ctx.language,
        title=ABOUT_YOU,
        message=_erased(ctx) if "erased" in request.args and not stored else None,
        stored=stored,
        asks="erase" in request.args and bool(stored),
        words=_words_shown(stored.receipt),
        in_words=in_words,
        policy=ctx.runtime.policy,
        consent=ctx.consent,
        removed=removed,
        forget=names_by_storage(removed),
        nonce=ctx.nonce_attribute,
    )
    return no_store(make_response(page))


def _words_shown(receipt: dict[str, Any] | None) -> str:
    """Return the words that the visitor read before the decision; empty if the ledger no longer has them."""
    from ...rights.letters import sentences

    return " ".join(sentences(receipt["notice_shown"]["text"])) if receipt is not None else ""


@pages.get("/me.json", endpoint="me_json")
def me_json() -> Response:
    """Return the same as JSON, with every event; 503 if it cannot be read.

    The databases are read completely before the first byte is sent, so that a slow client keeps no transaction open. The
    body waits in a temporary file if it is large.
    """
    ctx = privacy_context()
    body = SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)  # noqa: SIM115 - the response closes it
    body.write(_BEGINNING)
    stored = _stored_if_readable(ctx, lambda events: events.write_json(body))
    if stored is None:
        body.close()
        return problem_json(503, ctx.language(NOT_READ).text)
    if body.tell() == len(_BEGINNING):
        body.write(current_app.json.dumps(stored.footprint.as_dict() | {"all": []}).encode())
    fields = {
        "stored": bool(stored),
        "choices": stored.choices,
        "decision": dict(zip(("day", "until"), stored.decided, strict=True)) if stored.decided else None,
        "receipt": stored.receipt,
    }
    body.write(b"," + current_app.json.dumps(fields | consent_state(ctx)).encode()[1:] + b"\n")
    return no_store(_response_of(body))


def _response_of(body: SpooledTemporaryFile[bytes]) -> Response:
    """Return a response with the content of a file, which is streamed if it is large."""
    size = body.tell()
    body.seek(0)
    if size <= _MOST_IN_MEMORY:
        with body:
            return current_app.response_class(body.read(), mimetype="application/json")
    response = current_app.response_class(_chunks(body), mimetype="application/json")
    response.content_length = size
    response.call_on_close(body.close)
    return response


def _chunks(body: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with body:
        while chunk := body.read(_CHUNK):
            yield chunk


@pages.post("/me/erase", endpoint="erase")
def erase() -> Response:
    """Withdraw every optional purpose and erase the visitor's data at once."""
    ctx = privacy_context()
    if not is_same_origin(request) and not hides_origin(request):
        return problem(403, DECISION_NOT_FROM_HERE)
    decision = choose(ctx.runtime.policy, ctx.consent, "reject_all", gpc=ctx.gpc, today=ctx.today)
    carry_out(ctx, decision, None, source="me")
    ctx.choices_to_set = "" if ctx.sent(ctx.cookies.names.choices) else None
    if wants_json():
        return no_store(jsonify(consent_state(ctx) | {"message": ctx.language(_erased(ctx)).text}))
    return to_new_document(url_for("mixamo_privacy.me", erased=1, **withdrawal_parameters(decision)))


def _erased(ctx: PrivacyContext) -> str:
    """Return the message: an erasure waits while a database is unreachable, and takes time in a cluster."""
    try:
        return BEING_ERASED if ctx.runtime.store.is_erasing else ERASED
    except StoreUnavailable:
        return BEING_ERASED


def _stored_if_readable(ctx: PrivacyContext, read: Callable[[VisitorEvents], VisitorData]) -> _Stored | None:
    """Return the stored data, or None after reporting an error. ``read`` reads the events and returns their numbers."""
    try:
        return _stored(ctx, read)
    except (PrivacyError, OSError) as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return None


def _stored(ctx: PrivacyContext, read: Callable[[VisitorEvents], VisitorData]) -> _Stored:
    """Return the stored data; raises :class:`PrivacyError` or :class:`OSError` if it cannot be read."""
    from ...tracking.visitor_data import VisitorData, VisitorEvents

    record = ctx.use_consent().record
    if record is None:
        return _Stored(VisitorData(), ctx.choices, None, None)
    decided = _day(record.day), _day(record.day + ctx.runtime.policy.days_of("privacy_consent") - 1)
    if not record.receipt:
        return _Stored(VisitorData(), ctx.choices, decided, None)
    entries = ctx.runtime.ledger.grant_history(record.receipt)
    if entries is None and has_ended(ctx, record.receipt):  # cookies of an ended grant open nothing, even if kept
        return _Stored(VisitorData(), {}, None, None)
    visitors = list(dict.fromkeys([*ids_in_cookies(ctx, ctx.consent), *ids_of_earlier_grants(ctx, ctx.consent)]))
    runtime, seen = ctx.runtime, VisitorData()
    if visitors:
        folder, only_counts = runtime.settings.log_dir, _may_have_another_holder(ctx)
        seen = read(VisitorEvents(visitors, runtime.store, folder, only_counts=only_counts))
    return _Stored(seen, ctx.choices, decided, receipt_of(ctx, entries) if entries else None)


def _may_have_another_holder(ctx: PrivacyContext) -> bool:
    """Return whether another person may have planted these cookies in the visitor's browser, and so hold them too.

    Then pages and single events would show that person where the visitor was. A host without a parent domain, such as
    localhost, has no other subdomain. It counts only in tests and debug mode, because a client can forge ``Host``.
    """
    if ctx.cookies.only_here:
        return False
    return not (current_app.testing or current_app.debug) or bool(cookie_domains(request.host))


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
