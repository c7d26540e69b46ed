"""The layout: which packages there are, how long a file may be, and that a map of them is true."""

from __future__ import annotations

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import flask_mixamo_privacy

PACKAGE = Path(flask_mixamo_privacy.__file__).parent
ROOT = Path(__file__).parents[1]
PACKAGES = {
    "i18n", "policy", "storage", "ledger", "consent", "tracking", "reports", "rights", "mail", "collection", "web", "audit", "cli",
}  # fmt: skip
AT_THE_ROOT = {"__init__", "extension", "config", "errors", "signals", "testing", "wtf", "mailman"}
#: Names that two packages define on purpose: the declaration's own word, and Flask's.
SHORT = {"signals.py"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_the_packages_are_those_of_the_map() -> None:
    """The package has thirteen packages, and at its root only the names that a site's developer types."""
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"static", "templates"} == PACKAGES
    assert {path.stem for path in PACKAGE.glob("*.py")} == AT_THE_ROOT


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_file_is_neither_a_fragment_nor_a_bag(path: Path) -> None:
    """A file has 40 to 350 lines, so that what is read together stands together."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 350, f"{lines} lines: move a part that is read by itself"
    assert lines >= 40 or path.name == "__init__.py" or name_of(path) in SHORT, f"{lines} lines: join what it is read with"


def test_no_two_classes_share_a_name() -> None:
    """A class name means one thing in the whole package."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MODULES]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert not {name: number for name, number in names.items() if number > 1}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_states_its_purpose(package: str) -> None:
    """A package's face states what the package is for, what it knows, and what goes in and out."""
    text = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(text.split()) >= 25, text


def test_the_map_names_every_package_and_no_other() -> None:
    """CONTRIBUTING.md draws the tree with one line for each package, in the order of the import contract."""
    contract = re.search(r"\nlayers =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text(encoding="utf-8"))
    assert contract is not None
    layers = [name for line in reversed(contract[1].splitlines()) for name in line.replace("|", " ").split()]
    drawn = re.findall(r"^    (\w+)/ ", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert drawn == [name for name in layers if name in PACKAGES]


def test_the_journeys_of_the_map_exist() -> None:
    """Each function that CONTRIBUTING.md names on a journey exists under that name."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Four journeys")[2].partition("\n## ")[0]
    names = [name for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", text) if name.split(".")[0] in PACKAGES]
    assert len(names) > 25
    missing = [name for name in names if not exists(name)]
    assert not missing


def exists(name: str) -> bool:
    """Report whether a dotted name below the package is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join((PACKAGE.name, *parts[:length])))
        except ModuleNotFoundError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[length:])
    return False
