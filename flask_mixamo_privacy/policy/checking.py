"""What every check of a declaration is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ..errors import Problem
from .period import Period

Problems = Iterator[Problem]


def said(text: object) -> bool:
    """Whether it is a text that says something, in each language that it has."""
    if isinstance(text, str):
        return bool(text.strip())
    return isinstance(text, dict) and bool(text) and all(isinstance(said, str) and said.strip() for said in text.values())


def is_period(text: str) -> bool:
    try:
        return bool(Period.parse(text))
    except (ValueError, TypeError):
        return False


def one_of(key: str, value: str, allowed: Iterable[str], hint: str) -> Problems:
    if value not in allowed:
        yield Problem(key, value, ", ".join(allowed), hint)


def known(key: str, names: Iterable[str], known: Collection[str], section: str) -> Problems:
    for name in names:
        if name not in known:
            hint = f"Declare it under [[{section}]], or use one of these."
            yield Problem(key, name, ", ".join(sorted(known)) or f"nothing, as there are no {section}", hint)
