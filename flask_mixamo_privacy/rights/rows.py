"""One row of a model, and what an erasure leaves of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ..errors import StoreError
from ..policy.model import Policy
from ..policy.parts import Field, Text
from ..storage.clock import days_after, today
from .stores import RetainedField

# Which columns of a model are personal data, by what is declared and by what they are called.

#: What a column of personal data is usually called, word by word.
_PERSONAL = re.compile(
    "e?mail|(first|last|sur|fore|full|nick|user)?name|address|street|zip(code)?|postcode|city|(tele)?phone|mobile|fax|birth|"
    "birthday|birthdate|dob|age|gender|sex|ip|iban|passport|ssn|latitude|longitude|nationality"
)
#: The same of several words, which some write as one.
_TOGETHER = re.compile(
    "postalcode|(phone|telephone|mobile|fax|tel)(number|no)?|e?mailaddress|(street|home|post|postal|ip|billing|shipping)address|"
    "dateofbirth|placeofbirth|birthplace|remoteaddr|creditcard(number)?|cardnumber|socialsecurity(number|no)?|taxid|taxnumber|"
    "vatid|nationalid|idnumber|passportnumber|driverslicen[cs]e"
)
_SECRET = re.compile("password|passwd|hash(ed)?|secret|token|salt")
_OTHER_NAMES = re.compile(r"(file|product|model|host|event|table|class|display_of|type|tag|path)_?name", re.IGNORECASE)

Names = Mapping[str, str]


def columns_of(model: Any) -> Iterator[tuple[str, sa.Column[Any]]]:
    """The columns of a model's own table, each with the name that its attribute has."""
    mapper = sa.inspect(model)
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if column.table is mapper.local_table:  # one may be a parent's, or an expression
            yield attribute.key, column


def field_of(name: str, column: sa.Column[Any], policy: Policy, names: Names) -> Field | None:
    """The declared field that a column holds: the one it is said to hold, else the one of its own name."""
    said = column.info.get("privacy", names.get(name, name))
    return next((field for field in policy.fields if field.name == said), None)


def is_secret(name: str) -> bool:
    """Whether a column holds something that opens a door, which even its own person is not sent in a mail."""
    return any(map(_SECRET.fullmatch, name.lower().split("_")))


def undeclared(model: Any, policy: Policy, names: Names) -> Iterator[str]:
    """The columns that look like personal data and hold no declared field.

    ``mapped_column(info={"privacy": "email"})`` says which field a column holds, ``info={"privacy": False}`` that it
    holds nothing personal.
    """
    for name, column in columns_of(model):
        if column.info.get("privacy") is False or column.foreign_keys or _OTHER_NAMES.search(name):
            continue
        if _looks_personal(name) and field_of(name, column, policy, names) is None:
            yield name


def _looks_personal(name: str) -> bool:
    """By any of its words, or any run of them as one; a number at the end of a word says nothing (``address1``)."""
    parts = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", name).lower().split("_")
    words = [word.rstrip("0123456789") for word in parts]
    runs = ("".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1))
    if words == ["login"]:  # last_login is a moment
        return True
    return any(map(_PERSONAL.fullmatch, words)) or any(map(_TOGETHER.fullmatch, runs))


#: What stands in the place of the person, in a row that stays; told apart by random letters, as some columns are unique.
ERASED = "erased-"
_ERASED = re.compile(f"{ERASED}[0-9a-f]{{12}}")

#: What stands in a column that must say something.
_EMPTY: dict[type, Any] = {
    str: "",
    bytes: b"",
    int: 0,
    float: 0.0,
    Decimal: Decimal(0),
    bool: False,
    date: date(1900, 1, 1),
    datetime: datetime(1900, 1, 1),  # noqa: DTZ001 — as columns without a time zone take it
}


class PersonalRow:
    """What becomes of a row: it goes, unless one of its fields is to be kept still, or to be anonymised."""

    def __init__(
        self,
        fields: list[tuple[sa.Column[Any], Field | None]],
        people: frozenset[sa.Column[Any]],
        made: sa.Column[Any] | None,
        values: sa.RowMapping,
        language: str,
    ) -> None:
        self._fields = fields
        self._people = people
        self._made = _moment(values[made.name]) if made is not None else None
        self._values = values
        self._language = language

    @cached_property
    def is_retained(self) -> bool:
        held = [field for _, field in self._fields if field is not None]
        ends = [self._is_kept(field) for field in held if field.on_erase == "keep"]
        # What was anonymised beside something kept goes with it.
        return any(ends) if ends else any(field.on_erase == "anonymise" for field in held)

    @property
    def changes(self) -> dict[str, Any]:
        """The columns that lose their value, with what they say instead."""
        emptied = {
            column.name: placeholder_for(column, self._people)
            for column, field in self._fields
            if (field is not None or column in self._people) and not (field is not None and self._is_kept(field))
        }
        return {name: value for name, value in emptied.items() if self._values[name] != value and not self._is_gone(name)}

    @property
    def secrets(self) -> dict[str, Any]:
        """What opens a door for the person, emptied: of a row that stays for the sake of others only."""
        columns = [column for column, field in self._fields if field is None and is_secret(column.name)]
        emptied = {column.name: placeholder_for(column) for column in columns if not self._is_gone(column.name)}
        return {name: value for name, value in emptied.items() if self._values[name] != value}

    def retained_fields(self, table: str) -> Iterator[RetainedField]:
        """What stays as it is, why, and until when."""
        for column, field in self._fields:
            if field is not None and self._is_kept(field) and self._values[column.name] is not None:
                yield RetainedField(f"{table}.{field.name}", _in(field.reason, self._language), self._until(field))

    def _is_kept(self, field: Field) -> bool:
        if field.on_erase != "keep":
            return False
        until = self._until(field)
        return not until or until > today()

    def _until(self, field: Field) -> str:
        """The last day, or nothing where the row does not say when it was made."""
        if self._made is None or field.kept_for is None:
            return ""
        return days_after(self._made.date(), field.kept_for).isoformat()

    def _is_gone(self, name: str) -> bool:
        return is_erased(self._values[name])


def placeholder_for(column: sa.Column[Any], people: Collection[sa.Column[Any]] = ()) -> Any:
    """What a column says instead, one of those that name people the mark; raises :class:`StoreError` for one that can
    say nothing else."""
    if isinstance(column.type, sa.String) and (column in people or _is_unique(column)):
        return ERASED + secrets.token_hex(6)
    if column.nullable:
        return None
    kind = _python_type(column)
    if kind not in _EMPTY or _is_unique(column):
        hint = "Make it nullable, or let its field be kept: what it says cannot be taken out of a row that stays."
        raise StoreError(f"the column {column}", str(column.type), "a column that can be emptied", hint)
    return _EMPTY[kind]


def _is_unique(column: sa.Column[Any]) -> bool:
    """Whether two rows may not say the same there, be it together with other columns."""
    rules = [rule for rule in column.table.constraints if isinstance(rule, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    indexes = [index for index in column.table.indexes if index.unique]
    return bool(column.unique) or any(column.name in rule.columns for rule in [*rules, *indexes])


def is_erased(value: object) -> bool:
    """Whether this stands in the place of a person: the whole of it, letter by letter, for an address may begin like it."""
    return isinstance(value, str) and _ERASED.fullmatch(value) is not None


def is_placeholder(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """The same, asked of a database."""
    return sa.cast(column, sa.Text).regexp_match(rf"\A{_ERASED.pattern}\Z")


def _python_type(column: sa.Column[Any]) -> type:
    try:
        return column.type.python_type
    except NotImplementedError:  # a type of the site's own
        return object


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None


def _in(text: Text, language: str) -> str:
    return text if isinstance(text, str) else text.get(language) or next(iter(text.values()))
