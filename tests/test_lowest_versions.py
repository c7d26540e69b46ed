"""The oldest supported versions: what setup.cfg allows is what `make test-lowest` tests and the documentation states."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BY_FLASK = {"werkzeug"}


def requirements(text: str) -> dict[str, str]:
    """Return each package with its version specifier."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {asked.name.lower(): str(asked.specifier) for asked in map(Requirement, filter(None, lines))}


def floors() -> dict[str, str]:
    """Return the oldest version of each package that an installation needs, or that the extras for production need."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    asked = requirements("\n".join((setup["options"]["install_requires"], extras["postgres"], extras["isp"])))
    return {name: specifier.removeprefix(">=") for name, specifier in asked.items()}


def pinned() -> dict[str, str]:
    pins = requirements((ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8"))
    return {name: specifier.removeprefix("==") for name, specifier in pins.items()}


def test_the_oldest_versions_are_tested() -> None:
    """Each requirement is a floor without a ceiling, and is tested at exactly that version."""
    assert {name: version for name, version in pinned().items() if name not in BY_FLASK} == floors()
    assert all(re.fullmatch(r"[0-9.]+", version) for version in pinned().values())


def test_the_documentation_states_the_oldest_versions() -> None:
    """The table of supported versions names the packages that applications pin."""
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", text.partition("## Supported versions")[2], re.MULTILINE)
    stated = {name.lower(): version for name, version in rows if name != "Python"}
    assert stated == {name: pinned()[name] for name in stated} and len(stated) >= 8
