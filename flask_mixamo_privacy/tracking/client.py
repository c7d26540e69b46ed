"""What the visitor's program and line say of themselves: browser, platform, provider, and whether it is a robot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: Characters of a User-Agent that are looked at; callers cut it, so that what is remembered has a bound.
LONGEST = 512


@dataclass(frozen=True, slots=True)
class Client:
    """A browser's families, without the versions that would tell one person from another."""

    browser: str
    platform: str
    robot: bool


@lru_cache(maxsize=4096)
def client_of(user_agent: str) -> Client:
    """Families by ua-parser, robots by crawler-user-agents; ``"Other"`` for what neither knows."""
    import ua_parser
    from crawleruseragents import is_crawler

    parsed = ua_parser.parse(user_agent)
    browser = parsed.user_agent.family if parsed.user_agent else "Other"
    platform = parsed.os.family if parsed.os else "Other"
    # A browser without a screen, as in a site's own tests, is no crawler: it had to press "Accept all" like anybody.
    return Client(browser, platform, is_crawler(user_agent.replace("HeadlessChrome", "Chrome")))


class Providers:
    """Internet providers by address, from a MaxMind database; knows none without one."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._reader: Any = None

    def __call__(self, address: str) -> str:
        """The provider's name, or the empty text. The address is looked up in memory and kept nowhere."""
        if self._path is None or not address:
            return ""
        if self._reader is None:
            import maxminddb

            self._reader = maxminddb.open_database(self._path)
        try:
            found = self._reader.get(address)
        except ValueError:
            return ""
        return str(found.get("isp") or found.get("autonomous_system_organization") or "") if found else ""
