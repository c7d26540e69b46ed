"""The policy as people read it: sections of sentences and tables, each with the promises it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..i18n.language import LocalizedText, direction


@dataclass(frozen=True)
class Sentence:
    """What is said, and the numbers of the promises it makes."""

    said: LocalizedText
    promises: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.said.text, "lang": self.said.lang, "promises": list(self.promises)}


@dataclass(frozen=True)
class Table:
    """Rows under headings; a row's first cell names it."""

    head: tuple[LocalizedText, ...]
    rows: tuple[tuple[LocalizedText, ...], ...]
    promises: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        rows = [[_cell(cell) for cell in row] for row in self.rows]
        return {"head": [cell.text for cell in self.head], "rows": rows, "promises": list(self.promises)}


def _cell(said: LocalizedText) -> str | dict[str, str]:
    """A cell's text, with its language where the page has another one."""
    return {"text": said.text, "lang": said.lang} if said.foreign else said.text


@dataclass(frozen=True)
class Section:
    """A heading, sentences that make one paragraph, and tables."""

    id: str
    title: LocalizedText
    sentences: tuple[Sentence, ...] = ()
    tables: tuple[Table, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        said, tables = [s.as_dict() for s in self.sentences], [table.as_dict() for table in self.tables]
        return {"id": self.id, "title": self.title.text, "sentences": said, "tables": tables}


@dataclass(frozen=True)
class Document:
    """A whole policy in one language."""

    lang: str
    title: str
    version: str
    sections: tuple[Section, ...]

    @property
    def dir(self) -> str:
        """``"ltr"`` or ``"rtl"``."""
        return direction(self.lang)

    @property
    def promises(self) -> set[int]:
        """The numbers of every promise that is made somewhere in it."""
        said = {number for section in self.sections for sentence in section.sentences for number in sentence.promises}
        return said | {number for section in self.sections for table in section.tables for number in table.promises}

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and for a frozen version."""
        sections = [section.as_dict() for section in self.sections]
        return {"lang": self.lang, "title": self.title, "version": self.version, "sections": sections}

    def as_markdown(self) -> str:
        """For a reader without HTML."""
        return "\n\n".join(_markdown(self.as_dict())) + "\n"

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Document:
        """A document that was frozen before."""
        return cls(
            found["lang"], found["title"], found["version"], tuple(_section(s, found["lang"]) for s in found["sections"])
        )


def _section(found: dict[str, Any], lang: str) -> Section:
    def said(text: str, its: str = lang) -> LocalizedText:
        return LocalizedText(text, its, its != lang)

    def cell(found: str | dict[str, str]) -> LocalizedText:
        return said(found) if isinstance(found, str) else said(found["text"], found["lang"])

    sentences = tuple(Sentence(said(s["text"], s["lang"]), tuple(s["promises"])) for s in found["sentences"])
    tables = tuple(
        Table(tuple(map(said, t["head"])), tuple(tuple(map(cell, row)) for row in t["rows"]), tuple(t["promises"]))
        for t in found["tables"]
    )
    return Section(found["id"], said(found["title"]), sentences, tables)


def _markdown(found: dict[str, Any]) -> Iterator[str]:
    yield f"# {_plain(found['title'])}"
    for section in found["sections"]:
        yield f"## {_plain(section['title'])}"
        if section["sentences"]:
            yield " ".join(_plain(sentence["text"]) for sentence in section["sentences"])
        for table in section["tables"]:
            rows = [table["head"], ["---"] * len(table["head"]), *table["rows"]]
            yield "\n".join(
                "| "
                + " | ".join(_plain(cell if isinstance(cell, str) else cell["text"]).replace("|", r"\|") for cell in row)
                + " |"
                for row in rows
            )


def _plain(text: str) -> str:
    """A text in which nothing is taken for a mark of Markdown's, nor for HTML."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", text.replace("\n", " "))
