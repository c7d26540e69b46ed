"""Mutations of texts: small edits, and one part repeated until it has 8 KB, which finds superlinear parsers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from html import escape
from urllib.parse import quote

LONGEST = 8192  # characters of an input

#: What parsers treat specially.
TOKENS = (
    "\0", "\r\n", "\n", "\t", " ", '"', '\\"', "'", "\\", "/", "//", "..", "%", "%00", "%2e", "%40", "%25", "&", "&amp;", "&#64;",
    ";", ",", "=", ":", "::", "@", "(", ")", "[", "]", "{", "}", "<", ">", "|", "*", "+", "-", "--", "_", ".", "0", "-1", "9" * 25,
    "1e999", "NaN", "null", "true", "[]", "{}", "\ud800", "\u200b", "\u202e", "\ufeff", "\uff20", "\ufdfa", "\u0660", "\u0301\u0323", "é", "😀",
    "=?utf-8?b?", "=?utf-8?q?", "?=", "<script>", "{{7*7}}", "${a}", "http://", "javascript:", "a" * 300,
)  # fmt: skip

Mutation = Callable[[random.Random, str, Sequence[str]], str]


def _insert(chance: random.Random, text: str, others: Sequence[str]) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(TOKENS) + text[at:]


def _delete(chance: random.Random, text: str, others: Sequence[str]) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randint(1, 20) :]


def _repeat(chance: random.Random, text: str, others: Sequence[str]) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at : at + 30] * chance.randint(2, 4) + text[at:]


def _replace(chance: random.Random, text: str, others: Sequence[str]) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chr(chance.randrange(0x250)) + text[at + 1 :]


def _splice(chance: random.Random, text: str, others: Sequence[str]) -> str:
    other = chance.choice(others)
    return text[: chance.randrange(len(text) + 1)] + other[chance.randrange(len(other) + 1) :]


def _cut(chance: random.Random, text: str, others: Sequence[str]) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _encode(chance: random.Random, text: str, others: Sequence[str]) -> str:
    at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
    encode = chance.choice((escape, lambda part: quote(part, safe="", errors="replace"), str.upper, str.swapcase))
    return text[:at] + encode(text[at:to]) + text[to:]


_MUTATIONS: tuple[Mutation, ...] = (_insert, _delete, _repeat, _replace, _splice, _cut, _encode)


def pumped(chance: random.Random, text: str) -> str:
    """Repeat a token, two of them, or a part of the text until it has the greatest length."""
    at = chance.randrange(len(text) + 1)
    part = text[at : at + chance.randint(1, 12)]
    unit = chance.choice(
        (chance.choice(TOKENS), chance.choice(TOKENS) + chance.choice(TOKENS), part + chance.choice(TOKENS))
    )
    pumped = unit * (chance.choice((500, 2000, LONGEST)) // len(unit))
    return text[:at] + pumped + chance.choice(("", text[at:], chance.choice(TOKENS)))


def mutated(chance: random.Random, seeds: Sequence[str]) -> str:
    """Return a seed after some mutations, with at most :data:`LONGEST` characters."""
    text = chance.choice(seeds)
    for _ in range(chance.randint(1, 6)):
        text = chance.choice(_MUTATIONS)(chance, text, seeds)[:LONGEST]
    return (pumped(chance, text) if chance.random() < 0.1 else text)[:LONGEST]
