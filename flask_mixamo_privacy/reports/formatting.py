"""Reports for people to read: windows of time and cells in words, and tables for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ..i18n.language import SHIPPED, Language
from ..storage.clock import ONE_DAY
from ..tracking.scrub import printable
from .disclosure_control import OTHER
from .query import Cell
from .reports import Column, Report, Reports
from .tables import UNKNOWN
from .windows import ALL, Unit, Window, as_unit

_LEADS = " → "
_BLOCKS = " ▏▎▍▌▋▊▉█"
_MOST_BAR, _LEAST_BAR, _LEAST_NAME = 24, 6, 8  # columns of a terminal

#: Columns whose texts are words of ours, not names from the log.
_WORDS = ("visit", "number", "gap", "decision")


def newest(reports: Reports, period: str | None) -> Window:
    """The newest window of a period that has closed, else the newest; without a period, of the longest that has one.

    Raises :class:`ValueError` for what is no period, and :class:`StoreUnavailable`.
    """
    if period is not None:
        unit = as_unit(period)
        found = reports.windows(unit)
        return _newest_closed(reports, unit) or (found[0] if found else ALL)
    longest: tuple[Unit, ...] = ("month", "week", "day")
    return next(filter(None, (_newest_closed(reports, unit) for unit in longest)), ALL)


def _newest_closed(reports: Reports, unit: Unit) -> Window | None:
    return next((one for one in reports.windows(unit) if reports.report("visits", one).state == "closed"), None)


def window_of(reports: Reports, text: str) -> Window:
    """A window by its name, if it is one of those there are; raises :class:`ValueError`."""
    found = Window.parse(text)
    if found not in reports.windows(found.unit):
        raise ValueError(f"Nothing was recorded in {text}.")
    return found


def name_of(window: Window, t: Language) -> str:
    """``8 May 2026``, ``4 – 10 May 2026``, ``May 2026``."""
    if window == ALL:
        return t("All time").text
    if window.unit == "month":
        return t.month(window.first)
    return t.date(window.first.isoformat()) if window.unit == "day" else t.days(window.first, window.end - ONE_DAY)


def format_cell(cell: Cell, column: Column, t: Language) -> str:
    """A cell in a language's words and numbers; a dash for nothing."""
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, str):
        return _text(cell, column, t) if column.kind == "text" else cell
    if column.kind == "share":
        return t.percent(cell)
    if column.kind == "change":
        return t.percent(cell, "+#,##0;-#,##0") if cell else t.percent(0, "#,##0")
    return f"{int(cell) // 60}:{int(cell) % 60:02d}" if column.kind == "seconds" else t.number(cell)


def _text(cell: str, column: Column, t: Language) -> str:
    if cell in (OTHER, UNKNOWN) or column.id in _WORDS:
        return t(cell).text
    if column.id == "when":
        window = Window.parse(cell)
        return t.day(window.first) if window.unit == "day" else name_of(window, t)
    if column.id == "locale" and cell in SHIPPED:
        return t.name_of(cell)
    return printable(cell)


def row_label(report: Report, row: tuple[Cell, ...], t: Language) -> str:
    """A row's name: its texts, one after the other; where something leads, with an arrow."""
    texts = [format_cell(cell, column, t) for cell, column in zip(row, report.columns, strict=True) if column.kind == "text"]
    return texts[0] if row[0] == OTHER else (_LEADS if report.id in ("movement", "clicks") else " · ").join(texts)


def shorten(text: str, most: int) -> str:
    """A text cut to so many characters; of a long path the end, which tells it from the others."""
    if len(text) > most and _LEADS in text:
        parts = text.split(_LEADS)
        return _LEADS.join(shorten(part, (most - len(_LEADS)) // len(parts)) for part in parts)
    if len(text) > most and text.startswith("/"):
        text = f"…/{text.rstrip('/').rpartition('/')[2]}"
    return _cut(text, most)


def is_page_or_name(column: Column) -> bool:
    """Whether a column's texts come from the log, and are written as they are in every language."""
    return column.kind == "text" and column.id not in (*_WORDS, "when", "locale")


# Tables in a terminal


def as_text(reports: Sequence[Report], width: int) -> str:
    """Reports for a terminal, one below the other; those without rows are named at the end."""
    parts = [_headline(reports[0])] if reports else []
    parts += ["\n".join([report.title.upper(), *_table(report, width)]) for report in reports if report.rows]
    silent = [report.title for report in reports if not report.rows]
    return "\n\n".join([*parts, *([f"Nothing to tell apart: {', '.join(silent)}."] if silent else [])])


def _headline(report: Report) -> str:
    share = f", {report.consenting:.1%} of the decisions" if report.consenting is not None else ""
    window = "All time" if report.window == ALL else f"{report.window} ({report.state})"
    return f"{window}. Counts {report.counted}{share}. Fewer than {report.min_cell} are not told apart."


def _table(report: Report, width: int) -> list[str]:
    """A table with bars of its first number if the terminal has room for them, and with fewer columns if it is too narrow.

    A single row without a name is written one column a line.
    """
    columns = report.columns
    texts = [[_terminal_cell(cell, column) for cell, column in zip(row, columns, strict=True)] for row in report.rows]
    head = [column.title for column in columns]
    if columns[0].kind != "text":
        return [f"{title:{max(map(len, head))}}  {text}" for title, text in zip(head, texts[0], strict=True)]
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
    shown = enumerate(zip(row, widths, strict=False))  # without the columns for which there is no room
    cells = [_cut(text, width).ljust(width) if place in named else text.rjust(width) for place, (text, width) in shown]
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


def _terminal_cell(cell: Cell, column: Column) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return printable(cell)
    return {"share": f"{cell:.1%}", "change": f"{cell:+.0%}", "seconds": _clock(cell)}.get(column.kind, f"{cell:,}")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


# Reports as CSV (RFC 4180), in which no cell is a formula.

#: What makes a spreadsheet take a text for a formula when a cell begins with it (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip

#: Columns that each row ends with, so that it speaks for itself wherever it is copied to.
ABOUT = ("window", "state", "counted", "consenting", "min_cell")


def as_csv(report: Report) -> str:
    """A report's rows under its columns' ids, each with what it is about; cells as in JSON, None as nothing."""
    about = (str(report.window), report.state, report.counted, report.consenting, report.min_cell)
    head: list[Cell] = [*(column.id for column in report.columns), *ABOUT]
    return _written([head, *([_csv_cell(cell) for cell in (*row, *about)] for row in report.rows)])


def _written(rows: Iterable[list[Cell]]) -> str:
    output = io.StringIO()
    csv.writer(output).writerows(rows)
    return output.getvalue()


def _csv_cell(cell: Cell) -> Cell:
    """A text that a spreadsheet would calculate begins with an apostrophe; a number is none, whatever its sign."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return f"'{cell}"
    return cell
