"""``flask privacy report``: the reports in a terminal, as tables with bars, as JSON, as CSV."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from .outcomes import could_not_look
from .site import Site, site
from .spreadsheet import as_csv
from .telling import newest, window_of
from .tracking.loader import WAIT
from .tracking.reports import ALL, NAMES, UNITS, Cell, Column, Report, Summary, Window

_BLOCKS = " ▏▎▍▌▋▊▉█"
_MOST_BAR, _LEAST_BAR, _LEAST_NAME = 24, 6, 8  # columns of a terminal


@click.command("report")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--period", type=click.Choice(UNITS), help="The newest day, week or month that has closed, or all.")
@click.option("--window", help="A certain one: 2026-05-08, 2026-W19, 2026-05 or all.")
@click.option("--json", "as_json", is_flag=True, help="For a machine to read.")
@click.option("--csv", "in_csv", is_flag=True, help="One report, for a spreadsheet.")
@with_appcontext
@could_not_look
def report_command(names: tuple[str, ...], period: str | None, window: str | None, as_json: bool, in_csv: bool) -> None:
    """Show visits, repeat visits, pages and customisation of consenting visitors, as totals.

    With the NAMEs of reports, or for a period or a window, show those: visits, pages, movement and so on.
    """
    if as_json and in_csv:
        raise click.UsageError("--json and --csv are two ways to write a report: choose one.")
    here = site()
    here.load(wait=WAIT)
    if not (names or period or window is not None or in_csv):
        found = here.reports.summary()
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False) if as_json else _summary(found))
        return
    chosen = _chosen(names)
    if in_csv and len(names) != 1:
        raise click.UsageError(f"--csv writes one report: name it, one of {', '.join(NAMES)}.")
    of = _window(here, period, window)
    reports = [report for report in here.reports.every(of) if report.id in chosen]
    if as_json:
        click.echo(json.dumps([report.as_dict() for report in reports], ensure_ascii=False))
    else:
        click.echo(as_csv(reports[0]) if in_csv else _pages(reports), nl=not in_csv)


def _chosen(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"There is no report {name!r}; there are: {', '.join(NAMES)}.")
    return names or NAMES


def _window(here: Site, period: str | None, window: str | None) -> Window:
    if window is None:
        return newest(here.reports, period or "all")
    try:
        found = window_of(here.reports, window)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--window") from None
    if period not in (None, found.unit):
        raise click.UsageError(f"--window {window} is no {period}; leave --period out.")
    return found


def _pages(reports: Sequence[Report]) -> str:
    """Reports one under the other; those that have nothing to say are named at the end."""
    width = shutil.get_terminal_size().columns
    parts = [_headline(reports[0])] if reports else []
    parts += ["\n".join([report.title.upper(), *_lines(report, width)]) for report in reports if report.rows]
    silent = [report.title for report in reports if not report.rows]
    return "\n\n".join([*parts, *([f"Nothing to tell apart: {', '.join(silent)}."] if silent else [])])


def _headline(report: Report) -> str:
    share = f", {report.consenting:.1%} of the decisions" if report.consenting is not None else ""
    window = "All time" if report.window == ALL else f"{report.window} ({report.state})"
    return f"{window}. Counts {report.counted}{share}. Fewer than {report.min_cell} are not told apart."


def _lines(report: Report, width: int) -> list[str]:
    """A table, with bars of its first number where the terminal has room for them, and fewer columns where it has not."""
    columns = report.columns
    texts = [[_cell(cell, column) for cell, column in zip(row, columns, strict=True)] for row in report.rows]
    head = [column.title for column in columns]
    widths = [max(len(row[place]) for row in (head, *texts)) for place in range(len(head))]
    named = [place for place, column in enumerate(columns) if column.kind == "text"]
    while len(widths) > len(named) + 1 and _least(widths, named) > width:
        widths.pop()
    _narrow(widths, named, width)
    room = min(width - sum(widths) - 2 * len(widths), _MOST_BAR)
    sizes = [_size(row, columns) for row in report.rows]
    bars = [bar(size / (max(sizes) or 1), room) if room >= _LEAST_BAR else "" for size in sizes]
    rule = ["─" * each for each in widths]
    return [_line(row, widths, named, bar) for row, bar in zip([head, rule, *texts], ["", "", *bars], strict=True)]


def _least(widths: Sequence[int], named: Sequence[int]) -> int:
    """How wide a table is at least, with its names cut as short as may be."""
    cut = (min(width, _LEAST_NAME) if place in named else width for place, width in enumerate(widths))
    return sum(cut) + 2 * (len(widths) - 1)


def _narrow(widths: list[int], named: Sequence[int], width: int) -> None:
    """Take from the widest names what a line has too much."""
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths[place] for place in named) > _LEAST_NAME:
        widths[max(named, key=widths.__getitem__)] -= 1


def _line(row: Sequence[str], widths: Sequence[int], named: Sequence[int], bar: str) -> str:
    cells = [
        _cut(text, width).ljust(width) if place in named else text.rjust(width)
        for place, (text, width) in enumerate(
            zip(row, widths, strict=False)
        )  # columns for which there is no room are left out
    ]
    return "  ".join([*cells, bar]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _size(row: Sequence[Cell], columns: Sequence[Column]) -> float:
    place = next(place for place, column in enumerate(columns) if column.kind == "number")
    cell = row[place]
    return cell if isinstance(cell, int | float) else 0


def bar(share: float, width: int) -> str:
    """A bar of blocks: eighths of a column, so that small differences are seen."""
    eighths = round(share * width * 8)
    return (_BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()) or ("▏" if share else "")


def _cell(cell: Cell, column: Column) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return "".join(letter if letter.isprintable() else "�" for letter in cell)
    return {"share": f"{cell:.1%}", "change": f"{cell:+.0%}", "seconds": _clock(cell)}.get(column.kind, f"{cell:,}")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _summary(found: Summary) -> str:
    lines = [
        f"Counts {found.counted}. Fewer than {found.min_cell} are not told apart.",
        "",
        f"Visitors           {_plain(found.visitors)}",
        f"Visits             {_plain(found.visits)}",
        f"Repeat visits      {_plain(found.repeat_visits)}",
        f"Repeat-visit rate  {_percent(found.repeat_visit_rate)}",
        f"Page views         {_plain(found.page_views)}",
    ]
    pages = [(row.page, _plain(row.views), _plain(row.visitors), _percent(row.share)) for row in found.pages]
    chosen = [
        (f"{row.name}: {row.value}", _plain(row.choices), _plain(row.visitors), _percent(row.share))
        for row in found.customisation
    ]
    lines += _table(("Page", "Views", "Visitors", "Share"), pages)
    lines += _table(("Customisation", "Choices", "Visitors", "Share"), chosen)
    return "\n".join(lines)


def _percent(share: Cell) -> str:
    return f"{share:.1%}" if isinstance(share, int | float) else _plain(share)


def _plain(cell: Cell) -> str:
    return "–" if cell is None else str(cell)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return ["", *(_row(row, widths) for row in (head, tuple("-" * width for width in widths), *rows))]


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join((row[0].ljust(widths[0]), *numbers))
