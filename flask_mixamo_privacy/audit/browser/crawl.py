"""Sends visitors over the site: one for each answer and each login, several at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, current_app

from ...errors import MissingExtra
from ...policy.parts import host_of
from ...policy.toml import lines_of
from ...storage.clock import timestamp
from ...web.runtime import Runtime, current_runtime
from ..source.scan import own_hosts
from .evidence import UNASKED, Barrier, Evidence, State, Visited, flat, states_of
from .findings import merge_findings
from .launch import check_policy, launched, served, tools
from .recorder import SharedWorkers
from .report import AuditReport, take_screenshots
from .rules import apply_rules
from .rules_interface import hidden
from .target import AuditError, Routes, Step, Target
from .visitor import AuditVisitor, people_of, steps_of, without_javascript

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page


# Asks axe-core what keeps people out of a page.

_RUN = """() => axe.run(document, { preload: false, resultTypes: ["violations"],
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } })"""


@lru_cache(maxsize=1)
def source() -> str:
    """axe-core itself; raises :class:`MissingExtra`."""
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise MissingExtra("The audit", "audit") from None


async def barriers(page: Page, place: Visited, evidence: Evidence) -> None:
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
            raise AuditError(f"There was nothing to see at {self.target.url}: no page with a text in it.")
        longest = sorted(states[1:], key=lambda state: state.then is None)  # first, so that nobody waits for them at the end
        tours = [partial(self._tour, browser, state, login) for state in longest for login in logins]
        tours += [partial(self._take_back, browser, state) for state in states if state.then and self.target.steps]
        legs = [len(self.routes[login]) * (2 if state.then else 1) for state in states[1:] for login in logins]
        self._expected = self.pages + sum(legs) + len(self.routes[""])
        await _together([*tours, partial(self._without_javascript, browser)])

    async def _discover(self, browser: Browser, state: State, login: str) -> None:
        """Find this visitor's pages, those of the URL map first, while looking at them without an answer given."""
        visitor = AuditVisitor(self.target, self.evidence, state, login)
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
        visitor = AuditVisitor(self.target, self.evidence, state, login)
        await visitor.arrive(browser, self.workers)
        await self._go_over(visitor)
        if state.then is not None:
            await visitor.answer(state.then)
            await visitor.note_what_is_left()
            await self._go_over(visitor)
        await self._leave(visitor)

    async def _take_back(self, browser: Browser, state: State) -> None:
        """What the steps of a visitor who granted have left behind is gone with the withdrawal too."""
        visitor = AuditVisitor(self.target, self.evidence, state)
        await visitor.arrive(browser, self.workers)
        for step in self.target.steps:
            await visitor.step(step)
        if state.then is not None:
            await visitor.answer(state.then)
            await visitor.note_what_is_left()
        await visitor.finish()

    async def _go_over(self, visitor: AuditVisitor) -> None:
        for route in self.routes[visitor.login]:
            await visitor.go(route)
            self._count()

    async def _leave(self, visitor: AuditVisitor) -> None:
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


# The audit: a running site held against its declaration in a real browser.


def audit(
    app_or_url: Flask | str,
    *,
    logins: Mapping[str, str | Step] | None = None,
    examples: Mapping[str, str] | None = None,
    steps: Collection[Step] | None = None,
    skip: Collection[str] = (),
    limit: int = 40,
    wait: float = 0.1,
    offline: bool = False,
    hosts: Mapping[str, str] | None = None,
    pictures: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> AuditReport:
    """Look at a site as visitors with every answer see it, and tell where it and its declaration are apart.

    An app is served on a free port of loopback for as long as it takes; an address is that of the current app, running
    elsewhere. ``logins`` are Flask-Login's user ids, or functions that sign in on a page of Playwright's asynchronous
    interface; ``examples`` are values for arguments of the URL map; ``steps`` do what else a visitor may do; all three
    default to the settings ``PRIVACY_AUDIT_LOGINS``, ``_EXAMPLES`` and ``_STEPS``. ``skip`` are patterns of paths,
    ``limit`` is the most pages for each login, ``wait`` the seconds on each page after it has loaded. ``offline`` finds no
    other host than the site's own, ``hosts`` says where others are found instead. ``pictures`` are taken for a report in
    HTML. ``progress`` is told how many pages are done, and of how many once that is known, else of 0.

    Raises :class:`CouldNotLook` where there is nothing to judge by.
    """
    tools()
    given = isinstance(app_or_url, str)
    app: Flask = current_app._get_current_object() if given else app_or_url  # type: ignore[attr-defined, assignment]
    with app.app_context():
        runtime = current_runtime()
    with nullcontext(str(app_or_url).rstrip("/")) if given else served(app) as url:
        if given:
            check_policy(url, runtime)
        target = _target(app, runtime, url, logins, examples, steps, (skip, limit, wait))
        crawl = Crawl(target, progress)
        crawl.evidence.audit_logins = people_of(app, runtime, logins)
        with ThreadPoolExecutor(1) as thread:  # asyncio minds an event loop that may run in this one
            return thread.submit(asyncio.run, _look(crawl, runtime, offline, hosts or {}, pictures)).result()


async def _look(crawl: Crawl, runtime: Runtime, offline: bool, hosts: Mapping[str, str], pictures: bool) -> AuditReport:
    started = time.time()
    async with launched(crawl.target.host, offline, hosts) as browser:
        try:
            await crawl.run(browser)
        except tools().Error as error:  # of a page that is everybody's, such as the settings page
            raise AuditError(f"The browser could not go on: {str(error).splitlines()[0]}") from None
        report = _report(crawl, runtime, started)
        taken = await take_screenshots(browser, crawl.target, report.findings) if pictures else {}
    return replace(report, seconds=time.time() - started, pictures=taken)


def _target(
    app: Flask,
    runtime: Runtime,
    url: str,
    logins: Any,
    examples: Any,
    steps: Any,
    bounds: tuple[Collection[str], int, float],
) -> Target:
    settings, (skip, limit, wait) = runtime.settings, bounds
    root = urlsplit(url).path.rstrip("/")
    routes = Routes(app, root, {**settings.audit_examples, **(examples or {})}, skip, limit)
    own = url.removesuffix(root) if root else url
    signing = steps_of(app, own, settings.audit_logins if logins is None else logins)
    doing = settings.audit_steps if steps is None else tuple(steps)
    return Target(
        own, host_of(url), root, settings.url_prefix, runtime.policy, routes, signing, doing, wait, _names(app, runtime)
    )


def _names(app: Flask, runtime: Runtime) -> tuple[str, ...]:
    """What the site is called where it is served, so that nothing of its own is another's here."""
    return tuple(sorted((own_hosts(app, runtime) | {(app.config["SESSION_COOKIE_DOMAIN"] or "").lstrip(".")}) - {""}))


def _report(crawl: Crawl, runtime: Runtime, started: float) -> AuditReport:
    target, evidence = crawl.target, crawl.evidence
    file, lines = lines_of(runtime.settings.policy_file)
    rules = {target.routes.rule_of(route) for routes in crawl.routes.values() for route in routes}
    missed = [rule for rule in target.routes.without_example() if rule not in rules]
    return AuditReport(
        runtime.policy.site,
        target.url + target.root,
        file,
        tuple(merge_findings(apply_rules(evidence, runtime.policy), lines)),
        unseen=tuple(sorted((hidden(route), hidden(why)) for route, why in crawl.unseen.items())),
        notes=tuple(f"No example and no link led to {rule}." for rule in missed),
        states=tuple(evidence.granted),
        logins=tuple(target.logins),
        routes=tuple(sorted({hidden(route) for routes in crawl.routes.values() for route in routes})),
        pages=crawl.pages,
        requests=len(evidence.asked),
        at=timestamp(started),
    )
