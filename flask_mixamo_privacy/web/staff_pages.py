"""The pages for staff: which of them a user may open, and what their front page reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app, request, url_for
from werkzeug.routing import BuildError

from ..i18n.language import Language, LocalizedText
from ..storage.clock import now
from .access import may_access
from .context import PrivacyContext
from .health import health_of
from .runtime import Runtime

if TYPE_CHECKING:
    from ..audit.checks import CheckFinding

#: The needs of the extension's own pages for staff. The front page opens for a user who has any of them.
NEEDS = ("reports", "requests", "health")
_KEPT = 600.0  # seconds for which the findings of the check are kept


@dataclass(frozen=True)
class StaffPage:
    """A page that the current user may open."""

    url: str
    title: LocalizedText
    is_current: bool


def staff_pages(ctx: PrivacyContext) -> list[StaffPage]:
    """Return the pages for staff that the current user may open, the front page first. Empty for all other users."""
    t, own = ctx.language, ctx.runtime.settings.staff_pages
    allowed = {need for need in {*NEEDS, *(need for need, _ in own.values())} if may_access(need)}
    if not allowed:
        return []
    pages = [_own_page("staff", t("Overview"))]
    if "reports" in allowed:
        pages.append(_own_page("reports", t("Reports")))
    if "requests" in allowed:
        pages.append(_own_page("staff_requests", t("Data requests"), "staff_request", "act_on_request"))
    return [*pages, *_site_pages(ctx, allowed)]


def _own_page(endpoint: str, title: LocalizedText, *more: str) -> StaffPage:
    current = (request.endpoint or "").removeprefix("mixamo_privacy.")
    return StaffPage(url_for(f"mixamo_privacy.{endpoint}"), title, current in (endpoint, *more))


def _site_pages(ctx: PrivacyContext, allowed: set[str]) -> Iterator[StaffPage]:
    """Yield the site's own pages for staff. A page whose URL cannot be built is reported and left out."""
    policy = ctx.runtime.policy
    for endpoint, (need, title) in ctx.runtime.settings.staff_pages.items():
        if need not in allowed:
            continue
        try:
            yield StaffPage(url_for(endpoint), ctx.language.of(title, policy.language), request.endpoint == endpoint)
        except BuildError as error:
            ctx.runtime.report_failure(error, f"PRIVACY_STAFF_PAGES names the endpoint {endpoint!r}, which has no URL")


# The parts of the front page.


def requests_part(runtime: Runtime) -> dict[str, Any]:
    """Return the numbers of open requests, and the most urgent five."""
    from ..rights.requests import days_left

    due = runtime.rights.requests.due()
    late = sum(1 for request in due if days_left(request) < 0)
    counts = runtime.rights.request_store.count_open()
    return {"open": sum(counts.values()), "verified": counts["verified"], "late": late, "due": due[:5]}


def mails_part(runtime: Runtime, figures: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of mails that wait to be sent, that could not be sent, and that a person has to read."""
    from ..mail.inbox import Quarantine

    waiting = figures["mails"] or {}
    unread = Quarantine(runtime.settings.mail_aside, runtime.policy.retention.mail).count()
    unsent = sum(waiting.get(name, 0) for name in ("waiting", "held_back", "opt_in_links"))
    return {"waiting": unsent, "failed": waiting.get("undeliverable", 0), "unread": unread}


def health_part(figures: Mapping[str, Any], t: Language) -> list[LocalizedText]:
    """Return one sentence for each fault, or else that there is none."""
    names = {"events": t("Events"), "ledger": t("Ledger"), "rights": t("Data requests")}
    faults = [
        t("This database cannot be used: %(name)s.", name=names[name])
        for name, database in figures["databases"].items()
        if database["state"] != "ok"
    ]
    if figures["keys"]["state"] != "ok":
        faults.append(t("The keys cannot be read."))
    log = figures["log"]
    if log["waiting_bytes"] is None:
        faults.append(t("The log files cannot be read."))
    elif not figures["healthy"] and not faults:
        faults.append(t("The log files are full, so no visit is counted."))
    return faults or [t("Everything works.")]


def figures_of(runtime: Runtime) -> dict[str, Any]:
    """Return the figures of the health page."""
    return health_of(runtime)


class KeptFindings:
    """The findings of ``flask privacy check`` in one process. The check runs again after ten minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._findings: list[CheckFinding] | None = None
        self._time = ""

    def read(self, runtime: Runtime) -> tuple[list[CheckFinding] | None, str]:
        """Return the findings and the time of the check. None if the site replaced the command group."""
        with self._lock:
            if time.monotonic() >= self._until:
                # The check is in a package above this one, and its commands are registered with the app.
                check = getattr(current_app.cli.commands.get("privacy"), "findings", None)
                self._findings = check(runtime) if check is not None else None
                self._time, self._until = f"{now():%H:%M}", time.monotonic() + _KEPT
            return self._findings, self._time


def kept_findings(runtime: Runtime) -> KeptFindings:
    """Return the findings that this app keeps."""
    kept: KeptFindings = current_app.extensions.setdefault("mixamo_privacy_findings", KeptFindings())
    return kept
