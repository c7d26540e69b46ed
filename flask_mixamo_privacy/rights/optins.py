"""Who signed up to what at a form: of each a keyed hash, when, under which version of the policy, after which words."""

from __future__ import annotations

from .standings import Standing, Standings


class OptIns:
    """The opt-ins in force, by purpose. The ledger holds the proof; what stands here is what has effect."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def note(self, subject: str, purpose: str, *, policy: str, text: str) -> None:
        """Let an opt-in take effect."""
        self._standings.note(subject, _what(purpose), policy=policy, text=text)

    def find(self, subject: str, purpose: str) -> Standing | None:
        """The opt-in in force, or None; raises :class:`KeyMissing` where that cannot be told."""
        return self._standings.find(subject, _what(purpose))

    def withdraw(self, subject: str, purpose: str) -> bool:
        """End it; gives whether there was one."""
        return self._standings.forget(subject, _what(purpose))


def _what(purpose: str) -> str:
    return f"opt-in {purpose}"
