"""Opt-ins and opt-outs of marketing mail, and the permission to send it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from ..errors import KeyMissing, RequestError, RightsUnavailable
from ..ledger.entry import ShownText, canonical_json, detail_of, hashes_of, is_person_erasure
from ..ledger.ledger import Ledger
from ..policy.model import Policy
from ..rights.stores import BuiltInStore
from ..storage.clock import later, timestamp
from ..storage.database import KeyRegister
from ..storage.keys import KeyRing, email_of, normalise_subject, truncate
from .permission import PURPOSE, MailPermission
from .preference_store import EVERYTHING, Preference, PreferenceStore
from .unconfirmed import UnconfirmedOptIn, UnconfirmedOptIns
from .unsubscribe import UnsubscribeToken, UnsubscribeTokens, list_name_of

BY_LINK = "link"  # the source of an opt-out by a link in a mail

IsMinor = Callable[[str], bool]


class MarketingPreferences(BuiltInStore):
    """Records opt-ins and opt-outs: first the proof in the ledger, then the effective row in :class:`PreferenceStore`."""

    name = "opt-ins"

    def __init__(self, url: str, ledger: Ledger, keys: KeyRing, policy: Policy, is_minor: IsMinor) -> None:
        self.tokens = UnsubscribeTokens(keys)
        self.store = PreferenceStore(url, KeyRegister(keys, "rights"))
        self.unconfirmed = UnconfirmedOptIns(url)
        self._ledger = ledger
        self._keys = keys
        self._version = policy.version
        self._language = policy.language
        self._is_minor = is_minor
        #: The other purposes that people opt in to at forms. Each is a list of its own, and not part of "marketing".
        self._separate_lists = frozenset(purpose.id for purpose in policy.purposes if purpose.ask == "form") - {PURPOSE}

    def opt_in(
        self, address: str, list_name: str, *, wording: ShownText | str | None, text: str, source: str, locale: str
    ) -> MailPermission:
        """Record an opt-in of an address, unless it is of a known child. Raises the errors of :meth:`sign_up`."""
        person = _person(address)
        if isinstance(wording, str):
            label = canonical_json({"label": wording.strip()})
            wording = ShownText(f"opt-in:{list_name}", locale or self._language, label, "") if wording.strip() else None
        if self._is_minor(person):
            return MailPermission(False, "minor")
        self.sign_up(person, list_name, wording, source, text, locale)
        return MailPermission(True, "opted-in")

    def sign_up(
        self, subject: str, list_name: str, wording: ShownText | None, source: str, text: str = "", locale: str = ""
    ) -> None:
        """Record an opt-in of a mail address or an id of the site's own. The caller checks for children.

        Raises :class:`LedgerUnavailable` or :class:`RightsUnavailable`, and then there is no opt-in.
        """
        at, subject_hashes = timestamp(), self._keys.subject_hashes(subject)
        proof = {"policy": self._version, "text": wording or text} | ({} if wording else {"locale": locale})
        entry = self._ledger.record("opt-in", at=at, source=source, **proof, **self._entry_fields(subject_hashes, list_name))
        self.store.opt_in(subject_hashes, list_name, at, policy=self._version, text=entry.text, in_source=source)

    def record_sign_up(self, subject: str, list_name: str, wording: ShownText, source: str) -> str:
        """Record that an opt-in was asked for, and return when. Only :meth:`confirm` opts the person in."""
        fields = self._entry_fields(self._keys.subject_hashes(subject), list_name)
        return self._ledger.record("opt-in asked", source=source, policy=self._version, text=wording, **fields).at

    def confirm(self, asked: UnconfirmedOptIn) -> None:
        """Opt a person in who confirmed it by a link. The proof is that of the form. Raises as :meth:`sign_up` does."""
        at, subject_hashes = timestamp(), self._keys.subject_hashes(asked.email)
        fields = self._entry_fields(subject_hashes, asked.list, asked=asked.at)
        proof = {"policy": asked.policy, "text": asked.text}
        self._ledger.record("opt-in", at=at, source=asked.source, locale=asked.locale, **proof, **fields)
        self.store.opt_in(subject_hashes, asked.list, at, **proof, in_source=asked.source)

    def has_opted_out(self, subject: str, list_name: str) -> bool:
        """Whether a person opted out of a list, or of all lists, and has not joined it since. Raises as :meth:`of` does."""
        stored = [preference for preference in self.of(subject) if preference.list in (list_name, EVERYTHING)]
        joined = max((preference.opted_in for preference in stored), default=("", 0))
        return any(preference.opted_out[0] and preference.opted_out > joined for preference in stored)

    def opt_out(self, address: str, list_name: str, source: str) -> None:
        """Opt an address out of a list, or of all lists. Raises if the opt-out cannot be stored."""
        self._opt_out(self._keys.subject_hashes(_person(address)), list_name, source)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Opt a person out of all lists. The opt-out is kept, so that no marketing mail is sent to them again."""
        self._opt_out(self._keys.subject_hashes(subject), EVERYTHING, "erasure")
        return self.unconfirmed.forget([normalise_subject(subject)])

    def record_objection(self, subject: str) -> None:
        """Opt a person out of all lists, because they object (GDPR art. 21(3))."""
        self._opt_out(self._keys.subject_hashes(subject), EVERYTHING, "objection")
        self.unconfirmed.forget([normalise_subject(subject)])

    def of(self, subject: str) -> list[Preference]:
        """Return a person's preferences, one for each list. Raises :class:`KeyMissing` if a key of the rows is missing."""
        return self.store.of(self._keys.subject_hashes(subject))

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return a person's preferences for an export."""
        asked = [{"list": each.list, "asked": each.at} for each in self.unconfirmed.of(normalise_subject(subject))]
        return [preference.as_dict() for preference in self.of(subject)] + asked

    def opt_out_by(self, token: UnsubscribeToken, source: str) -> str:
        """Opt a token's person out of its list, and return the list's name. An earlier opt-out stays, and so its source."""
        list_name = list_name_of(token, self.store.lists())
        subject_hashes = self.store.current_hashes(token.subject_hashes)
        if not self.store.is_out(subject_hashes, list_name):
            self._opt_out(subject_hashes, list_name, source)
        return list_name

    def undo(self, token: UnsubscribeToken) -> bool:
        """Undo an opt-out by a link of the last day, and return whether there was one. Does not create an opt-in.

        Another person may have the mail with the link, so it ends no older opt-out, and none that was made elsewhere.
        """
        list_name = list_name_of(token, self.store.lists())
        subject_hashes = self.store.current_hashes(token.subject_hashes)
        if not self.store.is_out(subject_hashes, list_name, source=BY_LINK, since=later(days=-1)):
            return False
        self._ledger.record("opt-out undone", source="link", **self._entry_fields(subject_hashes, list_name))
        self.store.undo(subject_hashes, list_name)
        return True

    def touch(self) -> None:
        """Raise :class:`RightsUnavailable` whenever an opt-out by a token would. Changes nothing."""
        self.store.lists()
        self.store.current_hashes({})

    def may_mail(self, address: str, list_name: str | None = None) -> MailPermission:
        """Return the permission for a marketing mail of a list, or of any list that the address has joined."""
        person = email_of(address)
        if not person:
            return MailPermission(False, "no-address")
        try:
            stored = self.of(person)
            if self._is_minor(person):
                return MailPermission(False, "minor")
            relevant = [preference for preference in stored if list_name or preference.list not in self._separate_lists]
            return _permission(relevant, list_name)
        except KeyMissing:
            return MailPermission(False, "key-missing")
        except RightsUnavailable:
            return MailPermission(False, "unavailable")

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """After a restore, apply the latest entries of the ledger again, and return the number of restored preferences."""
        newest: dict[tuple[str, str], Mapping[str, str]] = {}
        for row in self._ledger.entries("opt-in", "opt-out", "opt-out undone", "erasure", since=since):
            if row["kind"] != "erasure" or is_person_erasure(row):
                for pseudonym in hashes_of(row).values():
                    newest.pop((pseudonym, _list_of(row)), None)
                newest[row["subject"], _list_of(row)] = row
        self.unconfirmed.forget(a for a in self.unconfirmed.addresses() if set(self._keys.pseudonyms(a)) & erased.keys())
        return sum(self._replay_entry(row) for row in newest.values() if row["subject"])

    def _replay_entry(self, row: Mapping[str, str]) -> bool:
        subject_hashes = self.store.current_hashes({key: truncate(pseudonym) for key, pseudonym in hashes_of(row).items()})
        list_name = _list_of(row)
        is_out = row["kind"] in ("opt-out", "erasure")
        if self.store.knows(subject_hashes, list_name, row["at"], "out" if is_out else "in"):
            return False
        # A person who was on no list needs no opt-out.
        if row["kind"] == "erasure" and not self.store.had_opted_in(subject_hashes, row["at"]):
            return False
        if is_out:
            self.store.opt_out(subject_hashes, list_name, row["at"], row["source"] or "erasure")
        elif row["kind"] == "opt-in":
            proof = {"policy": row["policy"], "text": row["text"], "in_source": row["source"]}
            self.store.opt_in(subject_hashes, list_name, row["at"], **proof)
        else:
            return self.store.undo(subject_hashes, list_name)
        return True

    def _opt_out(self, subject_hashes: Mapping[str, str], list_name: str, source: str) -> None:
        entry = self._ledger.record_or_spool("opt-out", source=source, **self._entry_fields(subject_hashes, list_name))
        self.store.opt_out(subject_hashes, list_name, entry.at, source)

    def _entry_fields(self, subject_hashes: Mapping[str, str], list_name: str, **more: str) -> dict[str, Any]:
        """Return the list, the purpose and the subject as the fields of a ledger entry."""
        *older, newest = subject_hashes.items()
        detail = {"list": list_name, **more} | ({"older": dict(older)} if older else {})
        purpose = list_name if list_name in self._separate_lists else PURPOSE
        return {"purposes": (purpose,), "pseudonym": newest, "detail": detail, "escape": False}


def _permission(preferences: Iterable[Preference], list_name: str | None) -> MailPermission:
    by_list = {preference.list: preference for preference in preferences}
    of_all = by_list.pop(EVERYTHING, Preference(EVERYTHING, ("", 0), ("", 0)))
    wanted = [by_list[list_name]] if list_name in by_list else [] if list_name else list(by_list.values())
    joined = [preference for preference in wanted if preference.opted_in[0]]
    if not joined:
        is_out = of_all.opted_out[0] or any(preference.opted_out[0] for preference in by_list.values())
        return MailPermission(False, "opted-out" if is_out else "no-opt-in")
    if all(preference.is_in and preference.opted_in > of_all.opted_out for preference in joined):
        return MailPermission(True, "opted-in")
    return MailPermission(False, "opted-out")


def _list_of(row: Mapping[str, str]) -> str:
    """Return the list of an entry. An erasure is an opt-out of all lists."""
    return EVERYTHING if row["kind"] == "erasure" else str(detail_of(row)["list"])


def _person(address: str) -> str:
    person = email_of(address)
    if not person:
        raise RequestError("email", address, "a mail address")
    return person
