"""Formatting of reports: windows and cells in a language, tables for a terminal, and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from ..i18n.language import SHIPPED, Language, language
from ..policy.parts import is_day
from ..storage.clock import ONE_DAY
from ..tracking.row_names import UNKNOWN
from ..tracking.scrub import printable
from .cells import Cell, Share
from .dashboard import Headline, Slot, Week
from .definitions import AT_END_OF_DAY, Column
from .disclosure_control import OTHER
from .reports import Report, Reports
from .windows import ALL, Unit, Window, as_period

_LEADS = " → "
_DAYS_OF_A_WEEK = 7
_LONGEST_NAME = 120  # characters of a page's name on the page of reports; a CSV has the whole name
_BLOCKS = " ▏▎▍▌▋▊▉█"
_MOST_BAR, _LEAST_BAR, _LEAST_NAME = 24, 6, 8  # columns of a terminal

#: Columns whose texts are msgids, not names from the log.
_WORDS = ("visit", "number", "gap", "decision")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 request``, ``2 requests``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def newest(reports: Reports, period: str | None) -> Window:
    """Return the newest closed window of a period, or the newest window if none has closed.

    If ``period`` is None, return the newest closed month, week or day, in this order of preference, or else all time. Raises
    :class:`ValueError` for an unknown period, and :class:`StoreUnavailable`.
    """
    if period is not None:
        unit, count = as_period(period)
        windows = reports.windows(unit)
        window = _newest_closed(reports, unit) or (windows[0] if windows else ALL)
        return window if window == ALL else Window.of(unit, window.first, count)
    longest: tuple[Unit, ...] = ("month", "week", "day")
    return next(filter(None, (_newest_closed(reports, unit) for unit in longest)), ALL)


def _newest_closed(reports: Reports, unit: Unit) -> Window | None:
    return next((each for each in reports.windows(unit) if reports.report("visits", each).state == "closed"), None)


def current(reports: Reports, period: str | None) -> Window:
    """Return the window of a period that ends with the newest day that is shown, or all time if there is none.

    If ``period`` is None, return the month, or 28 days if the month has begun less than a week ago. Raises
    :class:`ValueError` for an unknown period, and :class:`StoreUnavailable`.
    """
    unit, count = as_period(period or "month")
    day = reports.newest_day()
    if day is None:
        return ALL
    unit, count = ("week", 4) if period is None and day.day < _DAYS_OF_A_WEEK else (unit, count)
    return Window.of(unit, day, count)


def window_of(reports: Reports, text: str) -> Window:
    """Return the window with this name. Raises :class:`ValueError` if it is malformed or nothing was recorded in it."""
    window = Window.parse(text)
    if window != ALL and {window.parts[0], window.parts[-1]}.isdisjoint(reports.windows(window.unit)):
        raise ValueError(f"Nothing was recorded in {text}.")
    return window


def name_of(window: Window, t: Language) -> str:
    """Return the window in a language: ``8 May 2026``, ``4 – 10 May 2026``, ``May 2026``."""
    if window == ALL:
        return t("All time").text
    if window.unit == "month" and window.count == 1:
        return t.month(window.first)
    is_day = window.end - window.first == ONE_DAY
    return t.date(window.first.isoformat()) if is_day else t.days(window.first, window.end - ONE_DAY)


def isolated(figure: str, t: Language) -> str:
    """Return a figure whose sign stays on its side. Among Arabic words, ``<5`` would read as ``5>`` (Unicode TR 9)."""
    return figure if t.dir == "ltr" or figure.isalnum() else f"\u2066{figure}\u2069"


def format_cell(cell: Cell, column: Column, t: Language) -> str:
    """Return a cell in a language's words and numbers, or a dash if it is None or empty."""
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, str) and column.kind == "text":
        return _text(cell, column, t)
    return isolated(cell if isinstance(cell, str) else _number(cell, column, t), t)


def _number(cell: float, column: Column, t: Language) -> str:
    if column.kind == "share":
        return t.percent(cell)
    if column.kind == "change":
        return t.percent(cell, "#,##0", signed=bool(cell))
    return f"{int(cell) // 60}:{int(cell) % 60:02d}" if column.kind == "seconds" else t.number(cell)


def format_share(share: Share | None, t: Language) -> str:
    """Return a share, or its bounds: ``83.1%``, ``76–83%``. A dash without one."""
    if share is None:
        return "–"
    return isolated(t.percent(share.least) if share.exact is not None else t.percents(share.least, share.most), t)


def format_change(headline: Headline, t: Language) -> str:
    """Return the change of a headline against the period before: ``+12%``, or ``+2.1`` percentage points of a share."""
    if headline.share is not None:
        return t("%(number)s points", number=isolated(t.signed((headline.change or 0) * 100), t)).text
    return isolated(t.percent(headline.change or 0, "#,##0", signed=bool(headline.change)), t)


def slot_label(slot: Slot, t: Language) -> str:
    """Return the days and the number of a part of a chart: ``8 May: 12``."""
    names = [_short_name(part, t) for part in (slot.parts[0], slot.parts[-1])]
    days = " – ".join(dict.fromkeys(names))
    if slot.shown == "hidden":
        return f"{days}: {t('too few visitors')}"
    number = isolated(slot.cell if isinstance(slot.cell, str) else t.number(slot.cell or 0), t)
    return f"{days}: {number} {t('together')}" if slot.shown == "together" else f"{days}: {number}"


def axis_labels(slots: Sequence[Slot], t: Language) -> list[str]:
    """Return the first, the middle and the last name of the axis of time."""
    parts = [part for slot in slots for part in slot.parts]
    chosen = [parts[0], parts[(len(parts) - 1) // 2], parts[-1]] if len(parts) > 4 else parts
    return [_short_name(part, t) for part in chosen]


def week_labels(weeks: Sequence[Week], t: Language) -> list[str]:
    """Return the first day of the first week, that of the middle week, and the last day of the last week."""
    days = [weeks[0].window.first, weeks[(len(weeks) - 1) // 2].window.first, weeks[-1].window.end - ONE_DAY]
    return [t.day(day) for day in days]


def tick_labels(ticks: Sequence[float], t: Language) -> list[str]:
    """Return the labels of a scale, from the top to the bottom."""
    return [t.number(int(tick) if tick == int(tick) else tick) for tick in reversed(ticks)]


def _short_name(part: Window, t: Language) -> str:
    return t.day(part.first) if part.unit == "day" else name_of(part, t)


def _text(cell: str, column: Column, t: Language) -> str:
    if cell in (OTHER, UNKNOWN) or column.id in _WORDS:
        return t(cell).text
    if column.id == "when":
        window = Window.parse(cell)
        return t.day(window.first) if window.unit == "day" else name_of(window, t)
    if column.id == "version" and is_day(cell):
        return t.date(cell)
    if column.id == "locale" and cell in SHIPPED:
        return t.name_of(cell)
    return _cut(printable(cell), _LONGEST_NAME)


def row_label(report: Report, row: tuple[Cell, ...], t: Language) -> str:
    """Return the texts of a row, joined by an arrow for movement and clicks, and otherwise by a dot."""
    texts = [format_cell(cell, column, t) for cell, column in zip(row, report.columns, strict=True) if column.kind == "text"]
    return texts[0] if row[0] == OTHER else (_LEADS if report.id in ("movement", "clicks") else " · ").join(texts)


def shorten(text: str, most: int) -> str:
    """Return a text cut to ``most`` characters. A long path keeps its last segment, which distinguishes it best."""
    if len(text) > most and _LEADS in text:
        parts = text.split(_LEADS)
        return _LEADS.join(shorten(part, (most - len(_LEADS)) // len(parts)) for part in parts)
    if len(text) > most and text.startswith("/"):
        text = f"…/{text.rstrip('/').rpartition('/')[2]}"
    return _cut(text, most)


def is_page_or_name(column: Column) -> bool:
    """Return whether the texts of a column come from the log, and so are not translated."""
    return column.kind == "text" and column.id not in (*_WORDS, "when", "locale", "version")


# Tables for a terminal.


def as_text(reports: Sequence[Report], width: int) -> str:
    """Return reports for a terminal. At the end it lists reports without rows, and explains what is missing."""
    parts = [_headline(reports[0])] if reports else []
    parts += ["\n".join([report.title.upper(), *_table(report, width)]) for report in reports if report.rows]
    without_rows = [report.title for report in reports if not report.rows]
    parts += [f"Without rows: {', '.join(without_rows)}."] if without_rows else []
    return "\n\n".join([*parts, *(["\n".join(notes)] if (notes := list(_notes(reports))) else [])])


def _notes(reports: Sequence[Report]) -> Iterator[str]:
    """Yield what is not shown yet, and what the signs in the cells mean."""
    if not reports:
        return
    window, least = reports[0].window, reports[0].min_cell
    cells = {str(cell) for report in reports for row in report.rows for cell in row}
    if reports[0].until is None and not any(report.total for report in reports):
        yield "No visit has been counted yet. Visits are counted from a visitor's consent to statistics on."
    elif not reports[0].suppresses:
        yield from _notes_without_suppression(reports)
    elif window == ALL and not all(report.rows for report in reports):
        yield f"A report has rows once {least} visitors are behind one of them."
    elif reports[0].state == "open" and not all(report.rows for report in reports):
        yield f"The {window.unit} is not over. Its rows are those of the days that have closed, an hour after their end."
    if f"<{least}" in cells:
        yield f'"<{least}" means fewer than {least} visitors. Numbers appear once {least} visitors have been counted.'
    if partial := next((cell for cell in sorted(cells) if re.fullmatch(r"[0-9]+\+", cell)), None):
        reason = "the exact number could single out a visitor" if reports[0].suppresses else "the exact number is not known"
        yield f'"{partial}" means {partial[:-1]} or more: {reason}.'


def _notes_without_suppression(reports: Sequence[Report]) -> Iterator[str]:
    """Yield why a report of an open window has no rows yet."""
    waiting = [report.title for report in reports if report.id in AT_END_OF_DAY and not report.rows]
    if waiting and reports[0].state == "open":
        yield f"Counted at the end of each day: {', '.join(waiting)}."


def _headline(report: Report) -> str:
    share = f", {format_share(report.share, language('en'))} of the decisions" if report.share is not None else ""
    window = "All time" if report.window == ALL else f"{report.window} ({report.state})"
    rule = "Shows every row, even of a single visitor."
    if report.suppresses:
        rule = f'Rows with fewer than {report.min_cell} visitors are merged into "other".'
    return f"{window}. Counts {report.counted}{share}. {rule}"


def _table(report: Report, width: int) -> list[str]:
    """Return the lines of a table.

    A wide terminal also shows bars of the first number. A narrow terminal shows fewer columns. A report whose first column
    is not a text, such as the totals, has one row and gets one line per column.
    """
    columns = report.columns
    texts = [[_terminal_cell(cell, column) for cell, column in zip(row, columns, strict=True)] for row in report.rows]
    head = [column.title for column in columns]
    if columns[0].kind != "text":
        return [f"{title:{max(map(len, head))}}  {text}" for title, text in zip(head, texts[0], strict=True)]
    widths = [max(len(row[index]) for row in (head, *texts)) for index in range(len(head))]
    named = [index for index, column in enumerate(columns) if column.kind == "text"]
    while len(widths) > len(named) + 1 and _least_width(widths, named) > width:
        widths.pop()
    _narrow(widths, named, width)
    room = min(width - sum(widths) - 2 * len(widths), _MOST_BAR)
    sizes = [_size(row, columns) for row in report.rows]
    bars = [bar(size / (max(sizes) or 1), room) if room >= _LEAST_BAR else "" for size in sizes]
    rule = ["─" * each for each in widths]
    return [_line(row, widths, named, bar) for row, bar in zip([head, rule, *texts], ["", "", *bars], strict=True)]


def _least_width(widths: Sequence[int], named: Sequence[int]) -> int:
    """Return the width of a table whose names are cut to the least length."""
    cut = (min(width, _LEAST_NAME) if index in named else width for index, width in enumerate(widths))
    return sum(cut) + 2 * (len(widths) - 1)


def _narrow(widths: list[int], named: Sequence[int], width: int) -> None:
    """Narrow the widest name columns until the table fits."""
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths[index] for index in named) > _LEAST_NAME:
        widths[max(named, key=widths.__getitem__)] -= 1


def _line(row: Sequence[str], widths: Sequence[int], named: Sequence[int], bar: str) -> str:
    shown = enumerate(zip(row, widths, strict=False))  # widths is shorter: it lacks the columns that do not fit
    cells = [_cut(text, width).ljust(width) if index in named else text.rjust(width) for index, (text, width) in shown]
    return "  ".join([*cells, bar]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _size(row: Sequence[Cell], columns: Sequence[Column]) -> float:
    index = next(index for index, column in enumerate(columns) if column.kind == "number")
    cell = row[index]
    return cell if isinstance(cell, int | float) else 0


def bar(share: float, width: int) -> str:
    """Return a bar of block characters, in steps of an eighth of a character."""
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


# Reports as CSV (RFC 4180).

#: The place before a formula: a spreadsheet takes a cell that begins with one of these for one (OWASP, "CSV Injection").
_FORMULA = re.compile('(^|;)(?=[ "]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])')

#: The last columns of each row, so that a copied row still explains itself.
ABOUT = ("window", "state", "counted", "consenting", "min_cell")


def as_csv(report: Report) -> str:
    """Return a report as CSV: a header of column ids, and cells as in JSON. None is an empty cell."""
    about = (str(report.window), report.state, report.counted, report.consenting, report.min_cell)
    head: list[Cell] = [*(column.id for column in report.columns), *ABOUT]
    return _csv([head, *([_csv_cell(cell) for cell in (*row, *about)] for row in report.rows)])


def _csv(rows: Iterable[list[Cell]]) -> str:
    output = io.StringIO()
    csv.writer(output, quoting=csv.QUOTE_ALL).writerows(rows)
    return output.getvalue()


def _csv_cell(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula. Negative numbers stay as they are.

    In many countries a spreadsheet splits at semicolons, also within quotes. So each part of a text gets an apostrophe if it
    looks like a formula, and not only the first.
    """
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell
