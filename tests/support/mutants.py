"""Mutation testing: a copy of the repository in which every function can be changed by mutmut.

mutmut changes no decorated function, and so no cached one and no property. In the copy, ``@cached def f`` is ``f = cached(f)``.
Its caches keep nothing, because mutmut forks a process that has run every test, and would find the right results there.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNCOPIED = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "instance", "mutants")
#: What mutmut understands, and what is no call of one function.
_CACHE = re.compile(r"bounded_cache\(\d+\)")
KEPT = {"staticmethod", "classmethod", "overload", "abstractmethod"}


def undecorated(source: str) -> str:
    """Return a module's source with each decorator of a function as a call after the function."""
    lines, inserted = source.splitlines(), dict[int, list[str]]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.decorator_list and all(map(_is_a_call, node.decorator_list)):
            first, last = node.decorator_list[0].lineno - 1, node.decorator_list[-1].end_lineno or 0
            lines[first:last] = [""] * (last - first)
            call = node.name
            for decorator in map(ast.unparse, reversed(node.decorator_list)):
                call = f"{_CACHE.sub('bounded_cache(0)', decorator)}({call})" if decorator != "cache" else call
            inserted.setdefault(node.end_lineno or 0, []).append(f"{' ' * node.col_offset}{node.name} = {call}")
    for line in sorted(inserted, reverse=True):
        lines[line:line] = inserted[line]
    return "\n".join(lines) + "\n"


def _is_a_call(decorator: ast.expr) -> bool:
    name = ast.unparse(decorator)
    return name not in KEPT and not name.endswith((".setter", ".register"))


def copy_for_mutmut(target: Path, changed: list[str]) -> None:
    """Copy the repository, and rewrite the modules that are to be changed."""
    shutil.copytree(ROOT, target, ignore=UNCOPIED, dirs_exist_ok=True)
    for pattern in changed:
        for path in target.glob(pattern):
            path.write_text(undecorated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    copy_for_mutmut(Path(sys.argv[1]), setup["mutmut"]["only_mutate"].split())
