"""The audit: a running site held against its declaration in a real browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app

from ...policy.declaration import lines_of
from ...policy.policy import host_of
from ...storage.moments import timestamp
from ...web.site import Site, site
from ..source.sources import own_hosts
from .browser import launched, tools
from .crawl import Crawl
from .finding import gather
from .persons import hidden
from .pictures import take
from .report import Report
from .routes import Routes
from .rules_main import judge
from .server import served
from .signing import people_of, steps_of
from .target import Step, Target
from .trouble import CouldNotLook
from .whose import check_policy

__all__ = ["CouldNotLook", "Report", "audit"]


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
) -> Report:
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
        here = site()
    with nullcontext(str(app_or_url).rstrip("/")) if given else served(app) as url:
        if given:
            check_policy(url, here)
        target = _target(app, here, url, logins, examples, steps, (skip, limit, wait))
        crawl = Crawl(target, progress)
        crawl.evidence.people = people_of(app, here, logins)
        with ThreadPoolExecutor(1) as thread:  # asyncio minds an event loop that may run in this one
            return thread.submit(asyncio.run, _look(crawl, here, offline, hosts or {}, pictures)).result()


async def _look(crawl: Crawl, here: Site, offline: bool, hosts: Mapping[str, str], pictures: bool) -> Report:
    started = time.time()
    async with launched(crawl.target.host, offline, hosts) as browser:
        try:
            await crawl.run(browser)
        except tools().Error as error:  # of a page that is everybody's, such as the settings page
            raise CouldNotLook(f"The browser could not go on: {str(error).splitlines()[0]}") from None
        report = _report(crawl, here, started)
        taken = await take(browser, crawl.target, report.findings) if pictures else {}
    return replace(report, seconds=time.time() - started, pictures=taken)


def _target(
    app: Flask, here: Site, url: str, logins: Any, examples: Any, steps: Any, bounds: tuple[Collection[str], int, float]
) -> Target:
    settings, (skip, limit, wait) = here.settings, bounds
    root = urlsplit(url).path.rstrip("/")
    routes = Routes(app, root, {**settings.audit_examples, **(examples or {})}, skip, limit)
    own = url.removesuffix(root) if root else url
    signing = steps_of(app, own, settings.audit_logins if logins is None else logins)
    doing = settings.audit_steps if steps is None else tuple(steps)
    return Target(own, host_of(url), root, settings.url_prefix, here.policy, routes, signing, doing, wait, _names(app, here))


def _names(app: Flask, here: Site) -> tuple[str, ...]:
    """What the site is called where it is served, so that nothing of its own is another's here."""
    return tuple(sorted((own_hosts(app, here) | {(app.config["SESSION_COOKIE_DOMAIN"] or "").lstrip(".")}) - {""}))


def _report(crawl: Crawl, here: Site, started: float) -> Report:
    target, evidence = crawl.target, crawl.evidence
    file, lines = lines_of(here.settings.policy_file)
    rules = {target.routes.rule_of(route) for routes in crawl.routes.values() for route in routes}
    missed = [rule for rule in target.routes.without_example() if rule not in rules]
    return Report(
        here.policy.site,
        target.url + target.root,
        file,
        tuple(gather(judge(evidence, here.policy), lines)),
        unseen=tuple(sorted((hidden(route), hidden(why)) for route, why in crawl.unseen.items())),
        notes=tuple(f"No example and no link led to {rule}." for rule in missed),
        states=tuple(evidence.granted),
        logins=tuple(target.logins),
        routes=tuple(sorted({hidden(route) for routes in crawl.routes.values() for route in routes})),
        pages=crawl.pages,
        requests=len(evidence.asked),
        at=timestamp(started),
    )
