"""The answer to an access request in words: labels from the declaration, dates and yes or no in the reader's language.

The export for machines stays as it is. This module only describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..i18n.language import Language, LocalizedText
from ..ledger.entry import ShownText
from ..policy.model import Policy
from ..policy.parts import in_words
from .stores import PersonalStores

# Sentences of the catalogues.
YES, NO, NOT_GIVEN = "Yes", "No", "Not given"

#: Looks up a text that was shown, by its digest.
FindText = Callable[[str], ShownText | None]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")

#: The labels of columns that most databases have, and of the extension's own data.
_LABELS = {
    "id": "Number",
    "created_at": "Saved on",
    "updated_at": "Changed on",
    "list": "Mailing list",
    "asked": "Signed up on (not confirmed)",
    "opted_in": "Signed up on",
    "opted_out": "Unsubscribed on",
    "policy": "Version of the privacy policy",
    "text": "What you agreed to",
    "source": "How",
    "what": "Licence",
    "at": "Accepted on",
}
_TITLES = {"opt-ins": "Mailing lists", "licences": "Accepted licences"}
_SOURCES = {
    "form": "Through a form on this site",
    "api": "Through a program",
    "link": "Through a link in an e-mail",
    "site": "On this site",
    "erasure": "Through a request to delete your data",
    "objection": "Through an objection",
}


@dataclass(frozen=True)
class Described:
    """A value of an export: its label, and either its text or the values it consists of."""

    label: LocalizedText | None
    text: LocalizedText | str = ""
    parts: tuple[Described, ...] = ()
    is_list: bool = False  # whether the parts are rows, and not the fields of one row


def describe(
    export: Mapping[str, Any], policy: Policy, stores: PersonalStores, find_text: FindText, t: Language
) -> list[Described]:
    """Return the data of an export, one section for each table."""
    writer = _Writer(policy, stores.declared_fields(), find_text, t)
    return [section for name, data in export.items() for section in writer.sections(name, data)]


class _Writer:
    def __init__(self, policy: Policy, fields: Mapping[str, str], find_text: FindText, t: Language) -> None:
        self._policy = policy
        self._fields = fields  # from "table.column", and from "column", to the name of the declared field
        self._find_text = find_text
        self._t = t

    def sections(self, store: str, data: Any) -> Iterator[Described]:
        if isinstance(data, Mapping) and data and all(isinstance(rows, list) for rows in data.values()):
            for table, rows in data.items():
                yield self._value(self._title(table), rows, table)
        elif isinstance(data, list) and any(isinstance(part, Mapping) and self._is_tables(part) for part in data):
            for part in data:  # the exports under each spelling of an address
                yield from self.sections(store, part)
        else:
            yield self._value(self._title(store), data, store)

    @staticmethod
    def _is_tables(data: Mapping[str, Any]) -> bool:
        return bool(data) and all(isinstance(rows, list) for rows in data.values())

    def _title(self, name: str) -> LocalizedText:
        return self._t(_TITLES[name]) if name in _TITLES else LocalizedText(in_words(name), "en", self._t.code != "en")

    def _value(self, label: LocalizedText | None, value: Any, table: str, column: str = "") -> Described:
        if isinstance(value, Mapping):
            parts = (self._value(self._label(table, name), each, table, name) for name, each in value.items())
            return Described(label, parts=tuple(parts))
        if isinstance(value, list | tuple) and value:
            return Described(label, parts=tuple(self._value(None, each, table, column) for each in value), is_list=True)
        return Described(label, self._text(value, table, column))

    def _label(self, table: str, column: str) -> LocalizedText:
        name = self._fields.get(f"{table}.{column}", self._fields.get(column, column))
        declared = next((field for field in self._policy.fields if field.name == name), None)
        if declared is not None and table not in _TITLES:
            return self._t.of(declared.title, self._policy.language)
        if column in _LABELS:
            return self._t(_LABELS[column])
        return LocalizedText(in_words(re.sub(r"_id$", "_number", column)), "en", self._t.code != "en")

    def _text(self, value: Any, table: str, column: str) -> LocalizedText | str:
        if value is None or value in ("", [], ()):
            return self._t(NOT_GIVEN)
        if isinstance(value, bool):
            return self._t(YES if value else NO)
        if table in _TITLES and isinstance(value, str):
            return self._own_text(value, column)
        text = str(value)
        if _DAY.fullmatch(text) or _MOMENT.fullmatch(text):
            return self._time(text)
        return text

    def _time(self, text: str) -> str:
        try:
            return self._t.moment(text) if "T" in text else self._t.date(text)
        except ValueError:  # such as a 30th of February that a person typed
            return text

    def _own_text(self, value: str, column: str) -> LocalizedText | str:
        """Return a value of the extension's own data."""
        if column == "text":
            return self._shown(value)
        if column == "source" and value in _SOURCES:
            return self._t(_SOURCES[value])
        if column in ("list", "what"):
            return self._named(value.removeprefix("licence ") if column == "what" else value)
        return self._time(value) if _DAY.fullmatch(value) or _MOMENT.fullmatch(value) else value

    def _named(self, name: str) -> LocalizedText:
        """Return the title of a purpose or a collection point."""
        if name == "all lists":
            return self._t("All lists")
        titles = {point.id: point.title for point in self._policy.collection}
        titles |= {purpose.id: purpose.title for purpose in self._policy.purposes}
        return self._t.of(titles.get(name, name), self._policy.language)

    def _shown(self, digest: str) -> LocalizedText | str:
        """Return the words that a person agreed to. The digest only if the ledger no longer has them."""
        text = self._find_text(digest)
        if text is None:
            return digest
        return LocalizedText(" ".join(sentences(json.loads(text.body))), text.locale, text.locale != self._t.code)


#: The parts of a text that was shown, in the order in which a person reads them. Buttons are left out.
_READ = ("label", "text", "service", "title", "notice", "public", "purposes", "description")


def sentences(body: Any) -> Iterable[str]:
    """Yield the sentences of a text that was shown, without empty ones."""
    if isinstance(body, Mapping):
        for name in _READ:
            value = body.get(name)
            is_titles = name == "purposes" and value and isinstance(value[0], str)  # the notice states them in its own words
            yield from sentences(None if is_titles else value)
    elif isinstance(body, list):
        for value in body:
            yield from sentences(value)
    elif body:
        sentence = str(body)
        yield sentence if sentence[-1] in ".!?:。" else f"{sentence}."
