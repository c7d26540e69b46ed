"""Actions on one data subject in every store: export, erasure, correction, and their replay after a restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..ledger.entry import detail_of, hashes_of, is_person_erasure
from ..ledger.receipts import earlier_receipts
from ..policy.parts import Period
from ..storage.clock import just_after, later, now
from ..storage.keys import KeyRing, normalise_subject
from ..tracking.events import visitor_id
from ..tracking.store import EventStore
from .stores import BuiltInStore, PersonalStore, PersonalStores, StoreOutcome

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger

#: The kind of ledger entry for each kind of request that staff carry out by hand.
ENTRY_KINDS = {"correct": "correction", "restrict": "restriction", "object": "objection"}


class DataSubjects:
    """Exports, erases and corrects data. Each action is recorded first, under a keyed hash and without field values."""

    def __init__(self, stores: PersonalStores, ledger: Ledger, keys: KeyRing, built_in: Sequence[BuiltInStore]) -> None:
        self.stores = stores
        self.built_in = built_in
        self._ledger = ledger
        self._keys = keys

    def export(self, subject: str, actor: str, action: str = "export") -> dict[str, Any]:
        """Return the data about a data subject by store name, from the site's stores and the built-in ones.

        Raises :class:`StoreError` if a store fails, because an incomplete export would look complete.
        """
        data = self.stores.export(normalise_subject(subject))
        for store in self.built_in:
            if rows := store.export(subject):
                data[store.name] = rows
        self._record("access", subject, who=actor, what=action, fields=sorted(data), outcome="allowed")
        return data

    def is_known(self, subject: str) -> bool:
        """Whether any store has data about a data subject. Raises :class:`StoreError` if a store fails."""
        return bool(self.stores.export(normalise_subject(subject))) or any(store.export(subject) for store in self.built_in)

    def erase(self, subject: str, actor: str, request: int | None = None) -> list[StoreOutcome]:
        """Erase a data subject from every store. The entry is written first, so a replay can complete a crashed erasure."""
        detail: dict[str, Any] = {"request": request} if request is not None else {}
        if older := dict(list(self._keys.pseudonyms_by_key(normalise_subject(subject)).items())[:-1]):
            detail["older"] = older  # built-in stores may still have rows under an older key
        timestamp = self._record("erasure", subject, what="person", by=actor, **detail)
        outcomes = self.stores.erase(normalise_subject(subject))
        for store in self.built_in:
            store.erase(subject, just_after(timestamp), request)
        return outcomes

    def correct(self, subject: str, changes: Mapping[str, str], actor: str) -> list[StoreOutcome]:
        """Set fields to new values in every store. The ledger keeps the fields' names, so that a replay can list them."""
        self._record("correction", subject, by=actor, fields=sorted(changes))
        return self.stores.correct(normalise_subject(subject), changes)

    def record_manual_action(self, kind: str, subject: str, actor: str, request: int) -> None:
        """Record a request that staff carried out by hand. An objection also takes effect in the built-in stores."""
        self._record(ENTRY_KINDS[kind], subject, by=actor, request=request)
        if kind == "object":
            for store in self.built_in:
                store.record_objection(subject)

    def record_access(self, subject: str, **detail: Any) -> None:
        """Record an access to a data subject's data. ``subject`` is empty for an access to many people's data."""
        self._record("access", subject, **detail, outcome="allowed")

    def pseudonymise(self, subject: str) -> tuple[str, str]:
        """Return ``(key id, keyed hash)`` of a data subject under the newest key."""
        return self._keys.pseudonymise(normalise_subject(subject))

    def _record(self, kind: str, subject: str, **detail: Any) -> str:
        return self._ledger.record_or_spool(kind, subject=subject, detail=detail, escape=False).at


# Replay after a restore.

Row = dict[str, Any]

#: The kinds of entries whose effect a restore undoes and only an operator can repeat.
_MANUAL_KINDS = ("correction", "restriction", "objection")


@dataclass
class Replayed:
    """The changes of one replay. A second replay changes nothing."""

    visitors: int = 0  # visitors whose events were erased again
    requests: int = 0  # requests that were anonymised again
    subject_flags: int = 0  # licence acceptances that were deleted again
    preferences: int = 0  # opt-ins and opt-outs of marketing mail that were applied again
    stores: list[StoreOutcome] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)  # entries for an operator to repeat
    not_covered: list[str] = field(default_factory=list)  # stores that cannot erase, or cannot list their data subjects
    unreadable: list[int] = field(default_factory=list)  # positions of changed entries, which were skipped

    @property
    def changed(self) -> int:
        built_in = self.visitors + self.requests + self.subject_flags + self.preferences
        return built_in + sum(outcome.result.changed for outcome in self.stores)

    @property
    def is_complete(self) -> bool:
        """Whether every store was replayed and every entry was read."""
        return not (self.not_covered or self.unreadable or any(outcome.error for outcome in self.stores))

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-compatible values, for ``--json``."""
        return {
            "visitors": self.visitors,
            "requests": self.requests,
            "standings": self.subject_flags,
            "choices": self.preferences,
            "stores": [outcome.as_dict() for outcome in self.stores],
            "corrections": self.corrections,
            "not_covered": self.not_covered,
            "unreadable": self.unreadable,
            "changed": self.changed,
        }


class Replay:
    """Reads the ledger as far back as archives are kept, and matches data subjects by keyed hash under every key."""

    def __init__(
        self,
        ledger: Ledger,
        keys: KeyRing,
        data_subjects: DataSubjects,
        store: EventStore,
        archives: Period,
        load: Callable[[], object],  # loads the log and blanks the lines of erased visitors
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._data_subjects = data_subjects
        self._store = store
        self._archives = archives
        self._load = load

    def run(self) -> Replayed:
        """Repeat the erasures whose data a backup brought back, and list the corrections to repeat by hand.

        Only data older than the erasure is erased, so a person who came back later keeps the newer data.
        """
        self._ledger.drain_spool()
        since = later(days=-self._archives.days)
        erasures = _latest(self._ledger.entries("erasure", "withdrawal", "grant", since=since))
        replayed = Replayed()
        replayed.visitors = self._erase_visitors(erasures)
        for store in self._data_subjects.stores:
            self._replay_store(store, erasures, replayed)
        changes = Counter(
            {store.name: self._replay_built_in(store, erasures, since) for store in self._data_subjects.built_in}
        )
        replayed.requests = changes["requests"]
        replayed.subject_flags = changes["licences"]
        replayed.preferences = changes["opt-ins"]
        replayed.corrections = list(self._corrections(since, replayed))
        replayed.unreadable = self._ledger.unreadable(since=since)
        return replayed

    def expire(self) -> list[StoreOutcome]:
        """Delete data past its retention, such as fields that an erasure retained. A failing store stops no other."""
        for store in self._data_subjects.built_in:
            store.expire()
        return self._expire_retained_subjects() + self._data_subjects.stores.expire(now())

    def _expire_retained_subjects(self) -> list[StoreOutcome]:
        """Repeat the erasures in stores that retained a name or an address, whose period may have ended.

        A row with a retained name does not show that its data subject was erased, so the ledger's entries are replayed.
        Returns the outcomes with deleted rows or an error.
        """
        stores = [store for store in self._data_subjects.stores if store.retains_subjects]
        erasures = _latest(filter(is_person_erasure, self._ledger.entries("erasure"))) if stores else {}
        replayed = Replayed()
        for store in stores if erasures else ():
            self._replay_store(store, erasures, replayed)
        return [outcome for outcome in replayed.stores if outcome.error or outcome.result.deleted]

    def _erase_visitors(self, erasures: dict[str, Row]) -> int:
        """Erase visitors again, and return their number.

        The tombstones are restored first, because a restored log may still have lines of these visitors.
        """
        erased = [row for row in erasures.values() if not is_person_erasure(row)]
        tombstones = {row["subject"]: (row["subject"], row["subject_key"], row["at"][:10]) for row in erased}
        tombstones.update(self._tombstones_of_grants(erased))
        self._store.restore_tombstones(tombstones.values())
        returned = self._visitors_with_events(set(tombstones))
        for visitor in returned:
            self._store.erase(visitor, max(row["at"] for row in erased)[:10])
        self._load()
        return len(returned)

    def _tombstones_of_grants(self, erased: Iterable[Row]) -> Iterator[tuple[str, tuple[str, str, str]]]:
        """Yield the tombstones of the IDs that were derived from the receipts of each grant that was withdrawn."""
        for row in erased:
            if receipt := row["replaces"] or row["receipt"]:
                for earlier in (receipt, *earlier_receipts(self._ledger, receipt)):
                    key_id, hashed = self._keys.pseudonymise(visitor_id(earlier))
                    yield hashed, (hashed, key_id, row["at"][:10])

    def _visitors_with_events(self, hashes: set[str]) -> list[str]:
        """Return the visitors with events whose keyed hash is one of these."""
        return [v for v in self._store.visitors() if not hashes.isdisjoint(self._keys.pseudonyms(v))] if hashes else []

    def _replay_store(self, store: PersonalStore, erasures: dict[str, Row], replayed: Replayed) -> None:
        if store.erase is None or store.subject is None:
            replayed.not_covered.append(store.name)
            return
        for subject, row in list(self._matches(self._list_subjects(store, replayed), erasures)):
            outcome = self._data_subjects.stores.erase_in(store, subject, just_after(row["at"]))
            if outcome.error or outcome.result.changed:
                replayed.stores.append(outcome)

    def _replay_built_in(self, store: BuiltInStore, erasures: dict[str, Row], since: str) -> int:
        matches = self._matches(store.subjects(), erasures)
        erased = sum(store.erase(subject, just_after(row["at"])) for subject, row in matches)
        return erased + store.replay(_erasure_times(erasures.values()), since)

    def _list_subjects(self, store: PersonalStore, replayed: Replayed) -> set[str]:
        """Return the data subjects in a store. An error is reported once and stops no other store."""
        subjects, error = self._data_subjects.stores.list_subjects(store)
        if error and not any(outcome.store == store.name and outcome.error for outcome in replayed.stores):
            replayed.stores.append(StoreOutcome(store.name, error=error))
        return subjects

    def _corrections(self, since: str, replayed: Replayed) -> Iterator[dict[str, Any]]:
        subjects = {subject for store in self._data_subjects.stores for subject in self._list_subjects(store, replayed)}
        by_hash = {hashed: subject for subject in subjects for hashed in self._keys.pseudonyms(subject)}
        for row in self._ledger.entries(*_MANUAL_KINDS, since=since):
            if row["subject"] in by_hash:
                yield {"at": row["at"], "kind": row["kind"], "subject": by_hash[row["subject"]], **detail_of(row)}

    def _matches(self, subjects: Iterable[str], erasures: dict[str, Row]) -> Iterator[tuple[str, Row]]:
        """Yield each erased data subject among these, with the entry of the latest erasure."""
        for subject in sorted(subjects):
            rows = [erasures[hashed] for hashed in self._keys.pseudonyms(subject) if hashed in erasures]
            if rows:
                yield subject, max(rows, key=lambda row: row["at"])


def _latest(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the newest of these entries by the subject's keyed hash."""
    return {row["subject"]: row for row in rows if row["subject"]}


def _erasure_times(rows: Iterable[Row]) -> dict[str, str]:
    """Return the time of the latest erasure by each keyed hash that an erased data subject had."""
    times: dict[str, str] = {}
    for row in filter(is_person_erasure, rows):
        for hashed in hashes_of(row).values():
            times[hashed] = max(row["at"], times.get(hashed, ""))
    return times
