"""Reports as CSV (RFC 4180), in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from .reports import Cell, Report

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
