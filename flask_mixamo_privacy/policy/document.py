"""The policy page as data: sections of sentences and tables, each with the numbers of its promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..i18n.language import LocalizedText, direction


@dataclass(frozen=True)
class Sentence:
    """One sentence, with the numbers of its promises."""

    text: LocalizedText
    promises: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text.text, "lang": self.text.lang, "promises": list(self.promises)}


@dataclass(frozen=True)
class Table:
    """Rows under headings. The first cell of a row is its header."""

    head: tuple[LocalizedText, ...]
    rows: tuple[tuple[LocalizedText, ...], ...]
    promises: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        rows = [[_cell(cell) for cell in row] for row in self.rows]
        return {"head": [cell.text for cell in self.head], "rows": rows, "promises": list(self.promises)}


def _cell(cell: LocalizedText) -> str | dict[str, str]:
    """Return a cell's text, with its language if that differs from the page's."""
    return {"text": cell.text, "lang": cell.lang} if cell.foreign else cell.text


@dataclass(frozen=True)
class Section:
    """A heading, one paragraph of sentences, and tables."""

    id: str
    title: LocalizedText
    sentences: tuple[Sentence, ...] = ()
    tables: tuple[Table, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        sentences = [sentence.as_dict() for sentence in self.sentences]
        tables = [table.as_dict() for table in self.tables]
        return {"id": self.id, "title": self.title.text, "sentences": sentences, "tables": tables}


@dataclass(frozen=True)
class Document:
    """The whole policy page in one language."""

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
        """The numbers of all promises on the page."""
        sentences = {number for section in self.sections for part in section.sentences for number in part.promises}
        return sentences | {number for section in self.sections for part in section.tables for number in part.promises}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON and for a frozen version."""
        sections = [section.as_dict() for section in self.sections]
        return {"lang": self.lang, "title": self.title, "version": self.version, "sections": sections}

    def as_markdown(self) -> str:
        """Return the page as Markdown."""
        return "\n\n".join(_markdown(self.as_dict())) + "\n"

    @classmethod
    def from_dict(cls, payload: dict[str, Any]) -> Document:
        """Return the page of a frozen version."""
        sections = tuple(_section(section, payload["lang"]) for section in payload["sections"])
        return cls(payload["lang"], payload["title"], payload["version"], sections)


def _section(payload: dict[str, Any], lang: str) -> Section:
    def localized(text: str, text_lang: str = lang) -> LocalizedText:
        return LocalizedText(text, text_lang, text_lang != lang)

    def cell(value: str | dict[str, str]) -> LocalizedText:
        return localized(value) if isinstance(value, str) else localized(value["text"], value["lang"])

    sentences = tuple(Sentence(localized(s["text"], s["lang"]), tuple(s["promises"])) for s in payload["sentences"])
    tables = tuple(
        Table(tuple(map(localized, t["head"])), tuple(tuple(map(cell, row)) for row in t["rows"]), tuple(t["promises"]))
        for t in payload["tables"]
    )
    return Section(payload["id"], localized(payload["title"]), sentences, tables)


def _markdown(payload: dict[str, Any]) -> Iterator[str]:
    yield f"# {_plain(payload['title'])}"
    for section in payload["sections"]:
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
    """Escape a text for Markdown, including its HTML."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", text.replace("\n", " "))
