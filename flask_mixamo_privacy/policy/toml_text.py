"""TOML as text: tables of ``privacy.toml`` that a command writes for a site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

#: Characters with a meaning in the pattern of a cookie's name; see :meth:`Cookie.matches`.
_PATTERN = str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]"})


def table_text(section: str, values: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """Return one table of a list as TOML, after its comments. It ends with a line break.

    ``values`` are texts, whole numbers, truth values and lists of texts.
    """
    lines = [*(f"# {' '.join(comment.split())}" for comment in comments), f"[[{section}]]"]
    lines += [f"{key} = {_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def tables_text(section: str, tables: Iterable[Mapping[str, Any]]) -> str:
    """Return tables of one list as TOML, each followed by an empty line."""
    return "".join(table_text(section, values) + "\n" for values in tables)


def _value(value: Any) -> str:
    """Return a value of TOML.

    The escapes of JSON are those of TOML's basic strings. TOML needs one more: for the character DEL.
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool | int):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def exact_name(name: str) -> str:
    """Return the declared name that matches exactly this cookie, although the name has characters of a pattern."""
    return name.translate(_PATTERN)
