"""Frozen versions of the policy: each a file with a date, written once, readable for good."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from .derivation import derive
from .document import Document
from .errors import PolicyError, Problem
from .language import WHOLE, language
from .policy import Policy

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.json")


def versions_in(folder: str | Path) -> list[str]:
    """The dates of the versions in a folder, the oldest first; none where there is no folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found[1] for found in map(_NAME.fullmatch, names) if found)


@dataclass(frozen=True)
class Change:
    """What one version says and the other does not."""

    section: str  # its title
    kind: str  # "added" or "removed"
    text: str


@dataclass(frozen=True)
class Version:
    """What the policy said on a day: in each language whole, with the declaration behind it."""

    date: str
    documents: dict[str, Document]
    banner: dict[str, str]
    declaration: dict[str, Any]

    def document(self, code: str) -> Document:
        """In this language, or else in one that there is."""
        return self.documents.get(code) or self.documents.get("en") or next(iter(self.documents.values()))

    def as_dict(self) -> dict[str, Any]:
        documents = {code: document.as_dict() for code, document in self.documents.items()}
        return {"date": self.date, "banner": self.banner, "documents": documents, "declaration": self.declaration}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Version:
        documents = {code: Document.from_dict(document) for code, document in found["documents"].items()}
        return cls(found["date"], documents, found["banner"], found["declaration"])


class Versions:
    """The versions in one folder; None has none."""

    def __init__(self, folder: str | None, *, min_cell: int, provider: bool) -> None:
        self._folder = Path(folder) if folder else None
        self._min_cell, self._provider = min_cell, provider

    def dates(self) -> list[str]:
        """The oldest first."""
        return versions_in(self._folder) if self._folder else []

    def load(self, day: str) -> Version | None:
        """The version of a day, or None."""
        if self._folder is None or day not in self.dates():
            return None
        return Version.from_dict(json.loads((self._folder / f"{day}.json").read_text(encoding="utf-8")))

    def newest(self) -> Version | None:
        """The last one that was frozen."""
        return self.load(max(self.dates(), default=""))

    def current(self, policy: Policy, day: str) -> Version:
        """What the declaration says now, as a version of that day."""
        policy = replace(policy, version=day)
        documents = {
            code: derive(policy, language(code), min_cell=self._min_cell, provider=self._provider) for code in WHOLE
        }
        banner = {code: language(code).of(policy.banner.text, policy.language).text for code in WHOLE}
        return Version(day, documents, banner, policy.as_dict())

    def freeze(self, policy: Policy, day: str) -> Path:
        """Write the version of a day; raises :class:`PolicyError` when there is a later one, or another of that day."""
        if self._folder is None:
            hint = "`flask privacy init` writes one; versions lie beside it."
            raise PolicyError([Problem("privacy.toml", None, "a declaration of the site's own", hint)])
        current, newest = self.current(policy, day), self.newest()
        if newest is not None and (newest.date > day or (newest.date == day and changes(newest, current))):
            hint = "A published version stays as it is: freeze under a later day."
            raise PolicyError([Problem("version", day, f"a day after {newest.date}", hint)])
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{day}.json"
        path.write_text(json.dumps(current.as_dict(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return path

    def drift(self, policy: Policy) -> list[Change]:
        """What the declaration says now and the newest version does not, or the other way; raises where there is none."""
        newest = self.newest()
        if newest is None:
            raise LookupError("no version was frozen")
        return changes(newest, self.current(policy, newest.date))


def changes(old: Version, new: Version) -> list[Change]:
    """What was added and removed, in the order of the page, in every language that has changes, one after another."""
    found: list[Change] = []
    for code in new.documents:
        if code in old.documents and not found:  # one language tells it; the others only if that one did not change
            found = list(difference(old.documents[code], new.documents[code]))
    banners = [version.banner.get("en", "") for version in (old, new)]
    if old.banner != new.banner:
        found += [Change("Banner", "removed", banners[0]), Change("Banner", "added", banners[1])]
    return found


def difference(old: Document, new: Document) -> Iterator[Change]:
    """What one document says and the other does not, sentence by sentence and row by row."""
    before, after = _said(old), _said(new)
    titles = {section.id: section.title.text for section in (*old.sections, *new.sections)}
    for name in {section.id: 0 for section in (*old.sections, *new.sections)}:
        gone, come = before.get(name, []), after.get(name, [])
        yield from (Change(titles[name], "removed", text) for text in gone if text not in come)
        yield from (Change(titles[name], "added", text) for text in come if text not in gone)


def _said(document: Document) -> dict[str, list[str]]:
    found = {}
    for section in document.sections:
        rows = [" · ".join(cell.text for cell in row) for table in section.tables for row in table.rows]
        found[section.id] = [sentence.said.text for sentence in section.sentences if 45 not in sentence.promises] + rows
    return found


def as_json(found: list[Change]) -> list[dict[str, str]]:
    """For a machine to read."""
    return [asdict(change) for change in found]


def is_day(text: str) -> bool:
    """Whether a text is a day such as 2026-05-08."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
