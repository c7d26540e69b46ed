"""Blinker signals. The sender is the app."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

#: A visitor granted purposes, and the grant is in the ledger. Sent with ``granted``, ``services`` (frozensets) and
#: ``receipt``.
consent_granted = _signals.signal("consent-granted")

#: A visitor refused every optional purpose. Sent without any data about the visitor.
consent_refused = _signals.signal("consent-refused")

#: A visitor withdrew purposes or services. Sent with ``withdrawn`` and ``services`` (frozensets).
consent_withdrawn = _signals.signal("consent-withdrawn")

#: A request for access, correction, deletion or restriction, or an objection, was opened. Sent with ``number``, as are
#: the next three signals.
request_opened = _signals.signal("request-opened")

#: A request was confirmed by its mail address, or by an operator.
request_verified = _signals.signal("request-verified")

#: A request is due within a week. Sent once.
request_due_soon = _signals.signal("request-due-soon")

#: A request was answered or refused.
request_answered = _signals.signal("request-answered")

#: An event or an entry could not be recorded, but the page was served. Sent with ``error``.
recording_failed = _signals.signal("recording-failed")

#: The signals of data subject requests, by event.
SIGNALS_OF_REQUESTS = {
    "opened": request_opened,
    "verified": request_verified,
    "due_soon": request_due_soon,
    "answered": request_answered,
}
