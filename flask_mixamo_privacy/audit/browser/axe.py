"""Asks axe-core what keeps people out of a page."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ...errors import MissingExtra
from .browser import tools
from .evidence import Barrier, Evidence, Place

if TYPE_CHECKING:
    from playwright.async_api import Page

_RUN = """() => axe.run(document, { preload: false, resultTypes: ["violations"],
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } })"""


@lru_cache(maxsize=1)
def source() -> str:
    """axe-core itself; raises :class:`MissingExtra`."""
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise MissingExtra("The audit", "audit") from None


async def barriers(page: Page, place: Place, evidence: Evidence) -> None:
    """Note what axe-core finds on the page at hand, unless it has looked at that page before."""
    if any(seen.place.route == place.route and seen.place.login != place.login for seen in evidence.pages):
        return
    try:
        found = await page.evaluate(f"{source()};\n({_RUN})()")  # in one, as the page may go on in between
    except tools().Error as error:
        if "navigation" not in str(error):
            raise
        return  # the page has gone on by itself meanwhile
    for violation in found["violations"]:
        for node in violation["nodes"]:
            target = " ".join(part if isinstance(part, str) else " ".join(part) for part in node["target"])
            says = f"{violation['help']} ({violation['helpUrl'].partition('?')[0]})"
            evidence.barriers.append(Barrier(place, violation["id"], says, target))
