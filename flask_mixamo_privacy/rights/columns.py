"""Which columns of a model are personal data, by what is declared and by what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ..policy.model import Policy
from ..policy.policy import Field

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
