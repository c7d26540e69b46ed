"""The page of results: tables, and pictures, made from ``benchmarks/results.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.budget import Figure

from .packages import ROOT
from .results_plot import Bar, bars

STORED = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "results.md"
PICTURES = ROOT / "docs" / "images"

_OURS = "Flask-Mixamo-Privacy"
_VANILLA = "vanilla-cookieconsent"
_BUDGET = 0.45  # of the time of vanilla-cookieconsent
_QUICK = 50  # milliseconds
_WITHOUT = ("no banner", "ours, page with a style sheet", "ours, linked, page with a style sheet")

Row = Sequence[str]


def store(part: str, result: dict[str, Any]) -> None:
    """Store the result of one part beside those of the others."""
    STORED.write_text(json.dumps(read() | {part: result}, indent=1) + "\n", encoding="utf-8")


def read() -> dict[str, Any]:
    """Return what was measured, by part."""
    stored: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    return stored


def _measured(part: str) -> Any:
    return read().get(part, {}).get("measured", [])


def _budgets() -> Iterator[Row]:
    yield "what", "measured", "budget", ""
    for part in ("page", "start", "sizes"):
        for values in _measured(part):
            figure = Figure(*(values[name] for name in ("what", "value", "unit", "budget", "at_least")))
            if "(wall" not in figure.what:
                yield figure.row()
    yield from _browser_budgets()


def _browser_budgets() -> Iterator[Row]:
    if not (banners := _measured("banners")):
        return
    rows, presses = banners["rows"], banners["presses"]
    for name, what in (("ours", "style in the page"), ("ours, style sheet linked", "style sheet linked")):
        ratio = rows[name]["usable"] / rows[_VANILLA]["usable"]
        yield Figure(f"time to a usable banner, {what}, against {_VANILLA}", ratio, "×", _BUDGET).row()
    own_rows = [rows[name] for name in rows if name.startswith("ours")]
    yield Figure("loads whose first paint lacked the banner", float(sum(one["late"] for one in own_rows)), "loads", 0).row()
    yield Figure("layout shift, the largest of all loads", max(one["shift"] for one in own_rows), "×", 0).row()
    for name, delay in presses.items():
        yield Figure(f"delay of a press of “{name}”, the longest of three", delay, "ms", _QUICK).row()


def _banners() -> Iterator[Row]:
    yield "banner", "usable after", "× vanilla-cookieconsent", "bytes added", "requests added"
    if not (banners := _measured("banners")):
        return
    rows = banners["rows"]
    for name, row in sorted(rows.items(), key=lambda item: item[1]["usable"]):
        if name in _WITHOUT:
            continue
        ratio = row["usable"] / rows[_VANILLA]["usable"]
        added, requests = _added(rows, row)
        yield _titled(name, row.get("version", "")), f"{row['usable']:,.0f} ms", f"{ratio:.2f}", f"{added:,}", str(requests)


def _added(rows: dict[str, Any], row: dict[str, Any]) -> tuple[int, int]:
    """Return the bytes and the requests beyond those of the page without a banner."""
    bare = rows["no banner"]
    return round(row["bytes"] - bare["bytes"]), round(row["requests"] - bare["requests"])


def _titled(name: str, version: str = "") -> str:
    title = name.replace("ours", _OURS, 1) if name.startswith("ours") else name
    return f"{title} {version}".strip()


def _requests() -> Iterator[Row]:
    yield "package", "page", "CPU time, × the bare framework", "added, µs", "by the clock", "versions"
    for package in _measured("requests"):
        versions = ", ".join(f"{name} {number}" for name, number in package["versions"].items())
        if package["reason"]:
            yield _titled(package["name"]), "cannot run", "–", "–", "–", f"`{package['reason']}`"
        for row in package["rows"]:
            spread = f"{row['cpu']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
            yield _titled(package["name"]), row["what"], spread, f"{row['added']:,.0f}", f"{row['wall']:.2f} ×", versions


def _trackers() -> Iterator[Row]:
    yield "script", "bytes, brotli 11"
    for row in _measured("trackers"):
        yield _titled(row["name"]), f"{row['bytes']:,}" if row["bytes"] else f"not measured: {row['reason']}"


def _losses() -> Iterator[Row]:
    yield "how events are stored", "acknowledged", "lost", "events a second"
    for row in _measured("loss"):
        yield _titled(row["name"]), f"{row['acknowledged']:,}", f"{row['lost']:,}", f"{row['rate']:,.0f}"


def _better() -> Iterator[Row]:
    """Yield each figure in which another package is better than ours."""
    yield "what", "the other", "ours"
    if banners := _measured("banners"):
        rows, own_row = banners["rows"], banners["rows"]["ours"]
        for name, row in rows.items():
            for what, value, own in (
                ("milliseconds to a usable banner", round(row["usable"]), round(own_row["usable"])),
                *zip(("bytes of a banner", "requests of a banner"), _added(rows, row), _added(rows, own_row), strict=True),
            ):
                if not name.startswith(("ours", "no banner")) and value < own:
                    yield what, f"{name}: {value:,}", f"{own:,}"
    yield from _better_requests()
    trackers = _measured("trackers")
    for row in trackers[1:]:
        if row["bytes"] and row["bytes"] < trackers[0]["bytes"]:
            yield "bytes of a tracker", f"{row['name']}: {row['bytes']:,}", f"{trackers[0]['bytes']:,}"
    losses = _measured("loss")
    for row in losses[1:]:
        if row["rate"] > losses[0]["rate"]:
            yield "events a second", f"{row['name']}: {row['rate']:,.0f}", f"{losses[0]['rate']:,.0f}"


def _better_requests() -> Iterator[Row]:
    packages = _measured("requests")
    own = {row["what"]: row for package in packages[:1] for row in package["rows"]}
    own |= {"visitor decided": own["visitor refused"]} if own else {}
    for package in packages[1:]:
        for row in package["rows"]:
            for figure, unit in (("cpu", "× the bare framework"), ("added", "µs added")):
                if row[figure] < own[row["what"]][figure]:
                    digits = 2 if figure == "cpu" else 0
                    other = f"{package['name']}: {row[figure]:,.{digits}f}"
                    yield f"{row['what']}, {unit}", other, f"{own[row['what']][figure]:,.{digits}f}"


def _conditions() -> Iterator[Row]:
    yield "part", "run", "date", "machine", "Python", "load of the machine before it"
    for part, stored in read().items():
        one = stored["conditions"]
        yield part, one["run"], one["date"], f"{one['machine']}, {one['cores']} cores", one["python"], str(one["load"])


_TABLES = {
    "conditions": _conditions,
    "budgets": _budgets,
    "better": _better,
    "requests": _requests,
    "banners": _banners,
    "trackers": _trackers,
    "loss": _losses,
}


def _table(rows: Sequence[Row]) -> str:
    if len(rows) < 2:
        return "No figure is stored."
    lines = [" | ".join(row) for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)


def pictures() -> dict[str, str]:
    """Return the pictures by the names of their files."""
    banners = _measured("banners")["rows"] if _measured("banners") else {}
    times = [
        Bar(_titled(name), row["usable"], f"{row['usable']:,.0f} ms", name.startswith("ours"))
        for name, row in sorted(banners.items(), key=lambda item: item[1]["usable"])
        if name not in _WITHOUT
    ]
    costs = [
        Bar(f"{_titled(package['name'])}, {row['what']}", row["cpu"], f"{row['cpu']:.2f} ×", package["name"] == "ours")
        for package in _measured("requests")
        for row in package["rows"]
    ]
    return {
        "results-banners.svg": bars("Time to a usable banner, slow 4G and a slow phone", times),
        "results-requests.svg": bars("CPU time of a page, against the bare framework", costs),
    }


def written() -> str:
    """Return the page with the tables of what was measured."""
    page = PAGE.read_text(encoding="utf-8")
    for name, rows in _TABLES.items():
        between = f"<!-- {name} -->\n\n{_table(list(rows()))}\n\n<!-- end -->"
        page = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _, new=between: new, page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def write() -> None:
    """Write the page and its pictures."""
    PAGE.write_text(written(), encoding="utf-8")
    for name, picture in pictures().items():
        (PICTURES / name).write_text(picture, encoding="utf-8")


def as_text() -> str:
    """Return all tables for a terminal, with the rows in which another package is better after the budgets."""
    return "\n\n".join(f"{name}\n{_table(list(rows()))}" for name, rows in _TABLES.items())
