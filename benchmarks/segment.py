"""A closed segment of the log with realistic events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flask_mixamo_privacy.policy.parts import LOG_FIELDS
from flask_mixamo_privacy.tracking.events import Visitor, collect, new_id, page_members, properties, start_id
from flask_mixamo_privacy.tracking.log import SUFFIX

_START = 1_778_000_000.0  # a day in May 2026
_FIELDS = frozenset(LOG_FIELDS)
_GRANTED = frozenset({"statistics", "customisation"})
_BROWSERS = (("Chrome", "Windows"), ("Mobile Safari", "iOS"), ("Firefox", "Linux"), ("Chrome Mobile", "Android"))
_GAP, _BETWEEN_PAGES, _PAGES_A_VISIT = 86_400.0, 40.0, 5


def write(folder: Path, name: str, events: int, visitors: int = 3000, pages: int = 200) -> Path:
    """Write a segment. No process locks it, so a loader reads the whole file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{SUFFIX}"
    with path.open("w", encoding="ascii") as file:
        file.writelines(islice(_lines(random.Random(7), visitors, pages), events))  # noqa: S311 — invented data needs no secret
    return path


def _lines(chance: random.Random, visitors: int, pages: int) -> Iterator[str]:
    """Yield the lines of endless visits. The visitors take turns, as in a log of many days."""
    people = [Visitor.new(f"receipt {number}", _START) for number in range(visitors)]
    turn = 0
    while True:
        person = people[turn % visitors].seen_at(_START + turn // visitors * _GAP + 1)
        people[turn % visitors] = person
        yield from _visit(chance, person, turn, pages)
        turn += 1


def _visit(chance: random.Random, person: Visitor, turn: int, pages: int) -> Iterator[str]:
    browser, visit, previous = _BROWSERS[turn % len(_BROWSERS)], person.visit, ""
    network = f"198.{turn % 200}.{turn % 250}.0/24"
    client = '"browser":"{}","platform":"{}","provider":null,"network":"{}"'.format(*browser, network)
    now = float(person.last_seen)
    for number in range(_PAGES_A_VISIT):
        page = f"/articles/page-{int(pages * chance.random() ** 2)}"
        referrer = "https://search.example/" if not number else ""
        context = f"{page_members(_FIELDS, page, previous, referrer)},{client}"
        if not number:
            yield _line("visit_start", start_id(visit, "visit_start"), now, person, visit, context, "{}")
        yield _line("page_view", new_id(), now, person, visit, context, "{}")
        now, previous = now + _BETWEEN_PAGES, page
    if turn % 10 == 0:
        choice = properties({"name": "theme", "value": chance.choice(("dark", "light"))})
        yield _line("customisation", new_id(), now, person, visit, context, choice)


def _line(kind: str, event_id: str, now: float, person: Visitor, visit: str, context: str, data: str) -> str:
    return collect(_GRANTED, kind, event_id, now, person.id, visit, context, data)
