"""Blinker signals; the sender is always the app."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

#: A visitor granted purposes, and the ledger has it; with ``granted`` and ``services`` (frozensets) and ``receipt``.
consent_granted = _signals.signal("consent-granted")

#: A visitor refused every optional purpose; nothing about the visitor comes with it.
consent_refused = _signals.signal("consent-refused")

#: A visitor took back purposes or services granted before; with ``withdrawn`` and ``services`` (frozensets).
consent_withdrawn = _signals.signal("consent-withdrawn")

#: Somebody asked for access, correction, deletion, restriction, or objected; with ``number``, as all of the next three.
request_opened = _signals.signal("request-opened")

#: Whoever reads the mail of a request's address confirmed it, or an operator did.
request_verified = _signals.signal("request-verified")

#: A request has to be answered within a week; sent once.
request_due_soon = _signals.signal("request-due-soon")

#: A request was answered or refused.
request_answered = _signals.signal("request-answered")

#: Something could not be recorded and the page was served all the same; with ``error``.
recording_failed = _signals.signal("recording-failed")

SIGNALS_OF_REQUESTS = {
    "opened": request_opened,
    "verified": request_verified,
    "due_soon": request_due_soon,
    "answered": request_answered,
}
