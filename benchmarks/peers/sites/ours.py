"""The blog with this extension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import visitors
from benchmarks.blog import blog

VERSIONS = ("Flask",)
CASES: dict[str, str] = {}


def apps(folder: Path) -> tuple[Any, Any]:
    """Return the bare blog, and the blog with the banner, the tracker's tag and the log of page views."""
    bare, extended = blog(_made(folder / "bare"), False), blog(_made(folder / "extended"), True)
    CASES.update(
        {
            "visitor is asked": "",
            "visitor refused": visitors.refused(extended),
            "page view stored": visitors.consented(extended),
        }
    )
    return bare, extended


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def check(bare: Any, extended: Any) -> None:
    """Assert that the sides differ as they should."""
    assert "mixamo-ask" in extended.test_client().get("/").text
    assert "mixamo-ask" not in bare.test_client().get("/").text
