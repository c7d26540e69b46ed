"""What is audited, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...policy.model import Policy
from .routes import Routes

if TYPE_CHECKING:
    from playwright.async_api import Page

#: Does on a page what a visitor may do: signs in, chooses a theme. The page is one of Playwright's asynchronous interface.
Step = Callable[["Page"], Awaitable[Any]]


@dataclass(frozen=True)
class Target:
    """One running site."""

    url: str  # without a slash at its end
    host: str
    root: str  # the path below which the app is mounted, without a slash at its end
    prefix: str  # of the extension's own pages
    policy: Policy
    routes: Routes
    logins: Mapping[str, Step]
    steps: tuple[Step, ...] = ()
    wait: float = 0.1  # seconds on each page after it has loaded
    names: tuple[str, ...] = ()  # other hosts under which the settings say that the site is found

    @property
    def settings(self) -> str:
        """The path of the settings page."""
        return f"{self.root}{self.prefix}/consent"

    @property
    def home(self) -> str:
        return f"{self.root}/"
