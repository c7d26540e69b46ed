"""How reports are told: which window of time, and the words for it and for each cell."""

from __future__ import annotations

from .language import SHIPPED, Language
from .rights.moments import ONE_DAY
from .tracking.reports import ALL, OTHER, UNKNOWN, Cell, Column, Report, Reports, Window
from .tracking.windows import Unit, as_unit

_LEADS = " → "

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


def said(cell: Cell, column: Column, t: Language) -> str:
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
    return "".join(letter if letter.isprintable() else "�" for letter in cell)


def label(report: Report, row: tuple[Cell, ...], t: Language) -> str:
    """A row's name: its texts, one after the other; where something leads, with an arrow."""
    texts = [said(cell, column, t) for cell, column in zip(row, report.columns, strict=True) if column.kind == "text"]
    return texts[0] if row[0] == OTHER else (_LEADS if report.id in ("movement", "clicks") else " · ").join(texts)


def short(text: str, most: int) -> str:
    """A text cut to so many characters; of a long path the end, which tells it from the others."""
    if len(text) > most and _LEADS in text:
        parts = text.split(_LEADS)
        return _LEADS.join(short(part, (most - len(_LEADS)) // len(parts)) for part in parts)
    if len(text) > most and text.startswith("/"):
        text = f"…/{text.rstrip('/').rpartition('/')[2]}"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def is_name(column: Column) -> bool:
    """Whether a column's texts come from the log, and are written as they are in every language."""
    return column.kind == "text" and column.id not in (*_WORDS, "when", "locale")
