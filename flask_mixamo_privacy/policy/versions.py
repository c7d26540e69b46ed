"""Frozen versions of the policy: one file for each date, which is never changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import PolicyError, Problem
from ..i18n.language import FULLY_TRANSLATED, SHIPPED
from ..i18n.site_catalogues import Languages
from . import toml
from .document import Document
from .model import Policy
from .parts import is_day
from .ready_made import banner_text

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.json")


def versions_in(folder: str | Path) -> list[str]:
    """Return the dates of the versions in a folder, the oldest first. Without a folder, return none."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(match[1] for match in map(_NAME.fullmatch, names) if match and is_day(match[1]))


def declared_policy(declared: Policy | str | None, folder: str | Path | None) -> Policy:
    """Return a policy, the policy in a file, or the built-in policy, with the date of the newest version in a folder."""
    policy = declared if isinstance(declared, Policy) else toml.read(declared) if declared else toml.built_in()
    newest = max(versions_in(folder), default="") if folder else ""
    return replace(policy, version=newest) if newest else policy


@dataclass(frozen=True)
class Change:
    """A text that only one of two versions has."""

    section: str  # the title of the section
    kind: str  # "added" or "removed"
    text: str


@dataclass(frozen=True)
class Version:
    """The policy of one date: the whole page in each language, and its declaration."""

    date: str
    documents: dict[str, Document]
    banner: dict[str, str]
    declaration: dict[str, Any]

    def document(self, code: str) -> Document:
        """Return the page in this language, or else in English or any other language of the version."""
        return self.documents.get(code) or self.documents.get("en") or next(iter(self.documents.values()))

    def as_dict(self) -> dict[str, Any]:
        documents = {code: document.as_dict() for code, document in self.documents.items()}
        return {"date": self.date, "banner": self.banner, "documents": documents, "declaration": self.declaration}

    @classmethod
    def from_dict(cls, payload: dict[str, Any]) -> Version:
        documents = {code: Document.from_dict(document) for code, document in payload["documents"].items()}
        return cls(payload["date"], documents, payload["banner"], payload["declaration"])


class Versions:
    """The versions in one folder. There are none if the folder is None."""

    def __init__(
        self, folder: str | None, languages: Languages | None = None, *, min_cell: int, provider: bool, **facts: Any
    ) -> None:
        self._folder = Path(folder) if folder else None
        self._languages = languages or Languages()
        self._facts = {"min_cell": min_cell, "provider": provider, **facts}  # as derive() takes them

    def dates(self) -> list[str]:
        """Return the dates of all versions, the oldest first."""
        return versions_in(self._folder) if self._folder else []

    def load(self, day: str) -> Version | None:
        """Return the version of a date, or None. Raises :class:`PolicyError` for a damaged file."""
        if self._folder is None or day not in self.dates():
            return None
        path = self._folder / f"{day}.json"
        try:
            return Version.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "Restore the file that `flask privacy policy freeze` wrote."
            raise PolicyError([Problem(path.name, str(error), "a frozen version", hint, path.name)]) from None

    def newest(self) -> Version | None:
        """Return the newest version, or None."""
        return self.load(max(self.dates(), default=""))

    def current(self, policy: Policy, day: str) -> Version:
        """Return the current declaration as a version of this date, without writing it."""
        from .writer import derive

        policy = replace(policy, version=day)
        codes = list(dict.fromkeys((*FULLY_TRANSLATED, policy.language, *sorted(_languages_of(policy.as_dict())))))
        documents = {code: derive(policy, self._languages(code), **self._facts) for code in codes}
        banner = {code: banner_text(policy, self._languages(code)).text for code in codes}
        return Version(day, documents, banner, policy.as_dict())

    def freeze(self, policy: Policy, day: str) -> Path:
        """Write the version of a date. Raises :class:`PolicyError` if a later one exists, or another one of this date."""
        if self._folder is None:
            hint = "Write one with `flask privacy init`; versions are stored beside it."
            raise PolicyError([Problem("privacy.toml", None, "a declaration of the site's own", hint)])
        current, newest = self.current(policy, day), self.newest()
        if newest is not None and (newest.date > day or (newest.date == day and changes(newest, current))):
            hint = "Freeze under a later date with --date: a published version is never changed. "
            hint += f"If no visitor has seen it yet, delete {newest.date}.json and freeze again."
            raise PolicyError([Problem("version", day, f"a day after {newest.date}", hint)])
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{day}.json"
        path.write_text(json.dumps(current.as_dict(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return path

    def drift(self, policy: Policy) -> list[Change]:
        """Return the changes since the newest version. Raises :class:`LookupError` without a version."""
        newest = self.newest()
        if newest is None:
            raise LookupError("No version is frozen. Run `flask privacy policy freeze`.")
        return changes(newest, self.current(policy, newest.date))


def changes(old: Version, new: Version) -> list[Change]:
    """Return the additions and removals in the order of the page.

    They are in English, or in another language if only its text changed.
    """
    codes = sorted({*old.documents} & {*new.documents}, key=lambda code: (code != "en", code))
    texts = next(filter(None, (list(document_changes(old.documents[code], new.documents[code])) for code in codes)), [])
    return texts + _banner_changes(old.banner, new.banner)


def _banner_changes(old: dict[str, str], new: dict[str, str]) -> list[Change]:
    for code in sorted({*old, *new}, key=lambda code: (code != "en", code)):
        before, after = old.get(code, ""), new.get(code, "")
        if before != after:
            both = (Change("Banner", "removed", before), Change("Banner", "added", after))
            return [change for change in both if change.text]
    return []


def _languages_of(declared: Any) -> set[str]:
    """Return the languages of the site's own texts in a declaration."""
    if isinstance(declared, list):
        return {code for item in declared for code in _languages_of(item)}
    if not isinstance(declared, dict):
        return set()
    if declared and all(code in SHIPPED for code in declared):
        return set(declared)
    return {code for item in declared.values() for code in _languages_of(item)}


def document_changes(old: Document, new: Document) -> Iterator[Change]:
    """Yield the sentences and rows that only one of two documents has."""
    before, after = _texts(old), _texts(new)
    titles = {section.id: section.title.text for section in (*old.sections, *new.sections)}
    for name in {section.id: 0 for section in (*old.sections, *new.sections)}:
        removed, added = before.get(name, []), after.get(name, [])
        yield from (Change(titles[name], "removed", text) for text in removed if text not in added)
        yield from (Change(titles[name], "added", text) for text in added if text not in removed)


def _texts(document: Document) -> dict[str, list[str]]:
    """Return the sentences and rows of each section, without the date of the last update (promise 45)."""
    texts = {}
    for section in document.sections:
        rows = [" · ".join(cell.text for cell in row) for table in section.tables for row in table.rows]
        texts[section.id] = [sentence.text.text for sentence in section.sentences if 45 not in sentence.promises] + rows
    return texts


def as_json(changes: list[Change]) -> list[dict[str, str]]:
    """Return changes as plain values."""
    return [asdict(change) for change in changes]
