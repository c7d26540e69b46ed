"""Findings that are known: a TOML file that says of each why it is put up with, and until when."""

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

from .evidence import Evidence, State, Visited, flat, states_of
from .findings import CODES, Finding
from .launch import tools
from .rules_interface import HIDDEN
from .target import AuditError, Target
from .visitor import AuditVisitor

if TYPE_CHECKING:
    from playwright.async_api import Browser


# What an audit comes to.


@dataclass(frozen=True)
class AcceptedFinding:
    """A finding that the baseline knows, why it is put up with, and until when."""

    finding: Finding
    reason: str
    until: str  # a day


@dataclass(frozen=True)
class Picture:
    """What a page looked like, as a JPEG."""

    title: str
    jpeg: bytes


@dataclass(frozen=True)
class AuditReport:
    """One audit: what was found, what is known, what could not be seen, and what was looked at."""

    site: str
    url: str
    file: str  # the declaration's name
    findings: tuple[Finding, ...]
    known: tuple[AcceptedFinding, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()  # routes, each with the reason
    notes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    pages: int = 0  # that were loaded
    requests: int = 0
    seconds: float = 0.0
    at: str = ""  # UTC
    pictures: dict[tuple[Visited, str], Picture] = field(default_factory=dict)  # by place and what is outlined there

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 something could not be looked at."""
        return 1 if self.findings else 2 if self.unseen else 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "site": self.site,
            "url": self.url,
            "at": self.at,
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


# A report as a terminal shows it.

_PLACES = 3  # that are shown of each finding


def lines(report: AuditReport) -> Iterator[str]:
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


def outcome(report: AuditReport) -> str:
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


NAME = "privacy-audit.toml"

_KEYS = {"code", "subject", "route", "reason", "until"}


class BaselineError(AuditError):
    """The baseline says something that cannot be used."""

    def __init__(self, file: str, place: int, key: str, value: object, allowed: str) -> None:
        self.file, self.place, self.key, self.value = file, place, key, value
        said = "is missing" if value is None else f"is {value!r}"
        super().__init__(f"{file}: {key} of [[known]] number {place} {said}; allowed: {allowed}.")


@dataclass(frozen=True)
class BaselineEntry:
    """One known finding; ``route`` may have ``*`` in it, and left out it is any."""

    code: str
    subject: str
    reason: str
    until: date
    route: str = "*"

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding, wherever it was seen."""
        same = (self.code, self.subject) == (finding.code, finding.subject)
        return same and all(fnmatchcase(route, self.route) for route in finding.routes)


def read(path: Path) -> list[BaselineEntry]:
    """The entries of a baseline; raises :class:`BaselineError` with what is allowed."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AuditError(f"{path} cannot be read as a baseline: {error}.") from None
    tables = found.get("known", [])
    if set(found) - {"known"} or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise AuditError(f"{path.name} is no baseline: it has [[known]] tables and nothing else.")
    return [_entry(path.name, place, table) for place, table in enumerate(tables, 1)]


def _entry(file: str, place: int, table: dict[str, Any]) -> BaselineEntry:
    def need(key: str, good: bool, allowed: str) -> None:
        if not good:
            raise BaselineError(file, place, key, table.get(key), allowed)

    for key in sorted(table.keys() - _KEYS):
        need(key, False, ", ".join(sorted(_KEYS)))
    need("code", table.get("code") in CODES, ", ".join(CODES))
    need("subject", isinstance(table.get("subject"), str), "the finding's subject, in quotes")
    need("route", isinstance(table.get("route", "*"), str), "a path, in which * stands for anything")
    need("reason", isinstance(table.get("reason"), str) and bool(table["reason"].strip()), "why it is put up with")
    need("until", type(table.get("until")) is date, "the day from which it counts again, such as 2027-01-31, without quotes")
    return BaselineEntry(**table)


def apply_baseline(report: AuditReport, entries: Iterable[BaselineEntry], today: str) -> AuditReport:
    """The report with known findings set apart. An entry that is over, or that nothing matches, is told as a note."""
    findings, known, notes = list(report.findings), list[AcceptedFinding](), list(report.notes)
    for entry in entries:
        covered = [finding for finding in findings if entry.covers(finding)]
        named = f"{entry.code} {entry.subject}".strip()
        if not covered:
            notes.append(f"The baseline knows of {named}, which was not found: take it out.")
        elif entry.until.isoformat() <= today:
            notes.append(f"The baseline put up with {named} until {entry.until}: {entry.reason}")
        else:
            findings = [finding for finding in findings if finding not in covered]
            known += [AcceptedFinding(finding, entry.reason, entry.until.isoformat()) for finding in covered]
    return replace(report, findings=tuple(findings), known=tuple(known), notes=tuple(notes))


# Pictures for the report: each finding where it was first seen, and each answer's first page.

_MOST = 60  # pictures of findings: a report has to fit into a ticket
_OUTLINE = """selector => {
  for (const element of document.querySelectorAll(selector)) {
    element.style.setProperty("outline", "4px solid #d4002a", "important");
    element.style.setProperty("outline-offset", "2px", "important");
  }
  document.querySelector(selector)?.scrollIntoView({ block: "center", behavior: "instant" });
}"""

#: What a picture is of: a place, and what is outlined there.
Subject = tuple[Visited, str]


def subject_of(finding: Finding) -> Subject | None:
    """What to take a picture of; None for what was seen nowhere, or only at addresses that are not told in full."""
    place = next((place for place in finding.places if HIDDEN not in place.route), None)
    return (place, finding.selector) if place is not None else None


async def take_screenshots(browser: Browser, target: Target, findings: Iterable[Finding]) -> dict[Subject, Picture]:
    """Pictures by subject. Each answer is given once more, by a visitor of whom nothing is noted."""
    states = {state.name: state for state in states_of(target.policy)}
    wanted = {subject: None for finding in findings if (subject := subject_of(finding)) is not None}
    firsts = {(Visited(target.home, state.name), ""): None for state in flat(list(states.values()))}
    wanted = dict(list(wanted.items())[:_MOST]) | firsts
    pictures: dict[Subject, Picture] = {}
    for state, login in dict.fromkeys((place.state, place.login) for place, _ in wanted):
        mine = [subject for subject in wanted if (subject[0].state, subject[0].login) == (state, login)]
        visitor = AuditVisitor(target, Evidence(), _who(states, state), login)
        await visitor.arrive(browser)
        if visitor.state.then is not None and visitor.state.then.name == state:
            await visitor.answer(visitor.state.then)
        for subject in mine:
            with suppress(tools().Error):  # a page that has gone meanwhile has no picture
                pictures[subject] = await _one(visitor, subject)
        await visitor.finish()
    return pictures


def _who(states: dict[str, State], name: str) -> State:
    """The visitor who comes to this state, if only after another."""
    return states.get(name) or next(state for state in states.values() if state.then and state.then.name == name)


async def _one(visitor: AuditVisitor, subject: Subject) -> Picture:
    place, selector = subject
    await visitor.page.goto(place.route)
    if selector:
        await visitor.page.evaluate(_OUTLINE, selector)
    jpeg = await visitor.page.screenshot(type="jpeg", quality=70)
    return Picture(str(place), jpeg)


# A report as one HTML file that can be attached to a ticket: pictures inside, no script, nothing loaded from anywhere.


def as_html(report: AuditReport) -> str:
    """The whole document."""

    def picture(finding: Finding) -> Picture | None:
        subject = subject_of(finding)
        return report.pictures.get(subject) if subject is not None else None

    firsts = [(place, shown) for (place, outlined), shown in report.pictures.items() if not outlined and not place.login]
    by_state = {state: _first(state, firsts) for state in report.states}
    return _template().render(
        report=report, picture=picture, by_state=by_state, data=_data, where=where, outcome=outcome(report)
    )


def _first(state: str, pictures: list[tuple[Visited, Picture]]) -> Picture | None:
    """The picture of the plainest page in this state."""
    mine = sorted((place.route, number) for number, (place, _) in enumerate(pictures) if place.state == state)
    return pictures[mine[0][1]][1] if mine else None


def _data(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}"


@lru_cache(maxsize=1)
def _template() -> Template:
    found = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=found, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html")
