"""Reports for staff: a page with charts and tables, and every report as CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flask import Response, jsonify, make_response, request
from werkzeug.wrappers import Response as AnyResponse

from ...errors import StoreUnavailable
from ..access import staff_only
from ..context import current_runtime, privacy_context
from ..http import abort_with, no_store
from ..rendering import render
from ..runtime import Runtime
from . import pages

if TYPE_CHECKING:
    from ...reports.query import Cell
    from ...reports.reports import Report
    from ...reports.windows import Window

#: The page's sections: heading and report ids.
SECTIONS = (
    ("Visits", ("visits", "returning", "visit_numbers", "days_between", "hours")),
    ("Interest", ("pages", "entries", "exits")),
    ("Coming and going", ("movement", "referrers", "exit_links", "clicks")),
    ("Browsers and choices", ("browsers", "platforms", "providers", "choices", "changes")),
    ("Decisions", ("decisions", "decisions_by_version", "decisions_by_locale")),
)
_MOST_ROWS = 100  # of each report; its CSV and JSON have more
HOURS = tuple(f"{hour:02d}" for hour in range(24))


class Totals(NamedTuple):
    """The four numbers at the top of the page."""

    visits: Cell
    visitors: Cell
    views: Cell
    consenting: float | None


@pages.get("/reports", endpoint="reports")
@staff_only("reports")
def page() -> AnyResponse:
    """Show every report on one window: the one named by ``window``, or the newest one of ``period``."""
    from ...reports import charts, formatting
    from ...reports.windows import UNITS

    ctx = privacy_context()
    try:
        window = _window(ctx.runtime)
        reports = {report.id: report for report in ctx.runtime.reports.every(window, _MOST_ROWS)}
        windows = ctx.runtime.reports.windows(window.unit)
        totals = _totals(ctx.runtime, reports, window)
    except StoreUnavailable as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        abort_with(503, "The database of events could not be reached. Try again in a moment.")
    rendered = render(
        "reports.html",
        t=ctx.language,
        window=window,
        windows=windows,
        units=UNITS,
        totals=totals,
        sections=[(title, [reports[name] for name in names]) for title, names in SECTIONS],
        closed=reports["visits"].state == "closed",
        min_cell=ctx.runtime.settings.min_cell,
        rtl=ctx.language.dir == "rtl",
        charts=charts,
        formatting=formatting,
        hours=HOURS,
    )
    return no_store(make_response(rendered))


@pages.get("/reports/<name>.csv", endpoint="report_csv")
@staff_only("reports")
def csv(name: str) -> AnyResponse:
    """Return one report as CSV."""
    from ...reports.formatting import as_csv

    report = _report(name)
    response = Response(as_csv(report), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{report.id}-{report.window}.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)


@pages.get("/reports/<name>.json", endpoint="report_json")
@staff_only("reports")
def json(name: str) -> AnyResponse:
    """Return one report as JSON."""
    return no_store(jsonify(_report(name).as_dict()))


def _report(name: str) -> Report:
    from ...reports.reports import NAMES

    runtime = current_runtime()
    if name not in NAMES:
        abort_with(404, f"There is no report {name!r}; there are: {', '.join(NAMES)}.")
    try:
        return runtime.reports.report(name, _window(runtime))
    except StoreUnavailable as error:
        runtime.report_failure(error, raise_in_tests=False)
        abort_with(503, "The database of events could not be reached. Try again in a moment.")


def _window(runtime: Runtime) -> Window:
    from ...reports import formatting

    try:
        if text := request.args.get("window"):
            return formatting.window_of(runtime.reports, text)
        return formatting.newest(runtime.reports, request.args.get("period") or None)
    except ValueError as error:
        abort_with(404, str(error))


def _totals(runtime: Runtime, reports: dict[str, Report], window: Window) -> Totals:
    visits = reports["visits"]
    return Totals(visits.total, runtime.reports.distinct(window), reports["pages"].total, visits.consenting)
