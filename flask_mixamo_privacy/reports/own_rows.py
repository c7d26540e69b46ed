"""The rows of reports about declared tables: values of own events, goals, and the steps of funnels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .cells import Cell
from .disclosure_control import OTHER
from .own_tables import OwnTable
from .query import ReportQuery
from .windows import Calendar, Window


def own_rows(query: ReportQuery, calendar: Calendar, report: str, window: Window, most: int) -> list[tuple[Cell, ...]]:
    """Return the rows of "event_values", "goals" or "funnels": their names, their visitors, and a share."""
    rows: list[tuple[Cell, ...]] = []
    for name, table in calendar.own.items():
        if table.report != report:
            continue
        total = query.total(name, window)
        if report == "goals":
            rows.append((table.title, total))
        elif report == "funnels":
            rows += _steps(query, name, table, window, total)
        else:
            event = f"{table.event} · {table.value}"
            rows += [(event, row.name, row.number, row.share) for row in query.rows(name, window, most)]
    return rows


def _steps(query: ReportQuery, name: str, table: OwnTable, window: Window, total: Cell) -> Iterator[tuple[Cell, ...]]:
    """Yield each step with the visitors who reached it, or at least those whose furthest step is shown."""
    furthest = {row.name: row.number for row in query.rows(name, window)}
    hidden = bool(furthest.get(OTHER)) or query.has_unpublished_part(name, window)
    for number, step in enumerate(table.steps, 1):
        least = sum(each for row, each in furthest.items() if row != OTHER and int(row) >= number)
        reached = total if number == 1 else _reached(least, total, hidden=hidden)
        share = round(reached / total, 4) if isinstance(reached, int) and isinstance(total, int) and total else None
        yield table.title, f"{number}. {step}", reached, share


def _reached(least: int, total: Cell, *, hidden: bool) -> Cell:
    if total is None or (isinstance(total, str) and not total.endswith("+")):
        return total
    if hidden:
        return f"{least}+" if least else None
    return least


def sum_of(rows: Sequence[tuple[Cell, ...]], place: int) -> Cell:
    """Return 0 if every cell of a column is 0, or else None: visitors of several tables are not added."""
    return 0 if all(row[place] == 0 for row in rows) else None
