"""A template as pieces of HTML, with its Jinja left out, each under the consent that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jinja2 import Environment

from .markup import Piece
from .trace import UNKNOWN, Gate

_OPENING = ("if", "consent", "for")


def pieces_of(source: str, environment: Environment) -> list[Piece]:
    """Raises :class:`jinja2.TemplateSyntaxError`. Lines keep their numbers, and an expression is one unknown character."""
    return list(_Blanking().pieces(environment, source))


@dataclass
class _Blanking:
    line: int = 1
    tag: list[tuple[str, str]] = field(default_factory=list)  # kinds and texts of the tokens of the tag at hand
    within: list[tuple[str, Gate, Gate]] = field(default_factory=list)  # tag, gate up to its else, gate after it

    def pieces(self, environment: Environment, source: str) -> Iterator[Piece]:
        for line, kind, text in environment.lexer.tokeniter(source, None):
            if kind == "data":
                yield Piece(self._lines_up_to(line) + text, self._gate())
                self.line = line + text.count("\n")
            elif kind.endswith("_begin"):
                self.tag = []
            elif kind == "block_end":
                self._meet(self.tag)
            elif kind == "variable_end":
                yield Piece(self._lines_up_to(line) + UNKNOWN, self._gate())
            else:
                self.tag.append((kind, text))

    def _lines_up_to(self, line: int) -> str:
        missing = max(line - self.line, 0)
        self.line += missing
        return "\n" * missing

    def _gate(self) -> Gate:
        gates = [gate for _, gate, _ in self.within if gate is not None]
        return frozenset().union(*gates) if gates else None

    def _meet(self, tag: list[tuple[str, str]]) -> None:
        words = [text for kind, text in tag if kind == "name"]
        word = words[0] if words else ""
        if word in _OPENING:
            self.within.append((word, *_gates_of(word, words, tag)))
        elif word.startswith("end") and self.within and self.within[-1][0] == word[3:]:
            self.within.pop()
        elif word == "elif" and self.within:
            self.within[-1] = ("if", *_gates_of("if", words, tag))
        elif word == "else" and self.within:
            opened, _, after = self.within[-1]
            self.within[-1] = (opened, after, None)


def _gates_of(word: str, words: list[str], tag: list[tuple[str, str]]) -> tuple[Gate, Gate]:
    """What stands under a tag, and under its ``else``."""
    if word == "for" or (word == "if" and "current_consent" not in words):
        return None, None
    named = frozenset(text[1:-1] for kind, text in tag if kind == "string")
    if {"or", "false", "False", "!="} & {text for _, text in tag}:  # what is true without a consent too
        return None, None
    if "state" in words and "granted" not in named:  # it asks for the visitors who gave none
        return None, None
    refused = "not current_consent" in " ".join(words)
    return (None, None if "and" in words else named) if refused else (named, None)
