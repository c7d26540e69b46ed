"""Decisions as tables: how many granted and refused, by policy version and language; they know nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from .disclosure import Table, Tally
from .tally import key

Rows = Callable[[str, str], Iterable[Any]]  # the ledger's decisions, from a day to before another: day, kind, purposes, …


def decided_by(rows: Rows) -> Callable[[date, date], dict[date, dict[str, Table]]]:
    """The tables of decisions of each day (UTC, since a refusal knows its day alone), from one to before another."""

    def decided(first: date, end: date) -> dict[date, dict[str, Table]]:
        found: dict[date, dict[str, dict[str, Tally]]] = {}
        for number, row in enumerate(rows(first.isoformat(), end.isoformat())):
            outcome = _outcome(row.kind, row.purposes)
            tables = found.setdefault(date.fromisoformat(row.at[:10]), {})
            of_row = {
                "decisions": outcome,
                "decisions_by_version": key(row.policy, outcome),
                "decisions_by_locale": key(row.locale, outcome),
            }
            for name, of in of_row.items():
                # Each decision is taken for another person: that several are one person's is written down nowhere.
                tables.setdefault(name, {}).setdefault(of, Tally()).add(Tally(1, 0, {str(number)}))
        return {day: dict(tables) for day, tables in found.items()}

    return decided


def _outcome(kind: str, purposes: str) -> str:
    """What a decision came to for statistics, be the rest of it taken back or granted."""
    if kind != "refusal" and "statistics" in json.loads(purposes):
        return "granted"
    return "withdrawn" if kind == "withdrawal" else "refused"
