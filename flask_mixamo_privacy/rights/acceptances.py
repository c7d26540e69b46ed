"""Which version of a licence somebody accepted, by a keyed hash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .standings import Standings
from .stores import BuiltInStore


class Acceptances(BuiltInStore):
    """The acceptances of people who are known to the site; of others a cookie tells."""

    name = "licences"

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def note(self, subject: str, licence: str, *, policy: str, version: str) -> None:
        """Remember that somebody accepted this version, in place of any before."""
        self._standings.note(subject, _what(licence), policy=policy, text=version)

    def has(self, subject: str, licence: str, version: str) -> bool:
        """Whether just this version was accepted."""
        found = self._standings.find(subject, _what(licence))
        return found is not None and found.text == version

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return what a person accepted, when, and under which version of the policy."""
        return self._standings.accepted(subject)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Forget what a person accepted."""
        return self._standings.forget_person(subject)

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """Forget what erased people had accepted before."""
        return self._standings.forget_again(erased)


def _what(licence: str) -> str:
    return f"licence {licence}"
