"""The differences between two versions of the policy, as sentences for a reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..i18n.language import Language, LocalizedText
from .document import Document, Section, Table
from .versions import Version

_SIMILAR = 0.5  # two texts that share half of their characters are one text, reworded


@dataclass(frozen=True)
class ChangedSection:
    """A section of the page with the sentences that describe its changes. The id is empty if the section is gone."""

    id: str
    title: str
    lang: str
    sentences: tuple[LocalizedText, ...]


def describe(old: Version, new: Version, t: Language) -> list[ChangedSection]:
    """Return what changed from one version to the next, in the order of the page. The banner comes last.

    The texts are those of the reader's language if both versions have it, or else of English or any other language.
    """
    shared = sorted({*old.documents} & {*new.documents}, key=lambda code: (code != t.code, code != "en", code))
    sections = list(_sections(old.documents[shared[0]], new.documents[shared[0]], t)) if shared else []
    before, after = old.banner.get(t.code), new.banner.get(t.code)
    if before and after and before != after:
        text = _quoting(t, "It used to say “%(old)s”. It now says “%(new)s”.", old=before, new=after)
        sections.append(ChangedSection("", t("Banner").text, t.code, (text,)))
    return sections


def _sections(old: Document, new: Document, t: Language) -> Iterator[ChangedSection]:
    before, after = ({section.id: section for section in document.sections} for document in (old, new))
    for name in (*after, *(name for name in before if name not in after)):
        sentences = tuple(_changes(before.get(name), after.get(name), t))
        if sentences:
            title = (after.get(name) or before[name]).title.text
            yield ChangedSection(name if name in after else "", title, new.lang, sentences)


def _changes(old: Section | None, new: Section | None, t: Language) -> Iterator[LocalizedText]:
    if old is None:
        yield t("This section is new.")
    elif new is None:
        yield t("This section has been removed.")
    else:
        yield from _sentence_changes(_sentences(old), _sentences(new), t)
        for number in range(max(len(old.tables), len(new.tables))):
            yield from _row_changes(_table(old, number), _table(new, number), t)


def _sentences(section: Section) -> list[str]:
    """Return the sentences without the date of the last update (promise 45)."""
    return [sentence.text.text for sentence in section.sentences if 45 not in sentence.promises]


def _table(section: Section, number: int) -> Table:
    return section.tables[number] if number < len(section.tables) else Table((), ())


def _sentence_changes(old: list[str], new: list[str], t: Language) -> Iterator[LocalizedText]:
    removed, added = ([text for text in texts if text not in others] for texts, others in ((old, new), (new, old)))
    for text in added:
        former = _nearest(text, removed)
        if former is None:
            yield _quoting(t, "New: “%(text)s”", text=text)
        else:
            removed.remove(former)
            yield _quoting(t, "“%(old)s” has become “%(new)s”", old=former, new=text)
    for text in removed:
        yield _quoting(t, "No longer there: “%(text)s”", text=text)


def _nearest(text: str, others: list[str]) -> str | None:
    """Return the most similar of some texts, or None if none is similar enough."""
    ratios = {other: SequenceMatcher(None, text, other, autojunk=False).ratio() for other in others}
    nearest = max(ratios, key=lambda other: ratios[other], default=None)
    return nearest if nearest is not None and ratios[nearest] >= _SIMILAR else None


def _row_changes(old: Table, new: Table, t: Language) -> Iterator[LocalizedText]:
    before, after = ({row[0].text: [cell.text for cell in row] for row in table.rows} for table in (old, new))
    for name, cells in after.items():
        if name not in before:
            details = "; ".join(cell.rstrip(".。") for cell in cells[1:] if cell)
            yield _quoting(t, "New: “%(name)s” (%(details)s)", name=name, details=details)
        elif len(cells) == len(before[name]):
            yield from _cell_changes(name, [cell.text for cell in new.head], before[name], cells, t)
    for name in before:
        if name not in after:
            yield _quoting(t, "No longer there: “%(text)s”", text=name)


def _cell_changes(name: str, head: list[str], old: list[str], new: list[str], t: Language) -> Iterator[LocalizedText]:
    for title, former, current in zip(head, old, new, strict=False):
        if former != current:
            yield _quoting(
                t, "“%(name)s”, %(column)s: “%(old)s” has become “%(new)s”", name=name, column=title, old=former, new=current
            )


def _quoting(t: Language, sentence: str, **texts: str) -> LocalizedText:
    """Return a sentence with quoted texts. If its language runs from right to left, each is isolated (Unicode TR 9)."""
    return t(sentence, **({name: f"\u2068{text}\u2069" for name, text in texts.items()} if t.dir == "rtl" else texts))
