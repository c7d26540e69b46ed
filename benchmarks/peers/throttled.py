"""A slow phone's browser: the time until a visitor can press a banner's button, and the delay of a press."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask_mixamo_privacy.audit.browser.launch import SYSTEMS, chromium_arguments

#: Chromium's preset "Slow 4G" of its developer tools: milliseconds, and bytes a second.
SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375}
PHONE = {"width": 412, "height": 823}
_LOADED, _PRESSED = 4, 6  # how many times slower the processor is while a page loads, and while a button is pressed
_PATIENCE = 30_000  # milliseconds

# In each frame: does a press at the centre of the button reach the button? A banner that is still moving counts.
_WATCH = """
window.measured = {usable: null, shift: 0};
new PerformanceObserver(list => { for (const entry of list.getEntries()) measured.shift += entry.value; })
  .observe({type: "layout-shift", buffered: true});
const deep = (root, x, y) => {
  const hit = root.elementFromPoint(x, y);
  return hit?.shadowRoot && hit.shadowRoot !== root ? deep(hit.shadowRoot, x, y) ?? hit : hit;
};
const look = now => {
  const button = window.peerButton?.();
  if (button) {
    const box = button.getBoundingClientRect();
    const hit = box.width && deep(document, box.x + box.width / 2, box.y + box.height / 2);
    if (hit && (hit === button || button.contains(hit))) { measured.usable = now; return; }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
_DELAYS = """
window.delays = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (entry.interactionId) delays.push(entry.duration);
}).observe({type: "event", durationThreshold: 16, buffered: true});
"""
_PAINT = "performance.getEntriesByType('paint').find(one => one.name === 'first-paint')?.startTime"


@dataclass(frozen=True)
class Load:
    """One load of a page with a banner."""

    usable: float  # milliseconds from the start of the navigation to the first frame whose button can be pressed
    paint: float  # milliseconds to the page's first paint
    shift: float  # cumulative layout shift
    requests: int  # with the page itself
    bytes: int  # of these, as transferred, with their headers


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a headless Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, SYSTEMS)), None)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium_arguments())
        yield running
        running.close()


def visit(running: Any, addresses: list[str]) -> None:
    """Visit the pages once without a measurement, so that the server has compressed each of their files."""
    context = running.new_context(viewport=PHONE)
    page = context.new_page()
    for address in addresses:
        page.goto(address, wait_until="networkidle", timeout=2 * _PATIENCE)
    context.close()


def load(running: Any, address: str, button: str) -> Load:
    """Load the page in a new profile with an empty cache. ``button`` is a JavaScript expression for the banner's button."""
    context = running.new_context(viewport=PHONE)
    page = context.new_page()
    session = _slowed(context, page, _LOADED)
    sizes: dict[str, int] = {}
    session.on("Network.loadingFinished", lambda done: sizes.__setitem__(done["requestId"], int(done["encodedDataLength"])))
    page.add_init_script(f"window.peerButton = () => {button};" + _WATCH)
    page.goto(address, wait_until="commit", timeout=_PATIENCE)
    page.wait_for_function("measured.usable !== null", timeout=_PATIENCE, polling=100)
    page.wait_for_function(f"{_PAINT} !== undefined", timeout=_PATIENCE, polling=100)
    page.wait_for_load_state("networkidle", timeout=_PATIENCE)
    measured, paint = page.evaluate("measured"), page.evaluate(_PAINT)
    context.close()
    return Load(measured["usable"], paint, measured["shift"], len(sizes), sum(sizes.values()))


def press(running: Any, address: str, name: str) -> float:
    """Return how long the browser takes to show a press of the banner's button, in milliseconds; 0 is less than 16."""
    context = running.new_context(viewport=PHONE)
    page = context.new_page()
    page.add_init_script(_DELAYS)
    page.goto(address, wait_until="networkidle", timeout=_PATIENCE)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": _PRESSED})
    page.wait_for_timeout(300)
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_timeout(600)
    delays = page.evaluate("window.delays ?? []")
    context.close()
    return float(max(delays, default=0))


def _slowed(context: Any, page: Any, times: int) -> Any:
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": times})
    return session
