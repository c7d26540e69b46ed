"""The README's links as a package index needs them: absolute, below the address of the repository in setup.cfg.

The address is ``Source`` in ``project_urls``, and nowhere else. ``python -m support.readme_links`` rewrites README.md for it.
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The targets of links and pictures: in the text, and in the list at the end.
TARGET = re.compile(r"(?<=\]\()[^)\s]+(?=\))|(?<=\]: )\S+$", re.MULTILINE)
PICTURES = (".png", ".svg")


def source_url(setup: Path = ROOT / "setup.cfg") -> str:
    """Return the address of the repository, or the empty string as long as none is public."""
    parser = ConfigParser()
    parser.read(setup, encoding="utf-8")
    lines = parser["metadata"].get("project_urls", "").strip().splitlines()
    return dict(line.split(" = ") for line in lines).get("Source", "").rstrip("/")


def absolute(text: str, source: str) -> str:
    """Return a page whose links to files lead to the repository. Links that are absolute stay."""
    return TARGET.sub(lambda found: _absolute(found[0], source), text)


def _absolute(target: str, source: str) -> str:
    if target.startswith(("#", "http://", "https://", "mailto:")):
        return target
    kind = "raw" if target.partition("#")[0].endswith(PICTURES) else "blob"
    return f"{source}/{kind}/HEAD/{target}"


if __name__ == "__main__":
    url = source_url()
    assert url, "setup.cfg names no repository: add project_urls with a line Source = https://…"
    readme = ROOT / "README.md"
    readme.write_text(absolute(readme.read_text(encoding="utf-8"), url), encoding="utf-8")
