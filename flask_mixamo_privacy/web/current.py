"""``current_consent`` and ``current_visitor``: what a site's views may know of the visitor."""

from __future__ import annotations

from ..consent.decision import State as ConsentState
from ..tracking.events import Visitor
from .context import privacy_context


class CurrentConsent:
    """The consent of the current request's visitor."""

    def allows(self, purpose: str, service: str | None = None) -> bool:
        """Return whether data may be used for this purpose now, and by this service if one is named.

        Raises :class:`UndeclaredPurpose` and :class:`UndeclaredService`.
        """
        ctx = privacy_context()
        allowed = ctx.allows(purpose)
        if service is None:
            return allowed
        return ctx.runtime.policy.service(service).purpose == purpose and service in ctx.consent.services

    def state(self, purpose: str) -> ConsentState:
        """Return ``"unasked"``, ``"granted"`` or ``"refused"``; raises :class:`UndeclaredPurpose`."""
        ctx = privacy_context()
        ctx.allows(purpose)
        return ctx.consent.state(purpose)


class CurrentVisitor:
    """The consenting visitor of the current request. False without consent. Never exposes the visitor's ID."""

    def __bool__(self) -> bool:
        return self._visitor() is not None

    @property
    def visit_number(self) -> int:
        """The number of this visit, from 1; 0 without consent."""
        visitor = self._visitor()
        return visitor.number if visitor is not None else 0

    @property
    def is_repeat(self) -> bool:
        """Whether the visitor has made an earlier visit."""
        return self.visit_number > 1

    def _visitor(self) -> Visitor | None:
        ctx = privacy_context()
        ctx.use_consent()
        return ctx.visitor


current_consent = CurrentConsent()
current_visitor = CurrentVisitor()
