"""Database rows with personal data: the personal columns of a model, and the effect of an erasure on a row."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from unicodedata import combining, normalize

import sqlalchemy as sa

from ..errors import StoreError
from ..policy.model import Policy
from ..policy.parts import Field, Text
from ..storage.clock import days_after, today
from .stores import RetainedField

# Personal columns.

#: Words that usually name a column of personal data.
_PERSONAL = re.compile(
    "e?mail|(first|last|sur|fore|full|nick|user)?name|address|street|zip(code)?|postcode|city|(tele)?phone|mobile|fax|birth|"
    "birthday|birthdate|dob|age|gender|sex|ip|iban|passport|ssn|latitude|longitude|nationality"
)
#: Names of several words, joined because some developers write them as one word.
_JOINED = re.compile(
    "postalcode|(phone|telephone|mobile|fax|tel)(number|no)?|e?mailaddress|(street|home|post|postal|ip|billing|shipping)address|"
    "dateofbirth|placeofbirth|birthplace|remoteaddr|creditcard(number)?|cardnumber|socialsecurity(number|no)?|taxid|taxnumber|"
    "vatid|nationalid|idnumber|passportnumber|driverslicen[cs]e"
)
_SECRET = re.compile("password|passwd|hash(ed)?|secret|token|salt|pepper|pw|pwd|pwhash|credentials?|cvv|cvc|jwt")
_SECRET_WITHIN = re.compile(
    "passw(or)?d|passphrase|passcode|(api|access|auth|client|refresh|reset|session)(key|secret|token)|^(user|login|account)?pass$|"
    "^(user|login|account|card)?pin$|(security|secret)(answer|question)|"
    "(activation|auth|backup|login|recovery|reset|verification|verify)codes?$|"
    # "Password" in the shipped languages, without accents.
    "passwort|kennwort|motdepasse|contrasen|^(palabra)?clave$|^senha|palavrapasse|wachtwoord|losenord|passord|adgangskode|kodeord|"
    "salasana|hasło|^haslo|^heslo|jelszo|^parola|^sifre|lozinka|zaporka|^geslo|parool|slaptazod|^parole$|focalfaire|"
    "парол|κωδικοσ|密码|密碼|口令|ハスワート|סיסמ|كلمةالمرور|كلمةالسر"
)
#: Words of columns that decide what a person may do, or which row belongs to whom.
_RIGHT = re.compile(
    "pwd|otp|totp|mfa|keys?|id|uuid|admin|administrator|superadmin|superuser|staff|moderator|roles?|permissions?|perms|"
    "privileges?|scopes?|groups|verified|confirmed|active|enabled|disabled|banned|blocked|locked|suspended|approved|deleted|"
    "trusted|tenant|uid|guid|pk|balance|wallet|oauth|webauthn|tfa|[2]fa"
)
_RIGHT_WITHIN = re.compile(
    "isadmin|isstaff|isowner|isroot|superuser|permission|privilege|twofactor|oidcsub|clearance|"
    "(access|account|user)(group|level|plan|role|status|tier|type)"
)
_ALLOWS = frozenset({"can", "may"})  # the first words of a right, such as "can_edit"
_PERSONAL_ID = re.compile("tax|vat|national|passport|insurance|health|identity|social")  # such as "vat_id"
_ADDRESS = re.compile("e?mails?|e?mailaddress")
_OTHER_NAMES = re.compile(r"(file|product|model|host|event|table|class|display_of|type|tag|path)_?name", re.IGNORECASE)

Names = Mapping[str, str]


def columns_of(model: Any) -> Iterator[tuple[str, sa.Column[Any]]]:
    """Yield the attribute name and the column for each column of a model's own table."""
    mapper = sa.inspect(model)
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if column.table is mapper.local_table:  # a column may also belong to a parent model, or be an expression
            yield attribute.key, column


def field_of(name: str, column: sa.Column[Any], policy: Policy, names: Names) -> Field | None:
    """Return the declared field that a column holds, or None.

    ``column.info["privacy"]`` names the field, else ``names``. By default the column and the field have the same name.
    """
    declared_name = column.info.get("privacy", names.get(name, name))
    return next((field for field in policy.fields if field.name == declared_name), None)


def is_secret(name: str) -> bool:
    """Whether a column holds a credential, such as a password. A credential is not exported."""
    words = _words(name)
    return any(map(_SECRET.fullmatch, words)) or _SECRET_WITHIN.search("".join(words)) is not None


def is_protected(name: str, column: sa.Column[Any] | None = None) -> bool:
    """Whether a field or column may not be corrected: a credential, a right of its owner, or a key.

    ``mapped_column(info={"privacy_correct": False})`` protects a column of any name.
    """
    if column is not None and (column.primary_key or column.foreign_keys or column.info.get("privacy_correct") is False):
        return True
    words = _words(name)
    rights = {word for word in words if _RIGHT.fullmatch(word)}
    if rights == {"id"} and len(words) > 1:
        rights = set() if any(map(_PERSONAL_ID.fullmatch, words)) else rights
    is_right = bool(rights) or (len(words) > 1 and words[0] in _ALLOWS)
    return is_right or is_secret(name) or _RIGHT_WITHIN.search("".join(words)) is not None


def holds_address(name: str) -> bool:
    """Whether a field holds a mail address, by its name."""
    words = _words(name)
    return any(map(_ADDRESS.fullmatch, [*words, "".join(words)]))


def undeclared(model: Any, policy: Policy, names: Names) -> Iterator[str]:
    """Yield the columns that look personal but hold no declared field.

    ``mapped_column(info={"privacy": "email"})`` names the field that a column holds. ``info={"privacy": False}`` declares
    that a column holds no personal data.
    """
    for name, column in columns_of(model):
        if column.info.get("privacy") is False or column.foreign_keys or _OTHER_NAMES.search(name):
            continue
        if _looks_personal(name) and field_of(name, column, policy, names) is None:
            yield name


def _looks_personal(name: str) -> bool:
    """Check each word of a name, and each run of words joined. A number at the end of a word is ignored (``address1``)."""
    words = _words(name)
    runs = ("".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1))
    if words == ["login"]:  # "last_login" is a time, so only the whole name counts
        return True
    return any(map(_PERSONAL.fullmatch, words)) or any(map(_JOINED.fullmatch, runs))


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents and a number at their end.

    ``passwordHash`` has two words.
    """
    parts = re.split(r"[\W_]+", re.sub(r"([^\W\dA-Z_]|\d)([A-Z])", r"\1_\2", name).casefold())
    return [_without_accents(word).rstrip("0123456789") for word in parts]


def _without_accents(word: str) -> str:
    return word if word.isascii() else "".join(char for char in normalize("NFKD", word) if not combining(char))


# The effect of an erasure on a row.

#: The start of the placeholder for a data subject in a retained row. Random letters follow, because a column may be unique.
ERASED = "erased-"
_ERASED = re.compile(f"{ERASED}[0-9a-f]{{12}}")

#: The placeholders for columns that cannot be NULL, by Python type.
_EMPTY: dict[type, Any] = {
    str: "",
    bytes: b"",
    int: 0,
    float: 0.0,
    Decimal: Decimal(0),
    bool: False,
    date: date(1900, 1, 1),
    datetime: datetime(1900, 1, 1),  # noqa: DTZ001 — a column without a time zone takes a naive datetime
}


class PersonalRow:
    """A row under an erasure: it is deleted unless one of its fields has to be retained or anonymised."""

    def __init__(
        self,
        fields: list[tuple[sa.Column[Any], Field | None]],
        subject_columns: frozenset[sa.Column[Any]],
        created_column: sa.Column[Any] | None,
        values: sa.RowMapping,
        language: str,
    ) -> None:
        self._fields = fields
        self._subject_columns = subject_columns
        self._created = _as_datetime(values[created_column.name]) if created_column is not None else None
        self._values = values
        self._language = language

    @cached_property
    def is_retained(self) -> bool:
        declared = [field for _, field in self._fields if field is not None]
        retained = [self._is_field_retained(field) for field in declared if field.on_erase == "keep"]
        # Anonymised fields beside retained ones are deleted with them.
        return any(retained) if retained else any(field.on_erase == "anonymise" for field in declared)

    @property
    def changes(self) -> dict[str, Any]:
        """The columns to empty and their placeholders."""
        emptied = {
            column.name: placeholder_for(column, self._subject_columns)
            for column, field in self._fields
            if (field is not None or column in self._subject_columns)
            and not (field is not None and self._is_field_retained(field))
        }
        return {name: value for name, value in emptied.items() if self._values[name] != value and not self._is_erased(name)}

    @property
    def secrets(self) -> dict[str, Any]:
        """The credentials to empty in a row that is kept only because other rows refer to it."""
        columns = [column for column, field in self._fields if field is None and is_secret(column.name)]
        emptied = {column.name: placeholder_for(column) for column in columns if not self._is_erased(column.name)}
        return {name: value for name, value in emptied.items() if self._values[name] != value}

    def retained_fields(self, table: str) -> Iterator[RetainedField]:
        """Yield each retained field that has a value, with its reason and its last day."""
        for column, field in self._fields:
            if field is not None and self._is_field_retained(field) and self._values[column.name] is not None:
                yield RetainedField(f"{table}.{field.name}", _in(field.reason, self._language), self._until(field))

    def _is_field_retained(self, field: Field) -> bool:
        if field.on_erase != "keep":
            return False
        until = self._until(field)
        return not until or until > today()

    def _until(self, field: Field) -> str:
        """Return the last day of a retained field, or an empty text if the row's creation time is unknown."""
        if self._created is None or field.kept_for is None:
            return ""
        return days_after(self._created.date(), field.kept_for).isoformat()

    def _is_erased(self, name: str) -> bool:
        return is_erased(self._values[name])


def placeholder_for(column: sa.Column[Any], subject_columns: Collection[sa.Column[Any]] = ()) -> Any:
    """Return the placeholder for a column: a random one for a subject column and for unique text, else NULL or empty.

    Raises :class:`StoreError` if the column cannot be emptied.
    """
    if isinstance(column.type, sa.String) and (column in subject_columns or _is_unique(column)):
        return ERASED + secrets.token_hex(6)
    if column.nullable:
        return None
    kind = python_type(column)
    if kind not in _EMPTY or _is_unique(column):
        hint = (
            'Make the column nullable, or declare its field with on_erase = "keep". Its row has to stay, without the value.'
        )
        raise StoreError(f"the column {column}", str(column.type), "a column that can be emptied", hint)
    return _EMPTY[kind]


def _is_unique(column: sa.Column[Any]) -> bool:
    """Whether a column has to be unique, alone or together with other columns."""
    rules = [rule for rule in column.table.constraints if isinstance(rule, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    indexes = [index for index in column.table.indexes if index.unique]
    return bool(column.unique) or any(column.name in rule.columns for rule in [*rules, *indexes])


def is_erased(value: object) -> bool:
    """Whether a value is the placeholder for a data subject. It must match fully, because an address may start with it."""
    return isinstance(value, str) and _ERASED.fullmatch(value) is not None


def is_placeholder(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Return :func:`is_erased` as an SQL condition."""
    return sa.cast(column, sa.Text).regexp_match(rf"\A{_ERASED.pattern}\Z")


def python_type(column: sa.Column[Any]) -> type:
    """Return the Python type of a column's values; ``object`` if it is unknown."""
    try:
        return column.type.python_type
    except NotImplementedError:  # a custom type of the site
        return object


def _as_datetime(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    # Windows converts no time before 1970, but it can be counted from there.
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=value) if isinstance(value, int | float) else None


def _in(text: Text, language: str) -> str:
    return text if isinstance(text, str) else text.get(language) or next(iter(text.values()))
