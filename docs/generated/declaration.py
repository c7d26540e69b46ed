"""Every key of ``privacy.toml``, from the model that reads it: type, default, and the comment beside the field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from flask_mixamo_privacy.policy import parts, report_parts, toml, validation

from .markdown import block, comments_of, literals, sentence

_COMMENTS = comments_of(parts) | comments_of(report_parts)
_CONSTANTS = {**vars(parts), **vars(validation)}

#: The keys that stand in no table of a class: type, default, and the field of the whole declaration that has the comment.
_TOP = {
    "schema": ("a whole number", "1", ""),
    "promises": ('a list of numbers, or "all"', "[]", "promises"),
    "site.name": ("a text in quotes", "", "site"),
    "site.language": ("a code of a language", '"en"', "language"),
}
_LITERAL = re.compile(r"\{.+\}|\[.+\]|\"[^\"]+\"")
_SCHEMA = "The version of the format of this file."


def keys(*sections: str) -> str:
    """Return every key of the named tables. The section ``top`` has the keys without a table, and ``site``."""
    return "\n".join(
        block("confval", key, meaning, type=kind, default=default) for key, kind, default, meaning in rows(*sections)
    )


def rows(*sections: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and meaning of each key."""
    for section in sections:
        if section in ("top", "site"):
            yield from (_top_row(key) for key in _TOP if key.startswith("site.") == (section == "site"))
        else:
            yield from _rows_of(section, (toml._LISTS | toml._TABLES)[section])


def all_sections() -> tuple[str, ...]:
    """Return the name of every section."""
    return ("top", "site", *toml._TABLES, *toml._LISTS)


def _top_row(key: str) -> tuple[str, str, str, str]:
    kind, default, field = _TOP[key]
    comment = _COMMENTS[f"Declaration.{field}"] if field else _SCHEMA
    return key, literals(kind), f"`{default}`" if default else "required", _meaning(comment)


def _rows_of(section: str, kind: Any) -> Iterator[tuple[str, str, str, str]]:
    types = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        allowed = _LITERAL.sub(r"`\g<0>`", toml._KINDS[types[field.name]].allowed)
        yield (
            f"{section}.{field.name}",
            allowed,
            _default(field.default),
            _meaning(_COMMENTS[f"{kind.__name__}.{field.name}"]),
        )


def _meaning(comment: str) -> str:
    return literals(re.sub(r"\b[A-Z][A-Z_]{3,}\b", _values, sentence(comment)))


def _values(name: re.Match[str]) -> str:
    """Return the values of a constant that a comment names, such as BASES."""
    values = _CONSTANTS.get(name[0])
    return ", ".join(f'"{value}"' for value in values) if isinstance(values, tuple) else name[0]


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "required"
    if value in ("", None):
        return ""
    if isinstance(value, bool | int):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f'`"{value}"`' if len(str(value)) < 60 else "a standard text"
