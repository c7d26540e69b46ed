"""The real browser: the system's Chromium, or Playwright's own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtra
from .trouble import NoBrowser

if TYPE_CHECKING:
    from playwright.async_api import Browser

# One process for a page and its frames, so that all of their traffic is told; and a browser that asks nothing by itself.
_ARGUMENTS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync --disable-component-update
--disable-background-networking --disable-site-isolation-trials"""
# Those that Playwright turns off, since the last such list counts; and the two pages that each new window loads for the
# suggestions of its address bar.
_WITHOUT = """AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades
HttpsFirstBalancedModeAutoEnable LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning
AvoidCorsURLLoaderRestartOnRedirect OptimizationHints NetworkTimeServiceQuerying AimEnabled
PreconnectToSearch WebUIOmniboxPopup WebUIOmniboxAimPopup"""
# The shell is the same browser without windows, which nobody sees here: a page costs it about half as much.
SYSTEMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def tools() -> Any:
    """Playwright's asynchronous interface; raises :class:`MissingExtra`."""
    try:
        import publicsuffixlist  # noqa: F401 — asked for here, so that nobody crawls for minutes to hear of it
        from playwright import async_api
    except ImportError:
        raise MissingExtra("The audit", "audit") from None
    return async_api


def arguments() -> list[str]:
    """What a Chromium is started with, to be quiet and quick."""
    return [*_ARGUMENTS.split(), f"--disable-features={','.join(_WITHOUT.split())}"]


@asynccontextmanager
async def launched(host: str, offline: bool, hosts: Mapping[str, str]) -> AsyncIterator[Browser]:
    """A browser. ``hosts`` says where a name is found instead (``{"cdn.example": "127.0.0.1:8000"}``); ``offline`` lets it
    find no other host than the site's own, though it still asks."""
    path = next(filter(None, map(shutil.which, SYSTEMS)), None)
    api = tools()
    async with api.async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=path, args=[*arguments(), *_rules(host, offline, hosts)]
            )
        except api.Error as error:
            raise NoBrowser(path, str(error).splitlines()[0]) from None
        try:
            yield browser
        finally:
            await browser.close()


def _rules(host: str, offline: bool, hosts: Mapping[str, str]) -> list[str]:
    found = [f"MAP {name} {there}" for name, there in hosts.items()]
    if offline:
        found += [
            "MAP * ~NOTFOUND",
            f"EXCLUDE {host.partition(':')[0]}",
            *(f"EXCLUDE {there.partition(':')[0]}" for there in hosts.values()),
        ]
    return [f"--host-resolver-rules={', '.join(found)}"] if found else []
