"""Plain English: docstrings, comments, errors and docs use the field's words, in short sentences."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("flask_mixamo_privacy", "example_site", "benchmarks", "tests", "docs")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGES.md",
    "SECURITY.md",
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)

#: A word or phrase that has to be decoded, and what to write instead.
WORDS = {
    r"whoever|whomever|somebody|nobody|anybody|everybody|who it was": "the person: visitor, user, data subject, staff, operator, developer",
    r"anew|lest|be it|be they|at hand|beforehand|any more|so too|of which": "plain current English",
    r"mend(?:s|ed|ing)?|sees? to|saw to|puts? up with": "fix, ensure, accept",
    r"gives?|gave": "returns, or has",
    r"tells?|told|said|says": "returns, states, reports, or the noun",
    r"comes? to|came to": "is, results in",
}
ANY_WORD = re.compile(rf"(?:{'|'.join(WORDS)})", re.IGNORECASE)
#: Names of variables and functions that name nothing.
NAMES = {"here", "said", "told", "whose", "whoever", "mine", "theirs", "ours", "gone", "who"}
#: Parameters that sites' code passes by name.
PUBLIC = {("extension.py", "whose")}
MOST_WORDS = 25


def files() -> list[Path]:
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


@lru_cache(maxsize=1)
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: ")


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Each docstring and comment of a module, or each line of a page outside its code blocks."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from docstrings(parsed(path))
        yield from comments(source)
        return
    inside = False
    for number, line in enumerate(source.splitlines(), 1):
        inside ^= line.startswith("```")
        if not inside:
            yield number, line


def plain(text: str) -> str:
    """A text without code, quotations and links' addresses."""
    return re.sub(r"``?[^`]+``?|:\w+:`[^`]+`|“[^”]*”|\"[^\"\n]*\"|\]\([^)]*\)|<[^>\n]*>", " X ", text)


@pytest.mark.parametrize("path", [*files(), *(ROOT / page for page in PAGES)], ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_plain(path: Path) -> None:
    """A file has no word that a reader must decode, no long sentence, and no name that names nothing."""
    found = [*words(path), *code(path)]
    assert not found, "\n".join(f"{path.name}:{line}: {problem}" for line, problem in sorted(found))


def words(path: Path) -> Iterator[tuple[int, str]]:
    """Each forbidden word, with what to write instead."""
    for line, text in prose(path):
        if not ANY_WORD.search(text):
            continue
        for pattern, instead in WORDS.items():
            for match in re.finditer(rf"\b(?:{pattern})\b", plain(text), re.IGNORECASE):
                yield line, f"{match[0]!r}; write {instead}: {text.strip()[:90]}"


def code(path: Path) -> Iterator[tuple[int, str]]:
    """Each long sentence of a docstring, and each empty name."""
    if path.suffix != ".py":
        return
    tree = parsed(path)
    for line, text in docstrings(tree):
        for sentence in re.split(r"(?<=[.!?;:])\s|\n\s*\n", plain(text)):
            if len(sentence.split()) > MOST_WORDS:
                yield line, f"{len(sentence.split())} words: {sentence.strip()[:90]}"
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "name", None)
        if (
            isinstance(node, ast.Name | ast.arg | ast.FunctionDef | ast.ClassDef)
            and str(name).strip("_") in NAMES
            and (path.name, name) not in PUBLIC
        ):
            yield node.lineno, f"the name {name!r}"
