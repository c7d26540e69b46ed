"""What axe-core finds in a page, once the page is whole."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def faults(page: Any) -> list[str]:
    """One line for each element that axe-core finds at fault, or nothing.

    A click that leads to another page is over when that page begins; a page looked at before its style sheets are there
    has a browser's own colours, which are nobody's fault.
    """
    page.wait_for_load_state("load")
    found = Axe().run(page).response["violations"]
    return [f"{page.url}: {one['id']}: {node['html']}: {node['failureSummary']}" for one in found for node in one["nodes"]]
