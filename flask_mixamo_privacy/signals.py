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

#: Something could not be recorded and the page was served all the same; with ``error``.
recording_failed = _signals.signal("recording-failed")
