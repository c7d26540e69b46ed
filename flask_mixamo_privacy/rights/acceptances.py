"""Which version of a licence somebody accepted, by a keyed hash."""

from __future__ import annotations

from .standings import Standings


class Acceptances:
    """The acceptances of people who are known to the site; of others a cookie tells."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def note(self, subject: str, licence: str, *, policy: str, version: str) -> None:
        """Remember that somebody accepted this version, in place of any before."""
        self._standings.note(subject, _what(licence), policy=policy, text=version)

    def has(self, subject: str, licence: str, version: str) -> bool:
        """Whether just this version was accepted."""
        found = self._standings.find(subject, _what(licence))
        return found is not None and found.text == version


def _what(licence: str) -> str:
    return f"licence {licence}"
