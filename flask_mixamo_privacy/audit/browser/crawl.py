"""Sends visitors over the site: one for each answer and each login, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .axe import barriers
from .evidence import Evidence
from .plainly import without_javascript
from .shared import SharedWorkers
from .states import UNASKED, State, flat, states_of
from .target import Target
from .trouble import CouldNotLook
from .visitor import Visitor

if TYPE_CHECKING:
    from playwright.async_api import Browser

_AT_ONCE = 6  # browsers; more only wait for each other


@dataclass
class Crawl:
    """One crawl: what was seen, which pages there are for whom, and why some were not seen."""

    target: Target
    progress: Callable[[int, int], None] = lambda done, of: None
    evidence: Evidence = field(default_factory=Evidence)
    routes: dict[str, list[str]] = field(default_factory=dict)  # by login
    unseen: dict[str, str] = field(default_factory=dict)  # by route
    pages: int = 0
    workers: SharedWorkers = field(default_factory=SharedWorkers)
    _expected: int = 0

    async def run(self, browser: Browser) -> None:
        """Look at everything; raises :class:`CouldNotLook`, above all where there was nothing to see."""
        states = states_of(self.target.policy)
        self.evidence.host, self.evidence.root = self.target.host, self.target.root
        self.evidence.names = self.target.names
        self.evidence.granted = {state.name: state.granted for state in flat(states)}
        await self.workers.attach(browser)
        logins = ["", *self.target.logins]
        await _together([partial(self._discover, browser, states[0], login) for login in logins])
        if not any(page.html and page.status < 400 and page.text for page in self.evidence.pages):
            raise CouldNotLook(f"There was nothing to see at {self.target.url}: no page with a text in it.")
        longest = sorted(states[1:], key=lambda state: state.then is None)  # first, so that nobody waits for them at the end
        tours = [partial(self._tour, browser, state, login) for state in longest for login in logins]
        tours += [partial(self._take_back, browser, state) for state in states if state.then and self.target.steps]
        legs = [len(self.routes[login]) * (2 if state.then else 1) for state in states[1:] for login in logins]
        self._expected = self.pages + sum(legs) + len(self.routes[""])
        await _together([*tours, partial(self._without_javascript, browser)])

    async def _discover(self, browser: Browser, state: State, login: str) -> None:
        """Find this visitor's pages, those of the URL map first, while looking at them without an answer given."""
        visitor = Visitor(self.target, self.evidence, state, login)
        await visitor.arrive(browser, self.workers)
        routes, found = self.target.routes, dict[str, str]()
        waiting = routes.first()
        while waiting and len(found) < routes.limit:
            route = waiting.pop(0)
            key = routes.key(route)
            if key is None or key in found:
                continue
            found[key] = route
            seen, links = await visitor.go(route)
            self._count()
            waiting += links
            if seen is not None and seen.html and seen.status < 400:
                await barriers(visitor.page, seen.place, self.evidence)
        self.routes[login] = list(found.values())
        await self._leave(visitor)

    async def _tour(self, browser: Browser, state: State, login: str) -> None:
        visitor = Visitor(self.target, self.evidence, state, login)
        await visitor.arrive(browser, self.workers)
        await self._go_over(visitor)
        if state.then is not None:
            await visitor.answer(state.then)
            await visitor.note_what_is_left()
            await self._go_over(visitor)
        await self._leave(visitor)

    async def _take_back(self, browser: Browser, state: State) -> None:
        """What the steps of a visitor who granted have left behind is gone with the withdrawal too."""
        visitor = Visitor(self.target, self.evidence, state)
        await visitor.arrive(browser, self.workers)
        for step in self.target.steps:
            await visitor.step(step)
        if state.then is not None:
            await visitor.answer(state.then)
            await visitor.note_what_is_left()
        await visitor.finish()

    async def _go_over(self, visitor: Visitor) -> None:
        for route in self.routes[visitor.login]:
            await visitor.go(route)
            self._count()

    async def _leave(self, visitor: Visitor) -> None:
        for step in self.target.steps:
            await visitor.step(step)
        self.unseen |= visitor.unseen
        await visitor.finish()

    async def _without_javascript(self, browser: Browser) -> None:
        texts = {page.place.route: page.text for page in self.evidence.pages if page.place.state == UNASKED and page.html}
        shown = [route for route in self.routes[""] if texts.get(route)]
        async for plain in without_javascript(browser, self.target, shown):
            self.evidence.plain.append(plain)
            self._count()

    def _count(self) -> None:
        self.pages += 1
        self.progress(self.pages, self._expected)


async def _together(jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all, a few at a time; the first error ends it."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def run(job: Callable[[], Awaitable[None]]) -> None:
        async with room:
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(run(job))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
