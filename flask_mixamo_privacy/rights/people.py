"""What is done with one person's data in every store at once; each act leaves an entry in the ledger first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ledger.ledger import Ledger
from ..storage.keys import Keys
from ..storage.moments import just_after
from ..storage.subjects import normalise_subject
from .stores import BuiltInStore, Outcome, Stores

#: What an entry of the ledger is called, by what was asked for.
ENTRIES = {"correct": "correction", "restrict": "restriction", "object": "objection"}


class People:
    """Exports, erases and corrects. The ledger knows a person by a keyed hash, and no value of any field."""

    def __init__(self, stores: Stores, ledger: Ledger, keys: Keys, built_in: Sequence[BuiltInStore]) -> None:
        self.stores = stores
        self.built_in = built_in
        self._ledger = ledger
        self._keys = keys

    def export(self, subject: str, who: str, what: str = "export") -> dict[str, Any]:
        """What each store holds about a person, by the store's name: the site's stores and those built in.

        Raises :class:`StoreError` where a store fails, for a part would pass as the whole.
        """
        found = self.stores.export(normalise_subject(subject))
        for store in self.built_in:
            if data := store.export(subject):
                found[store.name] = data
        self._note("access", subject, who=who, what=what, fields=sorted(found), outcome="allowed")
        return found

    def erase(self, subject: str, who: str, request: int | None = None) -> list[Outcome]:
        """Erase somebody everywhere. The entry comes first: what a crash leaves behind is found by replaying it."""
        about: dict[str, Any] = {"request": request} if request is not None else {}
        if older := dict(list(self._keys.hashes_by_key(normalise_subject(subject)).items())[:-1]):
            about["older"] = older  # what stands about somebody may have been written down under a key of before
        at = self._note("erasure", subject, what="person", by=who, **about)
        outcomes = self.stores.erase(normalise_subject(subject))
        for store in self.built_in:
            store.erase(subject, just_after(at), request)
        return outcomes

    def correct(self, subject: str, changes: Mapping[str, str], who: str) -> list[Outcome]:
        """Set fields anew everywhere; the ledger keeps which, so that a restore cannot undo it unnoticed."""
        self._note("correction", subject, by=who, fields=sorted(changes))
        return self.stores.correct(normalise_subject(subject), changes)

    def note(self, kind: str, subject: str, who: str, request: int) -> None:
        """Leave the entry of what a person of the site's has seen to by hand."""
        self._note(ENTRIES[kind], subject, by=who, request=request)
        if kind == "object":
            for store in self.built_in:
                store.record_objection(subject)

    def note_look(self, subject: str, **said: Any) -> None:
        """Leave the entry of a look at somebody's data, or at many people's where the subject is empty."""
        self._note("access", subject, **said, outcome="allowed")

    def hash(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of somebody, under the newest key."""
        return self._keys.hash(normalise_subject(subject))

    def _note(self, kind: str, subject: str, **detail: Any) -> str:
        return self._ledger.record_or_spool(kind, subject=subject, detail=detail, escape=False).at
