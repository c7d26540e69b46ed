"""The visitor IDs that a visitor's cookies find. Showing, erasing and withdrawing use the same ones.

The consent cookie alone finds every ID: the ledger leads from its receipt to all earlier ones, and each receipt to the ID
derived from it. The visitor cookie finds an ID of an earlier release besides, which was random.
"""

from __future__ import annotations

from ..consent.decision import Consent, ConsentRecord
from ..policy.model import Policy
from ..tracking.events import Visitor, visitor_id
from .context import PrivacyContext


def may_have_events(policy: Policy, record: ConsentRecord | None) -> bool:
    """Return whether events may be stored under a grant: it grants statistics, or did so under an earlier policy.

    The withdrawal of statistics erased the events, even if the rest of the grant is still valid.
    """
    if record is None or not record.receipt:
        return False
    fingerprint = policy.purpose_fingerprints.get("statistics", "")
    return fingerprint in record.granted or fingerprint not in record.decided


def visitor_to_carry_over(ctx: PrivacyContext) -> Visitor | None:
    """Return the visitor whose ID a new grant keeps: that of the visitor cookie, or else that of the current grant."""
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

    Global Privacy Control suspends it, and so does a policy that asks again. A known child keeps no ID; the receipt still
    finds the events.
    """
    policy = ctx.runtime.policy
    if "statistics" not in policy.purpose_fingerprints or ctx.is_minor:
        return False
    records = [ctx.record_to_set] if ctx.record_to_set is not None else [consent.record for consent in ctx.consents_sent()]
    return any(
        record is not None and may_have_events(policy, record) and visitor.serves(record.receipt) for record in records
    )
