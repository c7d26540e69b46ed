"""``flask privacy report``: reports in a terminal, as JSON and as CSV."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from ..reports.reports import NAMES, UNITS, Report, Window
from ..reports.spreadsheet import as_csv
from ..reports.telling import as_text, newest, window_of
from ..tracking.loader import WAIT
from ..web.site import Site, site
from .outcomes import could_not_look, json_option, print_json


@click.command("report")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--period", type=click.Choice(UNITS), help="The newest day, week or month that has closed, or all.")
@click.option("--window", help="A certain one: 2026-05-08, 2026-W19, 2026-05 or all.")
@json_option
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
        print_json(_summary(*found)) if as_json else click.echo(_text(found))
        return
    chosen = _chosen(names)
    if in_csv and len(names) != 1:
        raise click.UsageError(f"--csv writes one report: name it, one of {', '.join(NAMES)}.")
    of = _window(here, period, window)
    reports = [report for report in here.reports.every(of) if report.id in chosen]
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        click.echo(as_csv(reports[0]) if in_csv else _text(reports), nl=not in_csv)


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


def _text(reports: Sequence[Report]) -> str:
    return as_text(reports, shutil.get_terminal_size().columns)


def _summary(totals: Report, pages: Report, choices: Report) -> dict[str, Any]:
    """The one object that ``--json`` writes if no report is named."""
    names = ("page", "views", "visitors", "share")
    return {
        **totals.as_dict()["rows"][0],
        "pages": [dict(zip(names, row, strict=False)) for row in pages.rows],
        "customisation": choices.as_dict()["rows"],
        **{name: getattr(totals, name) for name in ("min_cell", "consenting", "until", "counted")},
    }
