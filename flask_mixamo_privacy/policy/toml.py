"""The parser of ``privacy.toml``: a :class:`Policy`, or all its problems with their lines."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from ..errors import PolicyError, Problem
from ..i18n.language import SHIPPED
from . import parts as declared
from . import report_parts
from .model import Policy
from .parts import Period
from .promises import PROMISES
from .ready_made import expand
from .validation import is_period

NAME = "privacy.toml"

#: The file that `flask privacy init` writes. It is also the built-in policy.
START = Path(__file__).parent / "default.toml"

#: The date of the last change of the built-in policy.
START_VERSION = "2026-12-01"

_LISTS = {
    "purposes": declared.Purpose,
    "cookies": declared.Cookie,
    "services": declared.Service,
    "fields": declared.Field,
    "collection": declared.CollectionPoint,
    "recipients": declared.Recipient,
    "events": report_parts.OwnEvent,
    "goals": report_parts.Goal,
    "funnels": report_parts.Funnel,
}
_TABLES = {
    "contact": declared.Contact,
    "banner": declared.Banner,
    "log": declared.Log,
    "retention": declared.Retention,
    "minors": declared.Minors,
    "requests": declared.Requests,
    "marketing": declared.Marketing,
    "notices": declared.Notices,
}
_UNNAMED = "unnamed-"


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A type of value in the file."""

    allowed: str
    is_valid: Callable[[Any], bool]
    stand_in: Any = None  # replaces an invalid or missing value; None is the field's default
    convert: Callable[[Any], Any] = lambda value: value


def _is_text(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(text, str) and code in SHIPPED for code, text in value.items())
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_PERIOD = _Kind('a period such as "30 days", "13 months" or "2 years"', is_period, convert=Period.parse)
_IN_QUOTES = 'a text in quotes, or one for each language: { en = "…", de = "…" }'
_KINDS: dict[Any, _Kind] = {
    str: _Kind("a text in quotes", lambda value: isinstance(value, str), ""),
    bool: _Kind("true or false", lambda value: isinstance(value, bool), False),
    int: _Kind("a whole number", lambda value: type(value) is int, 0),
    declared.Text: _Kind(_IN_QUOTES, _is_text, ""),
    bool | declared.Text: _Kind(f"true, false, {_IN_QUOTES}", lambda value: isinstance(value, bool) or _is_text(value)),
    tuple[str, ...]: _Kind('a list of texts such as ["a", "b"]', _are_texts, (), tuple),
    Period: _PERIOD,
    Period | None: _PERIOD,
}


def watch(path: str) -> None:
    """Let Werkzeug's reloader, if it runs, restart the app when this file changes.

    An extension cannot pass ``extra_files``. The reloader also watches the file of each imported module, so the declaration
    is entered as one.
    """
    if os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        module = ModuleType(f"{__name__}:{path}", "A declaration that the reloader watches.")
        module.__file__ = os.path.abspath(path)
        sys.modules[module.__name__] = module


def read(path: str | Path) -> Policy:
    """Return the policy that a file declares. Raises :class:`PolicyError` with every problem and its line."""
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a byte order mark
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        hint = "Save the file as UTF-8."
        raise PolicyError([Problem(name, str(error), "a text file in UTF-8", hint, name)]) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        hint = "Correct the syntax; https://toml.io describes it."
        raise PolicyError([Problem(name, str(error), "TOML", hint, name, int(line[1]) if line else 0)]) from None
    return _DeclarationReader(tables, name, _lines(text)).policy()


def lines_of(path: str | None) -> tuple[str, Mapping[str, int]]:
    """Return a declaration's file name, and the line of each key by its path, such as ``cookies.session.lifetime``.

    None is the built-in policy. It has no lines, because a site cannot change its file.
    """
    if path is None:
        return NAME, {}
    return Path(path).name, _lines(Path(path).read_text(encoding="utf-8-sig"))


@cache
def built_in() -> Policy:
    """Return the policy of a site without a declaration."""
    return dataclasses.replace(read(START), version=START_VERSION)


class _DeclarationReader:
    """Builds a :class:`Policy` from parsed TOML, and collects the problems."""

    def __init__(self, tables: dict[str, Any], name: str, lines: Mapping[str, int]) -> None:
        self._tables, problems = expand(tables)
        self._name = name
        self._lines = lines
        self._problems: list[Problem] = problems
        self._unnamed = itertools.count()

    def policy(self) -> Policy:
        values = self._values()
        try:
            policy = Policy(**values)
        except PolicyError as error:
            self._problems += [problem for problem in error.problems if not self._has_stand_in(problem.key)]
            policy = None
        if policy is None or self._problems:
            raise PolicyError(self._located_problems())
        return policy

    def _has_stand_in(self, key: str) -> bool:
        """Return whether a key has a stand-in, because its problem is reported already."""
        reported = {problem.key for problem in self._problems}
        return key in reported or any(key.startswith(f"{section}.{_UNNAMED}") for section in _LISTS)

    def _values(self) -> dict[str, Any]:
        known = {"schema", "site", "promises", *_LISTS, *_TABLES}
        self._check_keys(self._tables, known, "")
        if self._tables.get("schema", 1) != 1:
            hint = "Set the version of the file format that the installed package reads."
            self._problem("schema", self._tables["schema"], "1", hint)
        values: dict[str, Any] = {section: tuple(self._list(section)) for section in _LISTS}
        values |= {section: self._table(section) for section in _TABLES if section in self._tables}
        values |= self._site()
        values["promises"] = self._promises()
        return values

    def _site(self) -> dict[str, Any]:
        site = self._tables.get("site", {})
        if not isinstance(site, dict):
            self._problem("site", site, "a [site] table", "Write the site's name and language in it.")
            return {"site": "?"}
        self._check_keys(site, {"name", "language"}, "site.")
        language = site.get("language", "en")
        if language not in SHIPPED:
            self._problem(
                "site.language", language, ", ".join(SHIPPED), "Set the language of texts without a language code."
            )
            language = "en"
        name = site.get("name")
        if not isinstance(name, str):
            self._problem("site.name", name, "the site's name, in quotes", "Set it; the policy page states it.")
            name = "?"
        return {"site": name, "language": language}

    def _promises(self) -> tuple[int, ...]:
        value = self._tables.get("promises", [])
        if value == "all":
            value = list(PROMISES)
        if not isinstance(value, list) or not all(type(number) is int for number in value):
            self._problem(
                "promises", value, 'a list of numbers from 1 to 45, or "all"', "Look up the numbers in the documentation."
            )
            return ()
        for number in value:
            self._check_promise(number)
        return tuple(value)

    def _check_promise(self, number: int) -> None:
        """Report each key that a promise needs and the file lacks. A default is no promise of the site."""
        for key in PROMISES[number].needs if number in PROMISES else ():
            section, _, name = key.partition(".")
            table = self._tables.get(section, {})
            if section in _TABLES and name and isinstance(table, dict) and name not in table:
                hint = f"Promise {number} needs it: {PROMISES[number].summary}. Add it, or remove {number} from promises."
                self._problem(key, None, PROMISES[number].example(key), hint)

    def _list(self, section: str) -> Iterator[Any]:
        items = self._tables.get(section, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            self._problem(section, items, f"[[{section}]] tables, one each", "Write the name in double brackets.")
            return
        for position, item in enumerate(items):
            name = item.get("id") or item.get("name") or f"[{position}]"
            yield self._build(_LISTS[section], item, f"{section}.{name}.")

    def _table(self, section: str) -> Any:
        table = self._tables[section]
        if not isinstance(table, dict):
            self._problem(section, table, f"a [{section}] table", "Write the name in brackets, and its keys below.")
            table = {}
        return self._build(_TABLES[section], table, f"{section}.")

    def _build(self, kind: Any, table: dict[str, Any], prefix: str) -> Any:
        """Return one dataclass from one table. A missing or invalid value is reported, and replaced by a stand-in."""
        fields, types = {field.name: field for field in dataclasses.fields(kind)}, get_type_hints(kind)
        self._check_keys(table, set(fields), prefix)
        values = {}
        for name, field in fields.items():
            kind_of_value = _KINDS[types[name]]
            if name in table:
                values[name] = self._value(table[name], kind_of_value, prefix + name, field.default)
            elif field.default is dataclasses.MISSING:
                self._problem(prefix + name, None, kind_of_value.allowed, "Add the key.")
                values[name] = kind_of_value.stand_in
        if values.get("id") == "":
            values["id"] = f"{_UNNAMED}{next(self._unnamed)}"
        return kind(**values)

    def _value(self, value: Any, kind: _Kind, key: str, default: Any) -> Any:
        if kind.is_valid(value):
            return kind.convert(value)
        self._problem(key, value, kind.allowed, "Change the value.")
        return default if kind.stand_in is None else kind.stand_in

    def _check_keys(self, table: dict[str, Any], known: set[str], prefix: str) -> None:
        for name in table:
            if name not in known:
                self._problem(prefix + name, table[name], ", ".join(sorted(known)), "Correct the key's name, or remove it.")

    def _problem(self, key: str, value: object, allowed: str, hint: str) -> None:
        self._problems.append(Problem(key, value, allowed, hint))

    def _located_problems(self) -> list[Problem]:
        """Return the first problem of each key and value, with file and line."""
        first: dict[tuple[str, str], Problem] = {}
        for problem in self._problems:
            first.setdefault((problem.key, "" if problem.value in (None, "") else str(problem.value)), problem)
        located = [dataclasses.replace(p, file=self._name, line=self._line(p.key)) for p in first.values()]
        return sorted(located, key=lambda problem: problem.line or 10**9)

    def _line(self, key: str) -> int:
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key.rpartition(".")[0]
        return 0


_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*(?:[\"']([^\"']*)[\"'])?")


def _lines(text: str) -> dict[str, int]:
    """Return the line of each key by its path. A table of a list has its id, name or use in the path."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, start = "", 0
    keys: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            lines |= _table_lines(table, start, keys)
            table, start, keys = header[2], number, {}
            if header[1] == "[[":
                position = counts[table] = counts.get(table, -1) + 1
                keys[""] = (0, f"[{position}]")
        elif key := _KEY.match(line):
            keys[key[1]] = (number, key[2] or "")
    return lines | _table_lines(table, start, keys)


def _table_lines(table: str, start: int, keys: dict[str, tuple[int, str]]) -> dict[str, int]:
    if not table:
        return {name: number for name, (number, _) in keys.items()}
    if "" in keys:
        position = keys.pop("")[1]
        name = next((keys[key][1] for key in ("id", "name", "use") if key in keys and keys[key][1]), position)
        table = f"{table}.{name}"
    return {table: start} | {f"{table}.{key}": number for key, (number, _) in keys.items()}
