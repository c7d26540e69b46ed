"""Known children: of each a keyed hash, and the day on which it was known. No birth date is kept anywhere."""

from __future__ import annotations

from ..policy.policy import Minors as Declared
from ..storage.moments import later
from .standings import MINOR, Standings
from .stores import BuiltInStore

_DAYS_OF_A_YEAR = 366


class Minors(BuiltInStore):
    """Who said to be a child, or of whom it was learnt.

    After as many years as the declared age nobody is one any longer, however young they were; the row goes then. An
    erasure leaves it: who is known to be a child stays protected.
    """

    name = "minors"

    def __init__(self, standings: Standings, declared: Declared | None) -> None:
        self._standings = standings
        self._days = (declared or Declared()).age * _DAYS_OF_A_YEAR

    def note(self, subject: str) -> None:
        """Remember that this person, an address or an id of the site's own, is a child."""
        self._standings.note(subject, MINOR)

    def is_minor(self, subject: str) -> bool:
        """Whether the person is known to be a child.

        Raises :class:`RightsUnavailable` when it cannot be looked up, and :class:`KeyMissing` where a row might be about
        this person and its key is gone: write to nobody then.
        """
        found = self._standings.find(subject, MINOR)
        return found is not None and found.at >= later(days=-self._days)

    def forget(self, subject: str) -> bool:
        """For an operator who knows better; gives whether the person was known."""
        return self._standings.forget(subject, MINOR)

    def expire(self) -> int:
        """Delete those who are children no longer; gives their number."""
        return self._standings.forget_before(MINOR, later(days=-self._days))
