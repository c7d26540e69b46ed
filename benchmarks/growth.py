"""Growth on paper: disk, processor and set-up for ten thousand to ten billion events a month, from measured points.

Writes the tables and the picture of ``docs/growth.md``. ``--measure SQLite`` or ``--measure PostgreSQL`` first measures the
points of that database again, which takes about two minutes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from . import growth_points
from .growth_plot import draw
from .growth_points import MONTH, PLAN, Point

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "growth.md"
PICTURE = ROOT / "docs" / "images" / "growth.svg"

MONTHS = 13  # the retention of the example site
PEAK = 5  # times the mean rate
TERABYTE = 10**12  # a size whose backup and restoration take hours
NEAR = 1.05  # this near to a measured point counts as measured
SHORT_REWRITE, LONG_REWRITE = 60, 600  # seconds for which the loader waits
_VOLUMES = tuple(10**exponent for exponent in range(4, 11))
_WORDS = {10**3: "thousand", 10**6: "million", 10**9: "billion"}
_SIZES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_TIMES = ((365 * 86400, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


class Estimate(NamedTuple):
    """What a number of events a month needs."""

    month: float
    mean: float  # events a second
    peak: float
    sqlite: float  # bytes after thirteen months
    postgres: float
    rewrite: float  # seconds for SQLite's file
    move: float  # seconds from SQLite to PostgreSQL
    log: float  # bytes a day
    sqlite_rate: float  # events that one core loads in a second
    postgres_rate: float
    in_sqlite: bool  # between measured points of SQLite
    in_postgres: bool
    in_rewrite: bool  # no larger than what was rewritten
    in_move: bool

    @property
    def setup(self) -> str:
        """Return the set-up in words."""
        months = int(MONTHS * TERABYTE / self.postgres)
        if self.rewrite <= SHORT_REWRITE:
            return "SQLite"
        if self.rewrite <= LONG_REWRITE:
            return "SQLite with a loader of its own, or PostgreSQL"
        if self.peak > self.postgres_rate or not months:
            return "[ClickHouse](clickhouse.md)"
        return "PostgreSQL" if months >= MONTHS else f"PostgreSQL, retention of {months} months at most"


def estimate(points: Sequence[Point], month: float) -> Estimate:
    """Return the estimate for a number of events a month: between measured points, or as at the nearest one."""
    sqlite, postgres = (_of(points, name) for name in PLAN)
    largest = max(sqlite, key=lambda point: point.size)
    mean, kept = month / (MONTH * 86400), month * MONTHS
    size = kept * between(sqlite, month, bytes_an_event)
    return Estimate(
        month,
        mean,
        mean * PEAK,
        size,
        kept * between(postgres, month, bytes_an_event),
        size / largest.size * largest.rewrite,
        kept * between([point for point in postgres if point.move], month, lambda point: point.move / point.events),
        month / MONTH * largest.log / largest.events,
        between(sqlite, month, events_a_second),
        between(postgres, month, events_a_second),
        _is_within(sqlite, month),
        _is_within(postgres, month),
        size <= largest.size * NEAR,
        kept <= max(point.events for point in postgres if point.move) * NEAR,
    )


def bytes_an_event(point: Point) -> float:
    return point.size / point.events


def events_a_second(point: Point) -> float:
    return point.events / point.load


def between(points: Sequence[Point], month: float, value: Callable[[Point], float]) -> float:
    """Return the value at a number of events a month, on straight lines between the points of one database."""
    for left, right in pairwise(points):
        if left.month <= month <= right.month:
            part = math.log(month / left.month) / math.log(right.month / left.month)
            return value(left) * math.exp(part * math.log(value(right) / value(left)))
    return value(points[0] if month < points[0].month else points[-1])


def _is_within(points: Sequence[Point], month: float) -> bool:
    return points[0].month <= month * NEAR and month <= points[-1].month * NEAR


def _of(points: Iterable[Point], database: str) -> list[Point]:
    return sorted((point for point in points if point.database == database), key=lambda point: point.month)


def tables() -> dict[str, str]:
    """Return the tables of the page by name."""
    points, measured = growth_points.read()
    estimates = [estimate(points, month) for month in _VOLUMES]
    return {
        "points": _table(_POINT_HEAD, map(_point_row, [point for name in PLAN for point in _of(points, name)])),
        "measured": "\n".join(
            f"- {name}: {each['day']}, Python {each['python']}, {each['cores']} cores shared with other work, load average "
            f"{each['load'][0]} to {each['load'][1]}."
            for name, each in sorted(measured.items(), reverse=True)
        ),
        "disk": _table(_DISK_HEAD, map(_disk_row, estimates)),
        "speed": _table(_SPEED_HEAD, map(_speed_row, estimates)),
        "retention": _table(_RETENTION_HEAD, (_retention_row(each) for each in estimates if each.month >= 10**6)),
    }


_POINT_HEAD = (
    "database", "events", "days", "stands for, a month", "events a visitor", "bytes an event",
    "loads a second of processor time", "rewrite, by the clock", "moves to PostgreSQL a second",
)  # fmt: skip


def _point_row(point: Point) -> tuple[str, ...]:
    move = f"{point.events / point.move:,.0f}" if point.move else "–"
    return (
        point.database,
        f"{point.events:,}",
        str(point.days),
        _rounded(point.month),
        f"{point.events / point.visitors:.0f}",
        f"{bytes_an_event(point):.0f}",
        f"{events_a_second(point):,.0f}",
        f"{point.rewrite:.1f} seconds",
        move,
    )


_DISK_HEAD = ("events a month", "SQLite", "its rewrite", "move", "PostgreSQL", "databases of 1 TB", "log, a day", "set-up")


def _disk_row(each: Estimate) -> tuple[str, ...]:
    return (
        _rounded(each.month),
        _in_units(each.sqlite, _SIZES, each.in_sqlite),
        _in_units(each.rewrite, _TIMES, each.in_rewrite),
        _in_units(each.move, _TIMES, each.in_move),
        _in_units(each.postgres, _SIZES, each.in_postgres),
        str(math.ceil(each.postgres / TERABYTE)),
        _in_units(each.log, _SIZES),
        each.setup,
    )


_SPEED_HEAD = (
    "events a month", "events a second, mean", f"at a peak of {PEAK} times", "a core loads a day into SQLite in",
    "into PostgreSQL in", "cores for the peak, PostgreSQL", "2 GiB of log fill at the peak in",
)  # fmt: skip


def _speed_row(each: Estimate) -> tuple[str, ...]:
    a_day = each.month / MONTH
    return (
        _rounded(each.month),
        _number(each.mean),
        _number(each.peak),
        _in_units(a_day / each.sqlite_rate, _TIMES, each.in_sqlite),
        _in_units(a_day / each.postgres_rate, _TIMES, each.in_postgres),
        _mark(_number(each.peak / each.postgres_rate), each.in_postgres),
        _in_units(2 * 1024**3 / (each.log / 86400 * PEAK), _TIMES),
    )


_KEPT = (1, 3, 6, 13, 25)
_RETENTION_HEAD = ("events a month", *(f"{months} month{'s' * (months > 1)}" for months in _KEPT))


def _retention_row(each: Estimate) -> tuple[str, ...]:
    sizes = (each.postgres * months / MONTHS for months in _KEPT)
    return _rounded(each.month), *(_in_units(size, _SIZES, each.in_postgres) for size in sizes)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _rounded(number: float) -> str:
    unit = max(unit for unit in _WORDS if unit <= number)
    return f"{_number(number / unit).removesuffix('.0')} {_WORDS[unit]}"


def _in_units(number: float, units: Sequence[tuple[int, str]], is_measured: bool = True) -> str:
    size, name = next((unit for unit in units if number >= unit[0]), units[-1])
    return _mark(f"{_number(number / size)} {name}" if number >= size else f"< 1 {name.removesuffix('s')}", is_measured)


def _mark(text: str, is_measured: bool) -> str:
    return text if is_measured else f"≈ {text}"


def _number(number: float) -> str:
    """Return a number with two digits that count."""
    if number < 0.001:
        return "< 0.001"
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(digits, 0)}f}"


def written() -> tuple[str, str]:
    """Return the page with its tables, and the picture."""
    points, _ = growth_points.read()
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        begin, end = text.partition(f"<!-- {name} -->\n"), "<!-- end -->"
        assert end in begin[2], f"{PAGE} has no place for the table {name}."
        text = f"{begin[0]}{begin[1]}\n{table}\n\n{end}{begin[2].partition(end)[2]}"
    lines = [estimate(points, 10 ** (step / 10)) for step in range(38, 101)]
    sqlite = lines[0].sqlite / lines[0].rewrite  # bytes that are rewritten in a second
    limits = {
        LONG_REWRITE * sqlite: "SQLite: rewriting the file takes ten minutes",
        float(TERABYTE): "the size that this page plans for",
    }
    return text, draw(lines, {name: _of(points, name) for name in PLAN}, MONTHS, limits)


def main() -> None:
    """Write the page's tables and its picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--measure", choices=tuple(PLAN), action="append", default=[], help="measure this database first")
    for database in parser.parse_args().measure:
        growth_points.measure(database)
    page, picture = written()
    PAGE.write_text(page, encoding="utf-8")
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
