"""Findings that are known: a TOML file that says of each why it is put up with, and until when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .finding import CODES, Finding
from .report import Known, Report
from .trouble import CouldNotLook

NAME = "privacy-audit.toml"

_KEYS = {"code", "subject", "route", "reason", "until"}


class BaselineError(CouldNotLook):
    """The baseline says something that cannot be used."""

    def __init__(self, file: str, place: int, key: str, value: object, allowed: str) -> None:
        self.file, self.place, self.key, self.value = file, place, key, value
        said = "is missing" if value is None else f"is {value!r}"
        super().__init__(f"{file}: {key} of [[known]] number {place} {said}; allowed: {allowed}.")


@dataclass(frozen=True)
class Entry:
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


def read(path: Path) -> list[Entry]:
    """The entries of a baseline; raises :class:`BaselineError` with what is allowed."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CouldNotLook(f"{path} cannot be read as a baseline: {error}.") from None
    tables = found.get("known", [])
    if set(found) - {"known"} or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise CouldNotLook(f"{path.name} is no baseline: it has [[known]] tables and nothing else.")
    return [_entry(path.name, place, table) for place, table in enumerate(tables, 1)]


def _entry(file: str, place: int, table: dict[str, Any]) -> Entry:
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
    return Entry(**table)


def hold(report: Report, entries: Iterable[Entry], today: str) -> Report:
    """The report with known findings set apart. An entry that is over, or that nothing matches, is told as a note."""
    findings, known, notes = list(report.findings), list[Known](), list(report.notes)
    for entry in entries:
        covered = [finding for finding in findings if entry.covers(finding)]
        named = f"{entry.code} {entry.subject}".strip()
        if not covered:
            notes.append(f"The baseline knows of {named}, which was not found: take it out.")
        elif entry.until.isoformat() <= today:
            notes.append(f"The baseline put up with {named} until {entry.until}: {entry.reason}")
        else:
            findings = [finding for finding in findings if finding not in covered]
            known += [Known(finding, entry.reason, entry.until.isoformat()) for finding in covered]
    return replace(report, findings=tuple(findings), known=tuple(known), notes=tuple(notes))
