"""An attack on the reports: a member of staff keeps every published number and subtracts one from another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from flask_mixamo_privacy.reports.disclosure_control import OTHER
from flask_mixamo_privacy.reports.query import ReportQuery
from flask_mixamo_privacy.reports.windows import ALL, LEVELS, Window, week_of
from support.event_factory import FIRST, Kept, at

LEAST = 3
DAYS = 17  # two and a half weeks, over the end of a month
NAMES = ("pages", "returning", "choices", "entries")

Atom = tuple[str, str, str]  # what one visitor did in one row of one interval


class Shown(NamedTuple):
    """A published number: its atoms, and the rows and intervals that it covers."""

    atoms: Counter[Atom]
    places: frozenset[tuple[str, str]]  # (interval, row): what the attacker knows of it

    @property
    def pieces(self) -> frozenset[str]:
        return frozenset(piece for piece, _ in self.places)

    @property
    def is_total(self) -> bool:
        return any(row == "(unknown)" for _, row in self.places)


ACTS = st.lists(
    st.tuples(st.integers(0, DAYS - 1), st.integers(0, 7), st.integers(0, 3), st.booleans()), min_size=5, max_size=60
)
TURNS = st.lists(st.tuples(st.sampled_from(("look", "erase", "nothing")), st.integers(0, 7)), min_size=DAYS, max_size=DAYS)


# Two days that are too small alone. Person 4 alone opens page 2, and is erased before the week closes.
TWO_DAYS = [(0, visitor, page, False) for visitor, page in enumerate((0, 0, 1, 1, 2))] + [
    (1, 5, 0, False),
    (1, 7, 0, False),
    (1, 6, 1, False),
]


def events_of(acts: list[tuple[int, int, int, bool]]) -> list[dict[str, Any]]:
    """Visits of one page each, some with a choice; later visits of a visitor are repeats."""
    events: list[dict[str, Any]] = []
    seen: Counter[int] = Counter()
    for number, (day, person, page, chooses) in enumerate(sorted(acts)):
        seen[person] += 1
        base = {
            "visitor": f"v{person}",
            "visit": f"w{number}",
            "at": at(FIRST + timedelta(days=day), 60 * number),
            "page": f"/{page}",
        }
        events.append(base | {"id": f"s{number}", "kind": "visit_start", "data": {}})
        if seen[person] > 1:
            events.append(
                base
                | {"id": f"r{number}", "kind": "repeat_visit", "data": {"visit_number": seen[person], "days_since_last": 1}}
            )
        events.append(base | {"id": f"p{number}", "kind": "page_view", "data": {}})
        if chooses:
            events.append(
                base | {"id": f"c{number}", "kind": "customisation", "data": {"name": "theme", "value": str(page % 2)}}
            )
    return events


class Attacker:
    """Keeps the atoms of every published number, and looks for a sum or difference that reveals a small group."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.shown: dict[tuple[Any, ...], Shown] = {}
        self.numbers: dict[Window, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.until: dict[str, str] = {}

    def look(self) -> None:
        """Read every report. A number is published once and never changes."""
        cells, placed = self.kept.table("cells"), self.kept.table("placed")
        pieces = {row[0]: row for row in self.kept.table("pieces")}
        self.until = {row[0]: row[1] for row in pieces.values()}
        self.events = list(self.kept.store.rows())
        for name, month, week, day, start, row, number, amount, visitors in cells:
            key = (name, month, week, day, start, row)
            if name in NAMES and row != OTHER and amount >= 0 and key not in self.shown:
                level = "piece" if day else "week" if week else "month"
                of = [one for of, one, total, rows in placed if of == name and (rows if row else total) == level]
                inside = [one for one in of if is_in(pieces[one][2], month, week) and (not start or one == start)]
                self.shown[key] = self._shown(name, inside, row)
                assert sum(self.shown[key].atoms.values()) == number
                assert len({visitor for _, _, visitor in self.shown[key].atoms}) == visitors
        with ReportQuery(self.kept.store, self.kept.calendar, LEAST) as query:
            for window in filter(query.is_closed, windows()):
                self._see(window, query.distinct(window))

    def _shown(self, name: str, pieces: list[str], row: str) -> Shown:
        atoms = Counter(atom for piece in pieces for atom in self._atoms(name, piece) if not row or atom[1] == row)
        universe = {atom[1] for piece in pieces for atom in self._atoms(name, piece)} | {"(unknown)"} if not row else {row}
        return Shown(atoms, frozenset(product(pieces, universe)))

    def _atoms(self, name: str, piece: str) -> Iterable[Atom]:
        events = [event for event in self.events if piece <= event["at"] < self.until[piece]]
        repeats = {event["visit"] for event in events if event["kind"] == "repeat_visit"}
        for event in events:
            row = row_of(name, event, repeats)
            if row:
                yield piece, row, event["visitor"]

    def _see(self, window: Window, number: Any) -> None:
        before = self.numbers.setdefault(window, number)
        assert number == before, f"the visitors of {window} were {before} and are {number} now"

    def attack(self) -> None:
        """Assert that no sum or difference of numbers counts fewer than ``LEAST`` visitors."""
        self._attack_visitors()
        for name in NAMES:
            numbers = [shown for key, shown in self.shown.items() if key[0] == name]
            for some in few_of(numbers):
                for signs in product((1, -1), repeat=len(some)):
                    self._try(some, signs)

    def _attack_visitors(self) -> None:
        """Compare the distinct visitors of a window with those of the windows inside it."""
        exact = {window: number for window, number in self.numbers.items() if isinstance(number, int)}
        for window in exact:
            within = [one for one in exact if one != window and window.first <= one.first and one.end <= window.end]
            for one in within:
                assert is_safe(exact[window] - exact[one]), f"{one} told from {window}"
            days = [one for one in within if one.unit == "day"]
            if all(Window("day", day) in exact for day in each_day(window)):
                assert is_safe(sum(exact[day] for day in days) - exact[window]) or window.unit == "day", f"twice in {window}"

    def _try(self, some: tuple[Shown, ...], signs: tuple[int, ...]) -> None:
        places: Counter[tuple[str, str]] = Counter()
        for shown, sign in zip(some, signs, strict=True):
            places.update(dict.fromkeys(shown.places, sign))
        if min(places.values()) < 0:
            return  # a negative part makes the difference no count
        atoms: dict[Atom, int] = defaultdict(int)
        for shown, sign in zip(some, signs, strict=True):
            for atom, number in shown.atoms.items():
                atoms[atom] += sign * number
        behind = {visitor for (_, _, visitor), number in atoms.items() if number}
        assert not behind or len(behind) >= LEAST, f"{sorted(behind)} can be told from {some} with {signs}"


def few_of(numbers: list[Shown]) -> Iterable[tuple[Shown, ...]]:
    """Yield up to three numbers; each number with its parts; the totals of a table's intervals with its rows."""
    for size in (1, 2, 3):
        yield from combinations(numbers[:14], size)
    for whole in numbers:
        within = [one for one in numbers if one is not whole and one.places < whole.places]
        disjoint: list[Shown] = []
        for one in sorted(within, key=lambda shown: len(shown.places)):
            if all(one.places.isdisjoint(other.places) for other in disjoint):
                disjoint.append(one)
        yield (whole, *disjoint[:11])
    for pieces in {one.pieces for one in numbers}:
        totals = [one for one in numbers if one.is_total and one.pieces <= pieces]
        yield (*totals[:7], *[one for one in numbers if not one.is_total and one.pieces == pieces][:5])


def is_safe(number: int) -> bool:
    return number == 0 or number >= LEAST


def each_day(window: Window) -> list[date]:
    return [window.first + timedelta(days=number) for number in range((window.end - window.first).days)]


def row_of(name: str, event: dict[str, Any], repeats: set[str]) -> str:
    kinds = {"pages": "page_view", "returning": "visit_start", "choices": "customisation", "entries": "visit_start"}
    if event["kind"] != kinds[name]:
        return ""
    if name == "returning":
        return "repeat" if event["visit"] in repeats else "first"
    return '["theme","' + event["data"]["value"] + '"]' if name == "choices" else event["page"]


def is_in(day: str, month: str, week: str) -> bool:
    return day.startswith(month) and (not week or week_of(date.fromisoformat(day)) == week)


def windows() -> list[Window]:
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    return [ALL, *sorted({Window.of(unit, day) for day in days for unit in LEVELS if unit != "all"}, key=str)]


@pytest.mark.server
@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(ACTS, TURNS)
@example(
    [(0, 0, 0, False), (0, 1, 0, False), (0, 2, 0, False), (1, 0, 0, False), (1, 1, 0, False), (1, 2, 0, False)],
    [("erase", 0)] * DAYS,
)
@example(TWO_DAYS, [*[("nothing", 0)] * 2, ("erase", 4), *[("nothing", 0)] * 14])
def test_promise_24_no_set_of_reports_reveals_a_visitor(acts, turns):
    """No subtraction of rows, totals and windows reveals a visitor, before or after an erasure."""
    with TemporaryDirectory() as folder:
        kept = Kept(Path(folder) / "kept", least=LEAST)
        attacker, events = Attacker(kept), events_of(acts)
        for number, (turn, person) in enumerate(turns):
            day = FIRST + timedelta(days=number)
            kept.load([event for event in events if event["at"][:10] == str(day)], at(day, 80_000))
            if not kept.store.database.exists:
                continue
            if turn == "look":
                kept.reports.summary()
            attacker.look()
            if turn == "erase":
                kept.store.erase(f"v{person}", str(day))
                attacker.look()
        kept.load([], "2026-06-02T12:00:00.000Z")
        if kept.store.database.exists:
            attacker.look()
            attacker.attack()
