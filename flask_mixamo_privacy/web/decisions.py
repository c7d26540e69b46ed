"""Carrying out a decision: its record, what it erases and deletes, and the consent of the rest of the request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, product
from typing import Any

from flask import current_app
from werkzeug.http import dump_cookie
from werkzeug.wrappers import Response

from ..consent.decision import Consent, ConsentRecord, Decision, choose, decide
from ..consent.recording import (
    MOST_DELETIONS,
    DecisionRecorder,
    Deletion,
    cookie_domains,
    deletions,
    stored_for,
    without_own_cookies,
)
from ..errors import EventError, LedgerUnavailable
from ..ledger.entry import ShownText
from ..policy.model import Policy
from ..signals import consent_granted, consent_refused, consent_withdrawn
from ..storage.clock import timestamp
from ..tracking.events import Visitor, visitor_id
from .context import PrivacyContext, current_url
from .http import local_path


def carry_out(ctx: PrivacyContext, decision: Decision, shown: ShownText | None, *, source: str = "api") -> None:
    """Record a decision and apply it to this request and its response.

    Raises :class:`LedgerUnavailable`, only for a grant, and then applies nothing.
    """
    runtime, consents = ctx.runtime, ctx.consents_sent()
    before = visitor_to_carry_over(ctx) if ctx.receipt else None
    _record(ctx, decision, ctx.consent, shown, source)
    if len(consents) > 1:
        _end_all(ctx, consents)
    runtime.wake()  # the threads seal the day's refusals and delete old entries, also on a site without events
    choices = ctx.choices  # read before the new consent applies
    ctx.consent, ctx.record_to_set = decide(runtime.policy, decision.record, ctx.gpc), decision.record
    ctx.is_new_grant = decision.kind == "grant"
    if "statistics" in ctx.consent.granted and before is not None:
        ctx.carry_over(before)
    _keep_choices(ctx, decision, choices)
    withdrawn = stored_for(runtime.policy, decision.withdrawn, decision.withdrawn_services)
    site_cookies = deletions(without_own_cookies(withdrawn), ctx.request.cookies, ctx.cookie_host)
    ctx.cookie_deletions = [*deletions_of_copies(ctx, bool(decision.replaces)), *site_cookies][:MOST_DELETIONS]
    _send_signals(ctx, decision)


def _record(
    ctx: PrivacyContext, decision: Decision, before: Consent, shown: ShownText | None = None, source: str = "api"
) -> None:
    """Record a decision that changes a consent, and erase the events that the cookies of this consent find."""
    runtime = ctx.runtime
    found = ids_in_cookies(ctx, before) if before.record is not None else []
    DecisionRecorder(runtime.policy, runtime.ledger, runtime.store.erase_or_spool, runtime.report_failure).record(
        decision,
        visitor=found[0] if found else None,
        others=lambda: _other_ids(ctx, before, found),
        gpc=ctx.gpc,
        shown=shown,
        timestamp=timestamp(ctx.now),
        source=source,
    )


def _other_ids(ctx: PrivacyContext, before: Consent, found: list[str]) -> Iterator[str]:
    yield from found[1:]
    yield from ids_of_earlier_grants(ctx, before)


def _end_all(ctx: PrivacyContext, consents: Sequence[Consent]) -> None:
    """Withdraw the grant of each cookie, if several differ. One is the visitor's own, and no request shows which."""
    for consent in consents:
        if consent.record is not None and consent.record.receipt and not _has_ended(ctx, consent.record.receipt):
            withdrawal = choose(ctx.runtime.policy, consent, "reject_all", gpc=ctx.gpc, today=ctx.today)
            _record(ctx, withdrawal, consent)


def _has_ended(ctx: PrivacyContext, receipt: str) -> bool:
    try:
        return has_ended(ctx, receipt)
    except LedgerUnavailable:  # the withdrawal is spooled
        return False


def deletions_of_copies(ctx: PrivacyContext, ends_grant: bool) -> list[Deletion]:
    """Return what deletes copies of our cookies on other paths and domains, which another subdomain may have planted.

    A decision deletes them if a name has several valid values. If it ends a grant, which may itself be planted, it deletes
    those with a domain, because another subdomain can set no others.
    """
    if ctx.cookies.only_here:
        return []
    form = ctx.request.form if "form" in vars(ctx.request) else {}  # a body that no view has read stays unread
    urls = [current_url(ctx), local_path(form.get("next")) or "/", f"{ctx.mount}/"]
    found: list[Deletion] = []
    for name in ctx.cookies.names:
        number, domains = _valid_and_domains(ctx, name)
        if number == 1:  # nothing proves an attack, so a cookie of another app is left alone
            domains = [domain for domain in domains if domain is not None] if len(ctx.sent(name)) == 1 else []
        if number > 1 or (number == 1 and ends_grant):
            found += deletions_on_paths(name, urls, domains, _own_place(ctx, is_set_again=name == ctx.cookies.names.consent))
    return found


def deletions_below(ctx: PrivacyContext) -> list[Deletion]:
    """Return what deletes planted consent cookies, from any page, whose path is longer than that of the app's own.

    The settings page may have another path, so a decision there would not see them. Cookies of a parent domain are deleted
    on every path. Some browsers take one of the host's own domain for the app's own cookie.
    """
    name, (own_path, own_domain) = ctx.cookies.names.consent, (ctx.cookies.path, ctx.cookies.domain)
    domains = _valid_and_domains(ctx, name)[1]
    parents = {domain for domain in cookie_domains(ctx.cookie_host)[1:] if domain != (own_domain or "").lstrip(".")}
    found = deletions_on_paths(name, [current_url(ctx)], domains, _own_place(ctx))
    below = (each for each in found if len(each.path) > len(own_path) or each.domain in parents)
    return list(islice(below, MOST_DELETIONS))


def delete_copies(ctx: PrivacyContext, response: Response, name: str) -> None:
    """Delete the copies of a cookie that this response sets, if the browser sent several valid ones."""
    if len(ctx.sent(name)) < 2 or ctx.cookies.only_here:
        return
    number, domains = _valid_and_domains(ctx, name)
    if number > 1:
        copies = deletions_on_paths(name, [current_url(ctx)], domains, _own_place(ctx, is_set_again=True))
        add_deletions(response, islice(copies, MOST_DELETIONS), ctx.cookies.secure)


_MOST_BYTES_OF_DELETIONS = 2400  # with the rest of a response; nginx refuses more than 4,096 bytes of all headers


def add_deletions(response: Response, deletions: Iterable[Deletion], secure: bool) -> None:
    """Add the headers that delete cookies, as many as fit into a response. The first and those with short paths come first.

    Browsers keep cookies with the attribute ``Partitioned`` apart, so another header deletes those. A browser that does not
    know the attribute deletes the same cookie twice. No header has ``Expires``, which no browser since 2013 needs.
    """
    found, size = sorted(deletions, key=lambda deletion: len(deletion.path)), 0
    for partitioned, (name, path, domain) in product((False, True), found):
        secure_too = secure or partitioned or name.startswith("__")  # browsers refuse the others
        header = dump_cookie(name, "", 0, path=path, domain=domain, secure=secure_too, sync_expires=False)
        header += "; Partitioned" * partitioned
        if size + len(header) <= _MOST_BYTES_OF_DELETIONS:
            size += len(header) + len("Set-Cookie: \r\n")
            response.headers.add("Set-Cookie", header)


def _own_place(ctx: PrivacyContext, *, is_set_again: bool = False) -> tuple[str, str] | None:
    """Return the path and the domain of the app's own cookie, which is no copy. An empty domain is the host alone.

    None if there may be a planted one too, with the attribute ``Partitioned``, and this response sets the own one again.
    """
    domain = (ctx.cookies.domain or "").lstrip(".")
    return None if domain and is_set_again else (ctx.cookies.path, domain)


def _valid_and_domains(ctx: PrivacyContext, name: str) -> tuple[int, list[str | None]]:
    """Return the number of valid values of a name, and the domains of the copies to delete. None is the host alone.

    Only an app on this host can set a cookie without a domain. If there is a value of another app, it is left alone.
    """
    sent, domains = ctx.sent(name), cookie_domains(ctx.cookie_host)
    valid = sum(ctx.cookies.is_valid(name, raw, ctx.today) for raw in sent)
    return valid, [*domains, None] if valid == len(sent) else [*domains[1:]]


def _keep_choices(ctx: PrivacyContext, decision: Decision, choices: dict[str, Any]) -> None:
    """Keep the remembered choices under a grant of customisation, else for the session; a withdrawal deletes them."""
    if "customisation" in decision.withdrawn:
        ctx.choices_to_set = ""
    elif choices:
        with suppress(EventError):  # too long with the grant's check: then they stay for the session
            ctx.choices_to_set = ctx.cookies.sign_choices(ctx.choices_check, choices)


def _send_signals(ctx: PrivacyContext, decision: Decision) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        if decision.kind == "grant":
            receipt = decision.record.receipt
            consent_granted.send(app, granted=decision.granted, services=decision.services, receipt=receipt)
        if decision.kind == "refusal":
            consent_refused.send(app)
        if decision.withdraws_something:
            consent_withdrawn.send(app, withdrawn=decision.withdrawn, services=decision.withdrawn_services)
    except Exception as error:  # an error in a receiver must not undo the decision
        ctx.runtime.report_failure(error)


# Copies of our cookies that another subdomain may have planted. A page of a subdomain can set a cookie for the common
# domain, under any path. Browsers refuse this only for names that begin with ``__Host-``.

_END_OF_PATH = re.compile(r"[?#]")
_MOST_PATHS = 40


def deletions_on_paths(
    name: str,
    urls: Iterable[str],
    domains: Iterable[str | None],
    own: tuple[str, str] | None,
) -> Iterator[Deletion]:
    """Yield a deletion of a cookie for every path and domain with which a browser sends it to these URLs, but ``own``.

    A domain of None is the host without a domain.
    """
    places = ((path, domain) for path in paths_above(urls) for domain in domains)
    yield from (Deletion(name, path, domain) for path, domain in places if (path, domain or "") != own)


def paths_above(urls: Iterable[str]) -> list[str]:
    """Return each path whose cookies a browser sends to these URLs, the shortest first (RFC 6265, 5.1.4)."""
    found = {"/"}
    for url in urls:
        path = _END_OF_PATH.split(url, maxsplit=1)[0]
        found.add(path)
        for end in islice((slash.start() for slash in re.finditer("/", path)), _MOST_PATHS):
            found.update((path[:end], path[: end + 1]))
    return sorted((path for path in found if path.startswith("/")), key=lambda path: (len(path), path))[:_MOST_PATHS]


# The visitor IDs that a visitor's cookies find. Showing, erasing and withdrawing use the same ones. The consent cookie alone
# finds every ID: the ledger leads from its receipt to all earlier ones, and each receipt to the ID derived from it. The
# visitor cookie finds an ID of an earlier release besides, which was random.


def may_have_events(policy: Policy, record: ConsentRecord | None) -> bool:
    """Return whether events may be stored under a grant: it grants statistics, or did so under an earlier policy.

    The withdrawal of statistics erased the events, even if the rest of the grant is still valid.
    """
    if record is None or not record.receipt:
        return False
    fingerprint = policy.purpose_fingerprints.get("statistics", "")
    return fingerprint in record.granted or fingerprint not in record.decided


def visitor_to_carry_over(ctx: PrivacyContext) -> Visitor | None:
    """Return the visitor to keep under a new grant: from the visitor cookie, or else from the current grant."""
    if not may_have_events(ctx.runtime.policy, ctx.consent.record):
        return None
    visitor = ctx.known_visitor()
    if visitor is not None or "statistics" not in ctx.consent.held:
        return visitor
    return Visitor.before_first_visit(ctx.receipt, ctx.now)


def ids_in_cookies(ctx: PrivacyContext, consent: Consent) -> list[str]:
    """Return the visitor IDs that the cookies find without the ledger; empty if no event can be stored under the grant."""
    record = consent.record
    if record is None or not may_have_events(ctx.runtime.policy, record):
        return []
    in_cookies = [visitor.id for visitor in ctx.visitors_sent() if visitor.serves(record.receipt)]
    return list(dict.fromkeys([*in_cookies, visitor_id(record.receipt)]))


def ids_of_earlier_grants(ctx: PrivacyContext, consent: Consent) -> list[str]:
    """Return the IDs that were derived from the earlier receipts of this visitor. Raises :class:`LedgerUnavailable`.

    Empty after the grant has ended, so that a repeated withdrawal does no work again.
    """
    from ..ledger.receipts import earlier_receipts  # imports SQLAlchemy

    record = consent.record
    if record is None or not may_have_events(ctx.runtime.policy, record) or has_ended(ctx, record.receipt):
        return []
    return [visitor_id(receipt) for receipt in earlier_receipts(ctx.runtime.ledger, record.receipt)]


def has_ended(ctx: PrivacyContext, receipt: str) -> bool:
    """Return whether the visitor withdrew this grant, or one that replaced it. Raises :class:`LedgerUnavailable`."""
    from ..ledger.receipts import is_withdrawn  # imports SQLAlchemy

    return is_withdrawn(ctx.runtime.ledger, receipt)


def keeps_visitor_cookie(ctx: PrivacyContext, visitor: Visitor) -> bool:
    """Return whether a grant exists for the ID in a visitor cookie, suspended or not.

    Global Privacy Control suspends it, and so does a policy that asks again. The cookie of a known child is deleted; the
    child's events can still be found by the receipt.
    """
    policy = ctx.runtime.policy
    if "statistics" not in policy.purpose_fingerprints or ctx.is_minor:
        return False
    records = [ctx.record_to_set] if ctx.record_to_set is not None else [consent.record for consent in ctx.consents_sent()]
    return any(
        record is not None and may_have_events(policy, record) and visitor.serves(record.receipt) for record in records
    )
