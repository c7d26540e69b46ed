"""What people did on the site, and what its answers promised them."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Person:
    """One person with one decision. Events are named by their page, or by the id that the browser chose."""

    state: str = "unasked"  # or "granted", "refused", "withdrawn"; "withdrawing" until there is an answer
    tried: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    cookies: list[str] = field(default_factory=list)  # a consent cookie of each grant that was answered with 303
    is_recorded: bool = True  # whether the refusal or the withdrawal was recorded


class People:
    """Everyone who used the site so far, in the order of their arrival, and a count of what they met."""

    def __init__(self) -> None:
        self.all: list[Person] = []
        self.broken: list[str] = []  # answers that no page and no form may have
        self.counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def arrive(self) -> Person:
        with self._lock:
            self.all.append(Person())
            return self.all[-1]

    def next_number(self) -> int:
        """Return a number that no other page and no other event of this run has."""
        with self._lock:
            return next(self._numbers)

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.counts[what] += number

    def report_broken(self, answer: str) -> None:
        with self._lock:
            self.broken.append(answer)

    def in_state(self, *states: str) -> list[Person]:
        return [person for person in list(self.all) if person.state in states]
