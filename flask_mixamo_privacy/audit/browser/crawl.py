"""The crawl: one visitor for each state and login visits the site, several at a time."""

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
from ...policy.parts import declared_name, host_of
from ...policy.toml import lines_of
from ...storage.clock import timestamp
from ...web.context import current_runtime
from ...web.hosts import routes_by_host
from ...web.runtime import Runtime
from ..source.scan import own_hosts
from .evidence import UNASKED, Barrier, Evidence, State, Visited, flat, states_of
from .findings import merge_findings
from .launch import check_policy, launched, playwright_api, served
from .recorder import SharedWorkers
from .report import AuditReport, take_screenshots
from .rules import apply_rules
from .rules_interface import mask_addresses
from .suggestion import undeclared_of
from .target import AuditError, Routes, Step, Target
from .visitor import AuditVisitor, login_addresses, login_steps, without_javascript

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page


# Accessibility, by axe-core.

_RUN = """() => axe.run(document, { preload: false, resultTypes: ["violations"],
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } })"""


@lru_cache(maxsize=1)
def axe_source() -> str:
    """Return the source of axe-core, or raise :class:`MissingExtra`."""
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise MissingExtra("The audit", "audit") from None


async def record_barriers(page: Page, place: Visited, evidence: Evidence) -> None:
    """Record what axe-core reports on the current page, unless another login has visited the same route before."""
    if any(visited.place.route == place.route and visited.place.login != place.login for visited in evidence.pages):
        return
    try:
        result = await page.evaluate(f"{axe_source()};\n({_RUN})()")  # one call, because the page may navigate in between
    except playwright_api().Error as error:
        if "navigation" not in str(error):
            raise
        return  # the page has navigated by itself
    for violation in result["violations"]:
        for node in violation["nodes"]:
            target = " ".join(part if isinstance(part, str) else " ".join(part) for part in node["target"])
            message = f"{violation['help']} ({violation['helpUrl'].partition('?')[0]})"
            evidence.barriers.append(Barrier(place, violation["id"], message, target))


# The crawl.

_MAX_BROWSERS = 6  # at a time; more only wait for each other


@dataclass
class Crawl:
    """One crawl: its evidence, the routes of each login, and the routes that could not be visited."""

    target: Target
    progress: Callable[[int, int], None] = lambda done, of: None
    evidence: Evidence = field(default_factory=Evidence)
    routes: dict[str, list[str]] = field(default_factory=dict)  # by login
    unseen: dict[str, str] = field(default_factory=dict)  # reasons by route
    pages: int = 0
    workers: SharedWorkers = field(default_factory=SharedWorkers)
    _expected: int = 0

    async def run(self, browser: Browser) -> None:
        """Visit every page in every state, or raise :class:`AuditError`, for example if no page has a text."""
        states = states_of(self.target.policy)
        self.evidence.host, self.evidence.root = self.target.host, self.target.root
        self.evidence.names = self.target.names
        self.evidence.granted = {state.name: state.granted for state in flat(states)}
        await self.workers.attach(browser)
        logins = ["", *self.target.logins]
        await _run_all([partial(self._discover, browser, states[0], login) for login in logins])
        if not any(page.html and page.status < 400 and page.text for page in self.evidence.pages):
            raise AuditError(f"{self.target.url} has no page with a text in it. Check the URL and the patterns to skip.")
        # The longest tours run first, so that the crawl does not wait for them at its end.
        longest = sorted(states[1:], key=lambda state: state.then is None)
        tours = [partial(self._tour, browser, state, login) for state in longest for login in logins]
        tours += [
            partial(self._withdraw_after_steps, browser, state) for state in states if state.then and self.target.steps
        ]
        visits = [len(self.routes[login]) * (2 if state.then else 1) for state in states[1:] for login in logins]
        self._expected = self.pages + sum(visits) + len(self.routes[""])
        await _run_all([*tours, partial(self._without_javascript, browser)])

    async def _discover(self, browser: Browser, state: State, login: str) -> None:
        """Visit this login's pages without a decision: first those of the URL map, then those that they link to."""
        visitor = AuditVisitor(self.target, self.evidence, state, login)
        await visitor.start(browser, self.workers)
        routes, visited = self.target.routes, dict[str, str]()
        waiting = routes.first()
        while waiting and len(visited) < routes.limit:
            route = waiting.pop(0)
            key = routes.key(route)
            if key is None or key in visited:
                continue
            visited[key] = route
            page, links = await visitor.visit(route)
            self._count()
            waiting += links
            if page is not None and page.html and page.status < 400:
                await record_barriers(visitor.page, page.place, self.evidence)
        self.routes[login] = list(visited.values())
        await self._take_steps(visitor)

    async def _tour(self, browser: Browser, state: State, login: str) -> None:
        visitor = AuditVisitor(self.target, self.evidence, state, login)
        await visitor.start(browser, self.workers)
        await self._visit_routes(visitor)
        if state.then is not None:
            await visitor.decide(state.then)
            await visitor.record_remaining()
            await self._visit_routes(visitor)
        await self._take_steps(visitor)

    async def _withdraw_after_steps(self, browser: Browser, state: State) -> None:
        """Withdraw after the steps, and record which of the items that they stored remain."""
        visitor = AuditVisitor(self.target, self.evidence, state)
        await visitor.start(browser, self.workers)
        for step in self.target.steps:
            await visitor.step(step)
        if state.then is not None:
            await visitor.decide(state.then)
            await visitor.record_remaining()
        await visitor.finish()

    async def _visit_routes(self, visitor: AuditVisitor) -> None:
        for route in self.routes[visitor.login]:
            await visitor.visit(route)
            self._count()

    async def _take_steps(self, visitor: AuditVisitor) -> None:
        """Take the site's steps, and finish the visit."""
        for step in self.target.steps:
            await visitor.step(step)
        self.unseen |= visitor.unseen
        await visitor.finish()

    async def _without_javascript(self, browser: Browser) -> None:
        texts = {page.place.route: page.text for page in self.evidence.pages if page.place.state == UNASKED and page.html}
        routes = [route for route in self.routes[""] if texts.get(route)]
        async for page in without_javascript(browser, self.target, routes):
            self.evidence.no_script_pages.append(page)
            self._count()

    def _count(self) -> None:
        self.pages += 1
        self.progress(self.pages, self._expected)


async def _run_all(jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all jobs, a few at a time, and raise the first error."""
    semaphore = asyncio.Semaphore(_MAX_BROWSERS)

    async def run(job: Callable[[], Awaitable[None]]) -> None:
        async with semaphore:
            await job()

    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(run(job))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


# The audit: from an app or a URL to a report.


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
    """Visit a site with every possible decision, and report each difference between it and its declaration.

    An app is served on a free loopback port during the audit. A URL is that of the current app, running elsewhere.

    ``logins`` are Flask-Login user ids, or functions that sign in on a page of Playwright's asynchronous interface.
    ``examples`` are values for arguments of the URL map. ``steps`` are further actions of a visitor. These three default to
    the settings ``PRIVACY_AUDIT_LOGINS``, ``_EXAMPLES`` and ``_STEPS``.

    ``skip`` are patterns of paths. ``limit`` is the maximum number of pages for each login. ``wait`` is the time in seconds
    on each page after it has loaded. With ``offline``, only the site's own host resolves; ``hosts`` maps names to other
    addresses. ``pictures`` takes screenshots for an HTML report. ``progress`` is called with the number of visited pages and
    the expected number, which is 0 until it is known.

    Raises :class:`AuditError` if the site could not be audited.
    """
    playwright_api()
    is_url = isinstance(app_or_url, str)
    app: Flask = current_app._get_current_object() if is_url else app_or_url  # type: ignore[attr-defined, assignment]
    with app.app_context():
        runtime = current_runtime()
    if not is_url and routes_by_host(app):
        raise AuditError(_NEEDS_URL)
    with nullcontext(str(app_or_url).rstrip("/")) if is_url else served(app) as url:
        if is_url:
            check_policy(url, runtime)
        target = _target(app, runtime, url, logins, examples, steps, (skip, limit, wait))
        crawl = Crawl(target, progress)
        crawl.evidence.audit_logins = login_addresses(app, runtime, logins)
        with ThreadPoolExecutor(1) as thread:  # asyncio.run() fails in a thread that already runs an event loop
            return thread.submit(asyncio.run, _run(crawl, runtime, offline, hosts or {}, pictures)).result()


async def _run(crawl: Crawl, runtime: Runtime, offline: bool, hosts: Mapping[str, str], pictures: bool) -> AuditReport:
    started = time.time()
    async with launched(crawl.target.host, offline, hosts) as browser:
        try:
            await crawl.run(browser)
        except playwright_api().Error as error:  # on a page that every visit needs, such as the settings page
            raise AuditError(f"The browser stopped: {str(error).splitlines()[0]} Run the audit again.") from None
        report = _report(crawl, runtime, started)
        taken = await take_screenshots(browser, crawl.target, report.findings) if pictures else {}
    return replace(report, seconds=time.time() - started, pictures=taken)


_NEEDS_URL = (
    "The routes of this app depend on the host, but the audit would serve it at 127.0.0.1. "
    "Start the app, and pass the URL of one host: flask privacy audit http://shop.example."
)


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
    routes = Routes(app, root, {**settings.audit_examples, **(examples or {})}, skip, limit, urlsplit(url).netloc)
    own = url.removesuffix(root) if root else url
    sign_ins = login_steps(app, own, settings.audit_logins if logins is None else logins)
    actions = settings.audit_steps if steps is None else tuple(steps)
    return Target(
        own, host_of(url), root, settings.url_prefix, runtime.policy, routes, sign_ins, actions, wait, _names(app, runtime)
    )


def _names(app: Flask, runtime: Runtime) -> tuple[str, ...]:
    """Return the site's configured host names, so that none of them counts as a third party on loopback."""
    return tuple(sorted((own_hosts(app, runtime) | {(app.config["SESSION_COOKIE_DOMAIN"] or "").lstrip(".")}) - {""}))


def _name_as_declared(evidence: Evidence, beginning: str) -> None:
    """Rename the extension's own cookies to the names under which they are declared."""
    evidence.stored = [replace(item, name=declared_name(item.name, beginning)) for item in evidence.stored]
    evidence.remaining = [replace(item, name=declared_name(item.name, beginning)) for item in evidence.remaining]


def _report(crawl: Crawl, runtime: Runtime, started: float) -> AuditReport:
    target, evidence = crawl.target, crawl.evidence
    _name_as_declared(evidence, runtime.settings.cookie_name)
    file, lines = lines_of(runtime.settings.policy_file)
    rules = {target.routes.rule_of(route) for routes in crawl.routes.values() for route in routes}
    missed = [rule for rule in target.routes.without_example() if rule not in rules]
    return AuditReport(
        runtime.policy.site,
        target.url + target.root,
        file,
        tuple(merge_findings(apply_rules(evidence, runtime.policy), lines)),
        unseen=tuple(sorted((mask_addresses(route), mask_addresses(why)) for route, why in crawl.unseen.items())),
        notes=tuple(f"{rule} was not visited: no link leads to it. Add an example for its arguments." for rule in missed),
        states=tuple(evidence.granted),
        logins=tuple(target.logins),
        routes=tuple(sorted({mask_addresses(route) for routes in crawl.routes.values() for route in routes})),
        pages=crawl.pages,
        requests=len(evidence.requests),
        timestamp=timestamp(started),
        undeclared=undeclared_of(evidence, runtime.policy),
    )
