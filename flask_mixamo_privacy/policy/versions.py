"""Frozen versions of the policy: each a file with a date, written once, readable for good."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import PolicyError, Problem
from ..i18n.language import SHIPPED, WHOLE, language
from . import toml
from .document import Document
from .model import Policy
from .parts import is_day

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.json")


def versions_in(folder: str | Path) -> list[str]:
    """The dates of the versions in a folder, the oldest first; none where there is no folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found[1] for found in map(_NAME.fullmatch, names) if found and is_day(found[1]))


def declared_policy(declared: Policy | str | None, folder: str | Path | None) -> Policy:
    """Return a policy, the policy in a file, or the built-in policy, with the date of the newest version in a folder."""
    policy = declared if isinstance(declared, Policy) else toml.read(declared) if declared else toml.built_in()
    newest = max(versions_in(folder), default="") if folder else ""
    return replace(policy, version=newest) if newest else policy


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

    def __init__(self, folder: str | None, *, min_cell: int, provider: bool, enforced: bool = False) -> None:
        self._folder = Path(folder) if folder else None
        self._min_cell, self._provider, self._enforced = min_cell, provider, enforced

    def dates(self) -> list[str]:
        """The oldest first."""
        return versions_in(self._folder) if self._folder else []

    def load(self, day: str) -> Version | None:
        """The version of a day, or None."""
        if self._folder is None or day not in self.dates():
            return None
        path = self._folder / f"{day}.json"
        try:
            return Version.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "It is written by `flask privacy policy freeze`; get it back from the repository."
            raise PolicyError([Problem(path.name, str(error), "a frozen version", hint, path.name)]) from None

    def newest(self) -> Version | None:
        """The last one that was frozen."""
        return self.load(max(self.dates(), default=""))

    def current(self, policy: Policy, day: str) -> Version:
        """What the declaration says now, as a version of that day."""
        from .writer import derive

        policy = replace(policy, version=day)
        codes = list(dict.fromkeys((*WHOLE, policy.language, *sorted(_languages_of(policy.as_dict())))))
        documents = {
            code: derive(policy, language(code), min_cell=self._min_cell, provider=self._provider, enforced=self._enforced)
            for code in codes
        }
        banner = {code: language(code).of(policy.banner.text, policy.language).text for code in codes}
        return Version(day, documents, banner, policy.as_dict())

    def freeze(self, policy: Policy, day: str) -> Path:
        """Write the version of a day; raises :class:`PolicyError` when there is a later one, or another of that day."""
        if self._folder is None:
            hint = "`flask privacy init` writes one; versions lie beside it."
            raise PolicyError([Problem("privacy.toml", None, "a declaration of the site's own", hint)])
        current, newest = self.current(policy, day), self.newest()
        if newest is not None and (newest.date > day or (newest.date == day and changes(newest, current))):
            hint = "A published version stays as it is: freeze under a later day, by --date. "
            hint += f"Where nobody was shown it yet, delete {newest.date}.json and freeze again."
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
    """What was added and removed, in the order of the page: in English if it tells, else in the first language that does."""
    codes = sorted({*old.documents} & {*new.documents}, key=lambda code: (code != "en", code))
    found = next(filter(None, (list(difference(old.documents[code], new.documents[code])) for code in codes)), [])
    return found + _banner_changes(old.banner, new.banner)


def _banner_changes(old: dict[str, str], new: dict[str, str]) -> list[Change]:
    for code in sorted({*old, *new}, key=lambda code: (code != "en", code)):
        before, after = old.get(code, ""), new.get(code, "")
        if before != after:
            told = (Change("Banner", "removed", before), Change("Banner", "added", after))
            return [change for change in told if change.text]
    return []


def _languages_of(declared: Any) -> set[str]:
    """The languages in which a declaration has texts of its own."""
    if isinstance(declared, list):
        return {code for item in declared for code in _languages_of(item)}
    if not isinstance(declared, dict):
        return set()
    if declared and all(code in SHIPPED for code in declared):
        return set(declared)
    return {code for item in declared.values() for code in _languages_of(item)}


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
