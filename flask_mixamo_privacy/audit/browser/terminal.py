"""A report as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator

from .finding import Finding
from .report import Report

_PLACES = 3  # that are shown of each finding


def lines(report: Report) -> Iterator[str]:
    """Everything there is to read, the outcome last."""
    for finding in report.findings:
        yield from _told(finding, report.file)
        yield ""
    for known in report.known:
        yield f"known until {known.until}: {_name(known.finding)} ({known.reason})"
    for route, why in report.unseen:
        yield f"not seen: {route}: {why}"
    for note in report.notes:
        yield f"note: {note}"
    yield outcome(report)


def outcome(report: Report) -> str:
    """How it ended, and what it rests on."""
    number = len(report.findings)
    said = "Nothing found" if not number else "1 finding" if number == 1 else f"{number} findings"
    who = f" for {1 + len(report.logins)} logins" if report.logins else ""
    return (
        f"{said}: {len(report.routes)} routes in {len(report.states)} states{who}, {report.pages} pages, "
        f"{report.requests} requests, {report.seconds:.0f} s."
    )


def where(finding: Finding, file: str) -> str:
    """The line of the declaration that it belongs to."""
    if finding.line:
        return f"{file}:{finding.line}"
    return f"{file}, under {finding.key.partition('.')[0]}" if finding.key else ""


def _name(finding: Finding) -> str:
    return f"{finding.code} {finding.subject}".strip()


def _told(finding: Finding, file: str) -> Iterator[str]:
    place = where(finding, file)
    yield _name(finding) + (f"  [{place}]" if place else "")
    yield f"  {finding.says}"
    yield from (f"  - {evidence}" for evidence in finding.evidence[:_PLACES])
    yield from _more(len(finding.evidence), "such")
    yield from (f"  at {place}" for place in finding.places[:_PLACES])
    yield from _more(len(finding.places), "places")
    yield f"  {finding.hint}"


def _more(number: int, what: str) -> Iterator[str]:
    if number > _PLACES:
        yield f"    and {number - _PLACES} more {what}"
