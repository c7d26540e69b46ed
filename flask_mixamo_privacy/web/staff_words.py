"""Data subject requests in the words of the staff pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..i18n.language import Language, LocalizedText
from ..policy.model import Policy

if TYPE_CHECKING:
    from ..rights.request_store import SubjectRequest


class RequestWords:
    """Describes requests in one language. Templates call its methods."""

    def __init__(self, policy: Policy, t: Language) -> None:
        self._policy, self._t = policy, t

    def kind(self, request: SubjectRequest) -> LocalizedText:
        """Return what the person asks for."""
        t = self._t
        return {
            "access": t("See the data stored about them"),
            "correct": t("Have their data corrected"),
            "delete": t("Have their data deleted"),
            "restrict": t("Have the use of their data restricted"),
            "object": t("Object to the use of their data"),
        }[request.kind]

    def state(self, request: SubjectRequest) -> LocalizedText:
        """Return who has to do something next, or how the request ended."""
        t = self._t
        return {
            "open": t("Waiting for the person to confirm the request"),
            "verified": t("Confirmed. Waiting for your answer"),
            "answered": t("Answered"),
            "refused": t("Refused, with a reason"),
            "expired": t("Expired without being confirmed"),
        }[request.state]

    def verified(self, request: SubjectRequest) -> LocalizedText:
        """Return how and when the person was verified."""
        t, day = self._t, self._t.date(request.verified[:10])
        if request.identity == "link":
            return t("The person confirmed it with the link in our e-mail on %(date)s.", date=day)
        if request.identity == "operator":
            return t("Staff verified the person's identity on %(date)s.", date=day)
        return t("Staff verified the person's identity on %(date)s: %(how)s", date=day, how=request.identity)

    def opened(self, request: SubjectRequest) -> LocalizedText:
        """Return when and by which way the request came."""
        t, day = self._t, self._t.date(request.opened[:10])
        if request.source == "form":
            return t("%(date)s, with the form", date=day)
        if request.source == "mail":
            return t("%(date)s, by e-mail", date=day)
        return t("%(date)s, entered by staff", date=day)

    def due(self, request: SubjectRequest) -> LocalizedText:
        """Return the last day for an answer, with what is left until then."""
        from ..rights.requests import days_left

        t, day, left = self._t, self._t.date(request.due), days_left(request)
        if left < 0:
            return t("Overdue since %(date)s", date=day)
        if left == 0:
            return t("Today")
        return t("%(date)s (%(days)s)", date=day, days=t.in_days(left))

    def is_late(self, request: SubjectRequest) -> bool:
        """Whether the request is due today or overdue."""
        from ..rights.requests import days_left

        return days_left(request) <= 0

    def answer_button(self, request: SubjectRequest) -> LocalizedText:
        """Return the label of the button that answers the request."""
        t = self._t
        return {"access": t("Send the data"), "delete": t("Delete the data")}.get(request.kind) or t("Send the answer")

    def answer(self, request: SubjectRequest) -> list[object]:
        """Return the answer as the person received it, one sentence or paragraph each."""
        from ..rights.emails import answer_text

        return answer_text(self._policy, request.answer, self._t)
