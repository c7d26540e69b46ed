"""Invented visitors and the times of their visits, for ``flask privacy demo-data``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from math import log
from random import Random
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Persona = Literal["accepts", "counts", "refuses", "silent", "robot"]

#: The weight of each persona. Visitors accept everything, accept statistics alone, refuse, or do not answer the banner.
PERSONAS: dict[Persona, int] = {"accepts": 46, "counts": 8, "refuses": 33, "silent": 7, "robot": 6}

_MOZILLA = "Mozilla/5.0 "
_WEBKIT = " AppleWebKit/537.36 (KHTML, like Gecko) "
_WINDOWS, _MAC, _LINUX = "(Windows NT 10.0; Win64; x64)", "(Macintosh; Intel Mac OS X 10_15_7)", "(X11; Linux x86_64)"
_PHONE, _IPHONE = "(Linux; Android 15; Pixel 9)", "(iPhone; CPU iPhone OS 18_5 like Mac OS X)"

BROWSERS = {
    f"{_MOZILLA}{_WINDOWS}{_WEBKIT}Chrome/138.0.0.0 Safari/537.36": 24,
    f"{_MOZILLA}{_PHONE}{_WEBKIT}Chrome/138.0.0.0 Mobile Safari/537.36": 20,
    f"{_MOZILLA}{_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": 17,
    f"{_MOZILLA}{_MAC}{_WEBKIT}Chrome/138.0.0.0 Safari/537.36": 9,
    f"{_MOZILLA}{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15": 8,
    f"{_MOZILLA}(Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0": 9,
    f"{_MOZILLA}(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": 5,
    f"{_MOZILLA}{_WINDOWS}{_WEBKIT}Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0": 7,
    f"{_MOZILLA}{_LINUX}{_WEBKIT}Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0": 1,
}
ROBOTS = {
    f"{_MOZILLA}(compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 3,
    f"{_MOZILLA}(compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": 1,
}
LANGUAGES = {
    "en-GB,en;q=0.9": 30, "en-US,en;q=0.9": 26, "de-DE,de;q=0.9,en;q=0.5": 16, "fr-FR,fr;q=0.9": 10,
    "es-ES,es;q=0.9": 8, "ar;q=0.9,en;q=0.5": 3, "pl-PL,pl;q=0.9": 4, "ja-JP,ja;q=0.9": 3,
}  # fmt: skip
REFERRERS = {
    "": 38, "https://search.example/": 30, "https://forum.example/threads/walk-cycles": 11,
    "https://video.example/watch": 9, "https://news.example/weekly": 7, "https://links.example/animation": 5,
}  # fmt: skip
#: The weight of each hour of the day, from midnight on.
HOURS = (3, 2, 1, 1, 1, 2, 4, 8, 13, 18, 21, 20, 16, 17, 19, 18, 16, 15, 17, 21, 24, 20, 12, 6)


class DemoVisitor(NamedTuple):
    """An invented visitor: the persona decides on the banner, and the other fields describe the browser."""

    number: int
    persona: Persona
    browser: str
    language: str
    address: str
    has_script: bool


class Arrival(NamedTuple):
    """The start of one visit: its time, its visitor, the number of the visitor's visits so far, and its referrer."""

    at: float
    person: DemoVisitor
    nth: int
    referrer: str


@dataclass(frozen=True)
class DemoVisitors:
    """Invented visitors whose visits spread over some days until a time. The same seed returns the same visitors."""

    visitors: int
    days: int
    end: float
    zone: ZoneInfo
    seed: int

    def arrivals(self) -> list[Arrival]:
        """Return every visit in order of time."""
        chance = Random(self.seed)  # noqa: S311 — invented visitors need no secrets
        visits = [arrival for number in range(self.visitors) for arrival in self._visits(person(number, chance), chance)]
        return sorted(visits, key=lambda arrival: arrival.at)

    def _visits(self, visitor: DemoVisitor, chance: Random) -> Iterator[Arrival]:
        day = chance.choices(self._dates, self._day_weights)[0]
        nth, last = 1, self._dates[-1]
        while day <= last:
            at = self._moment(day, chance)
            if at < self.end:
                yield Arrival(at, visitor, nth, pick(REFERRERS, chance) if nth == 1 or chance.random() < 0.75 else "")
                nth += 1
            if chance.random() > 0.5:
                return
            # Many visitors return within days, some after weeks.
            day += timedelta(days=1 + int(-log(1 - chance.random()) * 5))

    @cached_property
    def _dates(self) -> list[date]:
        last = datetime.fromtimestamp(self.end, self.zone).date()
        return [last - timedelta(days=back) for back in range(self.days - 1, -1, -1)]

    @cached_property
    def _day_weights(self) -> list[float]:
        """The weight of each day: growing traffic, quiet weekends, and one busy day."""
        busiest = len(self._dates) * 3 // 5
        return [
            (1 + 0.6 * number / len(self._dates)) * (0.75 if day.weekday() > 4 else 1) * (2.2 if number == busiest else 1)
            for number, day in enumerate(self._dates)
        ]

    def _moment(self, day: date, chance: Random) -> float:
        hour = chance.choices(range(24), HOURS)[0]
        moment = datetime.combine(day, time(hour), self.zone)
        return moment.timestamp() + chance.randrange(3_600_000) / 1000


def person(number: int, chance: Random) -> DemoVisitor:
    """Return a random visitor."""
    persona: Persona = chance.choices(list(PERSONAS), list(PERSONAS.values()))[0]
    # Reports count the visitors of one network once. Each has a network of its own, reserved for documentation (RFC 3849).
    address = f"2001:db8:{number % 0xFFFF:x}::{chance.randrange(1, 255):x}"
    agent = pick(ROBOTS if persona == "robot" else BROWSERS, chance)
    return DemoVisitor(number, persona, agent, pick(LANGUAGES, chance), address, chance.random() < 0.95)


def pick(weighted: dict[str, int], chance: Random) -> str:
    """Return a random key, weighted by its value."""
    return chance.choices(list(weighted), list(weighted.values()))[0]


def by_rank(items: Sequence[str], chance: Random) -> str:
    """Return a random item by Zipf's law: the second is half as likely as the first, the third a third as likely."""
    return chance.choices(items, [1 / rank for rank in range(1, len(items) + 1)])[0]
