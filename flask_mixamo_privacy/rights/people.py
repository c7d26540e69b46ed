"""What is done with one person's data in every store at once; each act leaves an entry in the ledger first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..keys import Keys
from ..ledger import Ledger
from .book import Book
from .moments import just_after, timestamp_of
from .stores import Outcome, Stores
from .subjects import normalise_subject

#: What an entry of the ledger is called, by what was asked for.
ENTRIES = {"correct": "correction", "restrict": "restriction", "object": "objection"}

ERASED = "All that was stored about you was erased."


class People:
    """Exports, erases and corrects. The ledger knows a person by a keyed hash, and no value of any field."""

    def __init__(self, stores: Stores, ledger: Ledger, keys: Keys, book: Book) -> None:
        self.stores = stores
        self._ledger = ledger
        self._keys = keys
        self._book = book
        #: Called with whoever is erased or objects, and why: no marketing goes there any more.
        self.stop_marketing: Callable[[str, str], None] = lambda subject, why: None
        #: Called with whoever is erased: what was accepted is forgotten too.
        self.forget_standings: Callable[[str], int] = lambda subject: 0
        #: Called with whoever wants to see what is stored: what was opted in to and out of, and what was accepted.
        self.export_choices: Callable[[str], list[dict[str, str]]] = lambda subject: []
        self.export_accepted: Callable[[str], list[dict[str, str]]] = lambda subject: []

    def export(self, subject: str, who: str, what: str = "export") -> dict[str, Any]:
        """What each store holds about somebody, what they opted in to and accepted.

        Raises :class:`StoreError` where a store fails, for a part would pass as the whole.
        """
        found = self.stores.export(normalise_subject(subject))
        if choices := self.export_choices(subject):
            found["opt-ins"] = choices
        if accepted := self.export_accepted(subject):
            found["licences"] = accepted
        self._note("access", subject, who=who, what=what, fields=sorted(found), outcome="allowed")
        return found

    def erase(self, subject: str, who: str, request: int | None = None) -> list[Outcome]:
        """Erase somebody everywhere. The entry comes first: what a crash leaves behind is found by replaying it."""
        about: dict[str, Any] = {"request": request} if request is not None else {}
        if older := dict(list(self._keys.hashes_by_key(normalise_subject(subject)).items())[:-1]):
            about["older"] = older  # what stands about somebody may have been written down under a key of before
        at = self._note("erasure", subject, what="person", by=who, **about)
        outcomes = self.stores.erase(normalise_subject(subject))
        self.stop_marketing(subject, "erasure")
        self.forget_standings(normalise_subject(subject))
        if request is None:
            self.forget_requests(subject, at)
        return outcomes

    def forget_requests(self, subject: str, at: str) -> int:
        """Blank what somebody asked for up to a moment; gives the number of requests."""
        return self._book.forget(normalise_subject(subject), timestamp_of(just_after(at)), {"text": ERASED, "stores": []})

    def addresses(self) -> set[str]:
        """Everybody whose address is in a request."""
        return self._book.addresses()

    def correct(self, subject: str, changes: Mapping[str, str], who: str) -> list[Outcome]:
        """Set fields anew everywhere; the ledger keeps which, so that a restore cannot undo it unnoticed."""
        self._note("correction", subject, by=who, fields=sorted(changes))
        return self.stores.correct(normalise_subject(subject), changes)

    def note(self, kind: str, subject: str, who: str, request: int) -> None:
        """Leave the entry of what a person of the site's has seen to by hand."""
        self._note(ENTRIES[kind], subject, by=who, request=request)
        if kind == "object":  # GDPR art. 21(3): no longer, once somebody objects
            self.stop_marketing(subject, "objection")

    def note_look(self, subject: str, **said: Any) -> None:
        """Leave the entry of a look at somebody's data, or at many people's where the subject is empty."""
        self._note("access", subject, **said, outcome="allowed")

    def hash(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of somebody, under the newest key."""
        return self._keys.hash(normalise_subject(subject))

    def _note(self, kind: str, subject: str, **detail: Any) -> str:
        return self._ledger.record_or_spool(kind, subject=subject, detail=detail, escape=False).at
