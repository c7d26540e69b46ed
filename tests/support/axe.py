"""axe-core checks of a page that has loaded completely."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def faults(page: Any) -> list[str]:
    """Return one line for each element that axe-core reports.

    Wait until the page has loaded after a click, because a page without its style sheets still has the browser's default
    colours.
    """
    page.wait_for_load_state("load")
    found = Axe().run(page).response["violations"]
    return [f"{page.url}: {one['id']}: {node['html']}: {node['failureSummary']}" for one in found for node in one["nodes"]]
