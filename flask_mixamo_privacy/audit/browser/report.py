"""The audit's report: as text, as an HTML file with screenshots, and without the findings that a baseline accepts."""

from __future__ import annotations

import tomllib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ...reports.formatting import counted
from .evidence import Evidence, State, Visited, flat, states_of
from .findings import CODES, Finding
from .launch import playwright_api
from .rules_interface import MASK
from .suggestion import Undeclared
from .target import AuditError, Target
from .visitor import AuditVisitor

if TYPE_CHECKING:
    from playwright.async_api import Browser


# The result of an audit.


@dataclass(frozen=True)
class AcceptedFinding:
    """A finding that the baseline accepts, with the reason and the date on which it counts again."""

    finding: Finding
    reason: str
    until: str  # a date


@dataclass(frozen=True)
class Picture:
    """A screenshot of a page, as a JPEG."""

    title: str
    jpeg: bytes


@dataclass(frozen=True)
class AuditReport:
    """One audit: findings, accepted findings, routes that could not be visited, and the extent of the crawl."""

    site: str
    url: str
    file: str  # name of the declaration
    findings: tuple[Finding, ...]
    known: tuple[AcceptedFinding, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()  # routes with the reason
    notes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    pages: int = 0  # number of page loads
    requests: int = 0
    seconds: float = 0.0
    timestamp: str = ""  # UTC
    pictures: dict[tuple[Visited, str], Picture] = field(default_factory=dict)  # by place and outlined selector
    undeclared: Undeclared = field(default_factory=Undeclared)

    @property
    def exit_code(self) -> int:
        """0 without findings or with warnings alone, 1 with findings, 2 if a route could not be visited."""
        return 1 if any(finding.level == "error" for finding in self.findings) else 2 if self.unseen else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "site": self.site,
            "url": self.url,
            "at": self.timestamp,
            "exit_code": self.exit_code,
            "findings": [finding.as_dict() for finding in self.findings],
            "known": [{**known.finding.as_dict(), "reason": known.reason, "until": known.until} for known in self.known],
            "unseen": [{"route": route, "why": why} for route, why in self.unseen],
            "notes": list(self.notes),
            "looked_at": {
                "states": list(self.states), "logins": list(self.logins), "routes": list(self.routes),
                "pages": self.pages, "requests": self.requests, "seconds": round(self.seconds, 1),
            },
        }  # fmt: skip


# A report as text.

_MOST_SHOWN = 3  # pieces of evidence, and places, of each finding


def lines(report: AuditReport) -> Iterator[str]:
    """Yield the lines of the report; the last line is the outcome."""
    for finding in report.findings:
        yield from _finding_lines(finding, report.file)
        yield ""
    for known in report.known:
        yield f"accepted until {known.until}: {_name(known.finding)} ({known.reason})"
    for route, why in report.unseen:
        yield f"not visited: {route}: {why}"
    for note in report.notes:
        yield f"note: {note}"
    yield outcome(report)


def outcome(report: AuditReport) -> str:
    """Return the number of findings and the extent of the crawl."""
    number = len(report.findings)
    findings = counted(number, "finding") if number else "No findings"
    logins = f" for {1 + len(report.logins)} logins" if report.logins else ""
    return (
        f"{findings}: {counted(len(report.routes), 'route')} in {counted(len(report.states), 'state')}{logins}, "
        f"{counted(report.pages, 'page')}, {counted(report.requests, 'request')}, {report.seconds:.0f} s."
    )


def where(finding: Finding, file: str) -> str:
    """Return the line of the declaration that the finding is about, or its table, or ""."""
    if finding.line:
        return f"{file}:{finding.line}"
    return f"{file}, under {finding.key.partition('.')[0]}" if finding.key else ""


def _name(finding: Finding) -> str:
    return f"{finding.code} {finding.subject}".strip()


def _finding_lines(finding: Finding, file: str) -> Iterator[str]:
    place = where(finding, file)
    warning = "warning: " if finding.level == "warning" else ""
    yield warning + _name(finding) + (f"  [{place}]" if place else "")
    yield f"  {finding.message}"
    yield from (f"  - {evidence}" for evidence in finding.evidence[:_MOST_SHOWN])
    yield from _more(len(finding.evidence), "piece of evidence", "pieces of evidence")
    yield from (f"  at {place}" for place in finding.places[:_MOST_SHOWN])
    yield from _more(len(finding.places), "place", "places")
    yield f"  {finding.hint}"


def _more(number: int, noun: str, plural: str) -> Iterator[str]:
    if number > _MOST_SHOWN:
        yield f"    and {counted(number - _MOST_SHOWN, f'more {noun}', f'more {plural}')}"


# The baseline: a TOML file of accepted findings.

NAME = "privacy-audit.toml"

_KEYS = {"code", "subject", "route", "reason", "until"}


class BaselineError(AuditError):
    """An entry of the baseline is invalid."""

    def __init__(self, file: str, place: int, key: str, value: object, allowed: str) -> None:
        self.file, self.place, self.key, self.value = file, place, key, value
        state = "is missing" if value is None else f"is {value!r}"
        super().__init__(f"{file}: {key} of [[known]] number {place} {state}; allowed: {allowed}.")


@dataclass(frozen=True)
class BaselineEntry:
    """An accepted finding. ``route`` is a pattern with ``*``; the default matches every route."""

    code: str
    subject: str
    reason: str
    until: date
    route: str = "*"

    def covers(self, finding: Finding) -> bool:
        """Return whether the entry matches the finding on all of its routes."""
        same = (self.code, self.subject) == (finding.code, finding.subject)
        return same and all(fnmatchcase(route, self.route) for route in finding.routes)


def read(path: Path) -> list[BaselineEntry]:
    """Return the entries of a baseline, or raise :class:`BaselineError` with the allowed values."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AuditError(f"{path} cannot be read as a baseline: {error}. Correct the file, or name another one.") from None
    tables = content.get("known", [])
    if set(content) - {"known"} or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise AuditError(f"{path.name} is not a valid baseline; allowed: [[known]] tables only. Remove everything else.")
    return [_entry(path.name, place, table) for place, table in enumerate(tables, 1)]


def _entry(file: str, place: int, table: dict[str, Any]) -> BaselineEntry:
    def require(key: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise BaselineError(file, place, key, table.get(key), allowed)

    for key in sorted(table.keys() - _KEYS):
        require(key, False, ", ".join(sorted(_KEYS)))
    require("code", table.get("code") in CODES, ", ".join(CODES))
    require("subject", isinstance(table.get("subject"), str), "the finding's subject, in quotes")
    require("route", isinstance(table.get("route", "*"), str), "a path, with * for any characters")
    require(
        "reason",
        isinstance(table.get("reason"), str) and bool(table["reason"].strip()),
        "a text that explains why the finding is accepted",
    )
    require(
        "until", type(table.get("until")) is date, "the date on which it counts again, such as 2027-01-31, without quotes"
    )
    return BaselineEntry(**table)


def apply_baseline(report: AuditReport, entries: Iterable[BaselineEntry], today: str) -> AuditReport:
    """Return the report with accepted findings moved to ``known``. Add a note for each expired or unused entry."""
    findings, known, notes = list(report.findings), list[AcceptedFinding](), list(report.notes)
    for entry in entries:
        covered = [finding for finding in findings if entry.covers(finding)]
        named = f"{entry.code} {entry.subject}".strip()
        if not covered:
            notes.append(f"The baseline accepts {named}, which was not found. Remove the entry.")
        elif entry.until.isoformat() <= today:
            notes.append(f"The baseline accepted {named} until {entry.until}: {entry.reason}")
        else:
            findings = [finding for finding in findings if finding not in covered]
            known += [AcceptedFinding(finding, entry.reason, entry.until.isoformat()) for finding in covered]
    return replace(report, findings=tuple(findings), known=tuple(known), notes=tuple(notes))


# Screenshots: one of each finding, and one of the home page in each state.

_MOST_PICTURES = 60  # of findings, so that the file can be attached to a ticket
_OUTLINE = """selector => {
  for (const element of document.querySelectorAll(selector)) {
    element.style.setProperty("outline", "4px solid #d4002a", "important");
    element.style.setProperty("outline-offset", "2px", "important");
  }
  document.querySelector(selector)?.scrollIntoView({ block: "center", behavior: "instant" });
}"""

#: The subject of a screenshot: a place, and the selector that is outlined there.
Subject = tuple[Visited, str]


def subject_of(finding: Finding) -> Subject | None:
    """Return the subject of a finding's screenshot, or None if each of its URLs is masked or it has no place."""
    place = next((place for place in finding.places if MASK not in place.route), None)
    return (place, finding.selector) if place is not None else None


async def take_screenshots(browser: Browser, target: Target, findings: Iterable[Finding]) -> dict[Subject, Picture]:
    """Return screenshots by subject. New visitors make each decision again; their evidence is discarded."""
    states = {state.name: state for state in states_of(target.policy)}
    wanted = {subject: None for finding in findings if (subject := subject_of(finding)) is not None}
    firsts = {(Visited(target.home, state.name), ""): None for state in flat(list(states.values()))}
    wanted = dict(list(wanted.items())[:_MOST_PICTURES]) | firsts
    pictures: dict[Subject, Picture] = {}
    for state, login in dict.fromkeys((place.state, place.login) for place, _ in wanted):
        matching = [subject for subject in wanted if (subject[0].state, subject[0].login) == (state, login)]
        visitor = AuditVisitor(target, Evidence(), _initial_state(states, state), login)
        await visitor.start(browser)
        if visitor.state.then is not None and visitor.state.then.name == state:
            await visitor.decide(visitor.state.then)
        for subject in matching:
            with suppress(playwright_api().Error):  # the page may not exist any longer
                pictures[subject] = await _screenshot(visitor, subject)
        await visitor.finish()
    return pictures


def _initial_state(states: dict[str, State], name: str) -> State:
    """Return the state with this name, or the one that it follows."""
    return states.get(name) or next(state for state in states.values() if state.then and state.then.name == name)


async def _screenshot(visitor: AuditVisitor, subject: Subject) -> Picture:
    place, selector = subject
    await visitor.page.goto(place.route)
    if selector:
        await visitor.page.evaluate(_OUTLINE, selector)
    jpeg = await visitor.page.screenshot(type="jpeg", quality=70)
    return Picture(str(place), jpeg)


# A report as one HTML file with embedded screenshots. It has no script and loads nothing.


def as_html(report: AuditReport) -> str:
    """Return the report as an HTML document."""

    def picture(finding: Finding) -> Picture | None:
        subject = subject_of(finding)
        return report.pictures.get(subject) if subject is not None else None

    homes = [(place, image) for (place, outlined), image in report.pictures.items() if not outlined and not place.login]
    by_state = {state: _first(state, homes) for state in report.states}
    return _template().render(
        report=report, picture=picture, by_state=by_state, data=_data, where=where, outcome=outcome(report)
    )


def _first(state: str, pictures: list[tuple[Visited, Picture]]) -> Picture | None:
    """Return the picture of the first route in this state."""
    matching = sorted((place.route, number) for number, (place, _) in enumerate(pictures) if place.state == state)
    return pictures[matching[0][1]][1] if matching else None


def _data(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}"


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html")
