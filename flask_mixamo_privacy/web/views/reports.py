"""Reports for staff: a page with charts and tables, a page about one page, and every report as CSV and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from flask import Response, jsonify, make_response, request
from werkzeug.wrappers import Response as AnyResponse

from ...errors import StoreUnavailable
from ..access import staff_only
from ..context import current_runtime, privacy_context
from ..http import abort_with, no_store
from ..locale import regional
from ..rendering import render
from ..runtime import Runtime
from . import pages

if TYPE_CHECKING:
    from ...reports.reports import Report
    from ...reports.windows import Window

#: The page's sections: heading and report ids. The first two reports are below the charts of the first screen.
FIRST_SCREEN = ("visits", "decisions")
SECTIONS = (
    ("Content", ("pages", "entries", "exits")),
    ("Coming and going", ("movement", "referrers", "exit_links", "clicks", "events")),
    ("Goals", ("goals", "funnels", "event_values")),
    ("Visits", ("returning", "visit_numbers", "days_between", "hours")),
    ("Browsers and choices", ("browsers", "platforms", "providers", "choices", "changes")),
    ("Decisions", ("decisions_by_version", "decisions_by_locale")),
)
#: The sections of the public page. It leaves out the reports that follow visitors from one page to the next.
PUBLIC_SECTIONS = (
    ("Content", ("pages", "entries", "referrers")),
    ("Visits", ("returning", "visit_numbers", "hours")),
    ("Browsers and decisions", ("browsers", "platforms", "decisions_by_version")),
)
#: The periods of the page, with their names. A window of the page begins and ends with a week or a month.
PRESETS = (
    ("7", "7 days"), ("28", "28 days"), ("month", "Month"), ("90", "3 months"), ("year", "Year"), ("all", "All time"),
)  # fmt: skip
_MOST_ROWS = 100  # of each report; its CSV and JSON have more
HOURS = tuple(f"{hour:02d}" for hour in range(24))


@pages.get("/reports", endpoint="reports")
@staff_only("reports")
def page() -> AnyResponse:
    """Show the first screen and every report on one window: that of ``window``, or the current one of ``period``."""
    ctx = privacy_context()
    try:
        window = _window(ctx.runtime, current=True)
        overview, reports = ctx.runtime.reports.dashboard(window, _MOST_ROWS)
        steps = _steps(ctx.runtime, window)
    except StoreUnavailable as error:
        _abort_without_store(ctx.runtime, error)
    by_name = {report.id: report for report in reports}
    # A site that declares no goal, funnel or value has no such report.
    named = [(title, [by_name[name] for name in names if name in by_name]) for title, names in SECTIONS]
    sections = [(title, some) for title, some in named if some]
    return _rendered("reports.html", window, steps, overview=overview, reports=by_name, sections=sections)


@pages.get("/reports/page", endpoint="report_page")
@staff_only("reports")
def one_page() -> AnyResponse:
    """Show what the reports on one window have about one page: its numbers, and where its visitors came from and went."""
    ctx = privacy_context()
    name = request.args.get("page", "")
    try:
        window = _window(ctx.runtime, current=True)
        about = ctx.runtime.reports.about_page(name, window)
        steps = _steps(ctx.runtime, window)
    except StoreUnavailable as error:
        _abort_without_store(ctx.runtime, error)
    if about is None:
        abort_with(404, "The reports show no such page in this period, or too few visitors saw it.")
    return _rendered("report_page.html", window, steps, page=name, about=about)


@pages.get("/reports/public", endpoint="public_reports")
def public() -> AnyResponse:
    """Show the reports of a closed month to every visitor, if the site chose to: of ``window``, or of the newest month."""
    runtime = current_runtime()
    if not runtime.settings.public_reports:
        abort_with(404)
    try:
        months = runtime.reports.closed_months()
        window = next((month for month in months if str(month) == request.args.get("window", str(month))), None)
        if window is None:
            abort_with(404, "There is no closed month with this name, or none has closed yet.")
        overview, reports = runtime.reports.of_closed_month(window)
    except StoreUnavailable as error:
        _abort_without_store(runtime, error)
    place = months.index(window)
    steps = {
        "earlier": months[place + 1] if place + 1 < len(months) else None,
        "later": months[place - 1] if place else None,
    }
    by_name = {report.id: report for report in reports}
    sections = [(title, [by_name[name] for name in names]) for title, names in PUBLIC_SECTIONS]
    return _rendered(
        "public_reports.html", window, steps, overview=overview, reports=by_name, sections=sections, public=True
    )


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
    from ...reports.definitions import NAMES

    runtime = current_runtime()
    if name not in NAMES:
        abort_with(404, f"There is no report {name!r}; there are: {', '.join(NAMES)}.")
    try:
        return runtime.reports.report(name, _window(runtime))
    except StoreUnavailable as error:
        _abort_without_store(runtime, error)


def _window(runtime: Runtime, *, current: bool = False) -> Window:
    """Return the window of the query: named by ``window``, or the current or the newest closed one of ``period``."""
    from ...reports import formatting

    try:
        if text := request.args.get("window"):
            return formatting.window_of(runtime.reports, text)
        period = request.args.get("period") or None
        return formatting.current(runtime.reports, period) if current else formatting.newest(runtime.reports, period)
    except ValueError as error:
        abort_with(404, str(error))


def _steps(runtime: Runtime, window: Window) -> dict[str, Window | None]:
    """Return the windows before and after a window, or None where nothing was recorded."""
    from ...reports.windows import ALL

    days = runtime.reports.windows("day")  # the newest first
    if window == ALL or not days:
        return {"earlier": None, "later": None}
    earlier = window.previous if window.first > days[-1].first else None
    return {"earlier": earlier, "later": window.next if window.end <= days[0].first else None}


def _rendered(template: str, window: Window, steps: dict[str, Window | None], **values: Any) -> AnyResponse:
    from ...reports import charts, formatting
    from ...reports.windows import PERIODS

    ctx = privacy_context()
    chosen = regional(ctx.language, ctx.runtime.site_locale(), ctx.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    t = ctx.runtime.settings.languages.adapt(chosen)
    size = (window.unit, window.count)
    rendered = render(
        template,
        t=t,
        window=window,
        **steps,
        site=ctx.runtime.policy.site,
        presets=PRESETS,
        preset=next((name for name, _ in PRESETS if PERIODS[name] == size), ""),
        min_cell=ctx.runtime.settings.min_cell,
        versions=ctx.runtime.versions.dates(),
        rtl=t.dir == "rtl",
        charts=charts,
        formatting=formatting,
        hours=HOURS,
        **values,
    )
    return no_store(make_response(rendered))


def _abort_without_store(runtime: Runtime, error: StoreUnavailable) -> NoReturn:
    runtime.report_failure(error, raise_in_tests=False)
    abort_with(503, "The database of events could not be reached. Try again in a moment.")
