"""Opting in to marketing mail, opting out of it, and whether it may be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from ..errors import KeyMissing, RequestError, RightsUnavailable
from ..ledger.entry import ShownText, detail_of, hashes_of, is_person_erasure
from ..ledger.ledger import Ledger
from ..policy.model import Policy
from ..rights.stores import BuiltInStore
from ..storage.clock import timestamp
from ..storage.keys import KeyRing, email_of
from .permission import PURPOSE, MailPermission
from .preference_store import EVERYTHING, Preference, PreferenceStore
from .unsubscribe import UnsubscribeToken, UnsubscribeTokens, mark_of, named

IsMinor = Callable[[str], bool]


class MarketingPreferences(BuiltInStore):
    """Keeps what people want. The proof goes to the ledger first; what stands in :class:`Choices` has the effect."""

    name = "opt-ins"

    def __init__(self, url: str, ledger: Ledger, keys: KeyRing, policy: Policy, is_minor: IsMinor) -> None:
        self.tokens = UnsubscribeTokens(keys)
        self.choices = PreferenceStore(url)
        self._ledger = ledger
        self._version = policy.version
        self._is_minor = is_minor
        #: What else one signs up to at forms: each is a list of its own, and no part of what "marketing" means.
        self._apart = frozenset(purpose.id for purpose in policy.purposes if purpose.ask == "form") - {PURPOSE}

    def opt_in(
        self, address: str, list_name: str, *, wording: ShownText | None, text: str, source: str, locale: str
    ) -> MailPermission:
        """Sign an address up, with the proof of it; refused for a known child. Errors as of :meth:`sign_up`."""
        person = _person(address)
        if self._is_minor(person):
            return MailPermission(False, "minor")
        self.sign_up(person, list_name, wording, source, text, locale)
        return MailPermission(True, "opted-in")

    def sign_up(
        self, subject: str, list_name: str, wording: ShownText | None, source: str, text: str = "", locale: str = ""
    ) -> None:
        """Let somebody's opt-in take effect: an address's, or an id's of the site's own. Children are the caller's matter.

        Raises :class:`LedgerUnavailable` or :class:`RightsUnavailable`: an opt-in exists once its record is on disk.
        """
        at, marks = timestamp(), self.tokens.subject_hashes(subject)
        proof = {"policy": self._version, "text": wording or text} | ({} if wording else {"locale": locale})
        entry = self._ledger.record("opt-in", at=at, source=source, **proof, **self._about(marks, list_name))
        self.choices.opt_in(marks, list_name, at, policy=self._version, text=entry.text, in_source=source)

    def opt_out(self, address: str, list_name: str, source: str) -> None:
        """Take an address off a list, or off all of them; it always takes effect, or raises."""
        self._opt_out(self.tokens.subject_hashes(_person(address)), list_name, source)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Take a person off all lists. The opt-out itself is kept, so that no marketing mail goes there again."""
        self._opt_out(self.tokens.subject_hashes(subject), EVERYTHING, "erasure")
        return 0

    def record_objection(self, subject: str) -> None:
        """Take a person off all lists, because they object (GDPR art. 21(3))."""
        self._opt_out(self.tokens.subject_hashes(subject), EVERYTHING, "objection")

    def of(self, subject: str) -> list[Preference]:
        """All that somebody said, a list each; raises :class:`KeyMissing` where that cannot be told."""
        return self.choices.of(self.tokens.subject_hashes(subject))

    def export(self, subject: str) -> list[dict[str, str]]:
        """All that somebody said, in words."""
        return [choice.as_dict() for choice in self.of(subject)]

    def opt_out_by(self, bearer: UnsubscribeToken, source: str) -> str:
        """Take whoever a token is about off its list; gives the list's name."""
        list_name = named(bearer, self.choices.lists())
        self._opt_out(self.choices.current_hashes(bearer.marks), list_name, source)
        return list_name

    def undo(self, bearer: UnsubscribeToken) -> bool:
        """Take an opt-out back; gives whether there was one. It makes no opt-in where there was none."""
        list_name = named(bearer, self.choices.lists())
        marks = self.choices.current_hashes(bearer.marks)
        if not self.choices.is_out(marks, list_name):
            return False
        self._ledger.record("opt-out undone", source="link", **self._about(marks, list_name))
        self.choices.undo(marks, list_name)
        return True

    def touch(self) -> None:
        """Change nothing, and raise :class:`RightsUnavailable` whenever an opt-out by a token would."""
        self.choices.lists()
        self.choices.current_hashes({})

    def may_mail(self, address: str, list_name: str | None = None) -> MailPermission:
        """Whether marketing mail may go to an address now: of one list, or of any that it is on."""
        person = email_of(address)
        if not person:
            return MailPermission(False, "no-address")
        try:
            choices = [one for one in self.of(person) if list_name or one.list not in self._apart]
            return MailPermission(False, "minor") if self._is_minor(person) else _decided(choices, list_name)
        except KeyMissing:
            return MailPermission(False, "key-missing")
        except RightsUnavailable:
            return MailPermission(False, "unavailable")

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """After a restore, let what the ledger says last have effect again; gives the number of what had been lost."""
        newest: dict[tuple[str, str], Mapping[str, str]] = {}
        for row in self._ledger.entries("opt-in", "opt-out", "opt-out undone", "erasure", since=since):
            if row["kind"] != "erasure" or is_person_erasure(row):
                for mark in hashes_of(row).values():
                    newest.pop((mark, _list_of(row)), None)
                newest[row["subject"], _list_of(row)] = row
        return sum(self._again(row) for row in newest.values() if row["subject"])

    def _again(self, row: Mapping[str, str]) -> bool:
        marks = self.choices.current_hashes({key: mark_of(hashed) for key, hashed in hashes_of(row).items()})
        list_name = _list_of(row)
        is_out = row["kind"] in ("opt-out", "erasure")
        if self.choices.knows(marks, list_name, row["at"], "out" if is_out else "in"):
            return False
        if row["kind"] == "erasure" and not self.choices.had_opted_in(
            marks, row["at"]
        ):  # whoever was on no list is not put into one
            return False
        if is_out:
            self.choices.opt_out(marks, list_name, row["at"], row["source"] or "erasure")
        elif row["kind"] == "opt-in":
            proof = {"policy": row["policy"], "text": row["text"], "in_source": row["source"]}
            self.choices.opt_in(marks, list_name, row["at"], **proof)
        else:
            return self.choices.undo(marks, list_name)
        return True

    def _opt_out(self, marks: Mapping[str, str], list_name: str, source: str) -> None:
        entry = self._ledger.record_or_spool("opt-out", source=source, **self._about(marks, list_name))
        self.choices.opt_out(marks, list_name, entry.at, source)

    def _about(self, marks: Mapping[str, str], list_name: str) -> dict[str, Any]:
        """Return the list, the purpose and the subject as an entry of the ledger has them."""
        *older, newest = marks.items()
        detail = {"list": list_name} | ({"older": dict(older)} if older else {})
        purpose = list_name if list_name in self._apart else PURPOSE
        return {"purposes": (purpose,), "pseudonym": newest, "detail": detail, "escape": False}


def _decided(choices: Iterable[Preference], list_name: str | None) -> MailPermission:
    by_list = {choice.list: choice for choice in choices}
    of_all = by_list.pop(EVERYTHING, Preference(EVERYTHING, ("", 0), ("", 0)))
    wanted = [by_list[list_name]] if list_name in by_list else [] if list_name else list(by_list.values())
    wanted = [choice for choice in wanted if choice.opted_in[0]]
    if not wanted:
        out = of_all.opted_out[0] or any(choice.opted_out[0] for choice in by_list.values())
        return MailPermission(False, "opted-out" if out else "no-opt-in")
    if all(choice.is_in and choice.opted_in > of_all.opted_out for choice in wanted):
        return MailPermission(True, "opted-in")
    return MailPermission(False, "opted-out")


def _list_of(row: Mapping[str, str]) -> str:
    """An erasure is of all lists."""
    return EVERYTHING if row["kind"] == "erasure" else str(detail_of(row)["list"])


def _person(address: str) -> str:
    person = email_of(address)
    if not person:
        raise RequestError("email", address, "a mail address")
    return person
