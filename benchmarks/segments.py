"""Closed segments with millions of events. A few random days are repeated with other dates and ids, to write them fast."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.log import SUFFIX

FIRST = date(2025, 1, 1)
_TEMPLATES, _VISITORS, _PAGES = 7, 60_000, 200
_DAY, _TOKEN = "DDDD-DD-DD", "TTTTTT"
_BROWSERS = (("Chrome", "Windows"), ("Mobile Safari", "iOS"), ("Firefox", "Linux"), ("Chrome Mobile", "Android"))


def write(folder: Path, events: int, days: int = 365, after: int = 0) -> int:
    """Write about this number of events, one segment for each day, after some days. Return the exact number."""
    chance = random.Random(7)  # noqa: S311 — invented data needs no secret
    templates = ["".join(_day(chance, events // days)) for _ in range(min(days, _TEMPLATES))]
    written = 0
    for number in range(after, after + days):
        day, lines = FIRST + timedelta(days=number), templates[number % len(templates)]
        text = lines.replace(_DAY, day.isoformat()).replace(_TOKEN, f"{number:06d}")
        (folder / f"{day}{SUFFIX}").write_text(text, encoding="ascii")
        written += text.count("\n")
    return written


def _day(chance: random.Random, events: int) -> Iterator[str]:
    """Yield the lines of one day in order of time: few frequent visitors, and many rare ones."""
    written = 0
    seconds = 0.0
    while written < events:
        visitor, visit = int(_VISITORS * chance.random() ** 3), f"{_TOKEN}-{written:07d}"
        lines = list(_visit(chance, f"visitor-{visitor:012d}x", visit, seconds % 80_000))
        yield from lines
        written += len(lines)
        seconds += 80_000 * len(lines) / events


def _visit(chance: random.Random, visitor: str, visit: str, seconds: float) -> Iterator[str]:
    browser, platform = _BROWSERS[hash(visitor) % len(_BROWSERS)]
    network = f"{10 + hash(visitor) % 90}.{hash(visitor) // 90 % 40}.0.0/24"  # several visitors share one
    common = {"visitor": visitor, "visit": visit, "browser": browser, "platform": platform, "network": network}
    previous, count = None, 0

    def line(kind: str, page: str, data: dict[str, object]) -> str:
        nonlocal count
        count += 1
        second = int(seconds)
        at = f"{_DAY}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{count:03d}Z"
        fields = {"id": f"{visit}-{count:03d}", "at": at, "kind": kind, "page": page, "previous": previous, "data": data}
        referrer = "https://search.example/" if previous is None and chance.random() < 0.6 else None
        return json.dumps(dict.fromkeys(FIELDS) | common | fields | {"referrer": referrer}, separators=(",", ":")) + "\n"

    for step in range(4):
        page = f"/articles/page-{int(_PAGES * chance.random() ** 2)}"
        if not step:
            yield line("visit_start", page, {})
            if chance.random() < 0.4:
                yield line(
                    "repeat_visit", page, {"visit_number": chance.randint(2, 9), "days_since_last": chance.randint(0, 40)}
                )
        yield line("page_view", page, {})
        seconds += 40
        yield line("page_exit", page, {"seconds": chance.randint(2, 40)})
        previous = page
    if chance.random() < 0.2:
        yield line("click", page, {"on": "menu"})
    if chance.random() < 0.1:
        yield line("customisation", page, {"name": "theme", "value": chance.choice(("dark", "light"))})
