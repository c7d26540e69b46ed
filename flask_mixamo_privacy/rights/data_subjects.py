"""After a restore: what the ledger says was undone since the backup is undone again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..ledger.entry import detail_of, hashes_of, is_person_erasure
from ..policy.parts import Period
from ..storage.clock import just_after, later, now
from ..storage.keys import KeyRing, normalise_subject
from ..tracking.store import EventStore
from .stores import BuiltInStore, PersonalStore, PersonalStores, StoreOutcome

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger

# What is done with one person's data in every store at once; each act leaves an entry in the ledger first.

#: What an entry of the ledger is called, by what was asked for.
ENTRIES = {"correct": "correction", "restrict": "restriction", "object": "objection"}


class DataSubjects:
    """Exports, erases and corrects. The ledger knows a person by a keyed hash, and no value of any field."""

    def __init__(self, stores: PersonalStores, ledger: Ledger, keys: KeyRing, built_in: Sequence[BuiltInStore]) -> None:
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

    def erase(self, subject: str, who: str, request: int | None = None) -> list[StoreOutcome]:
        """Erase somebody everywhere. The entry comes first: what a crash leaves behind is found by replaying it."""
        about: dict[str, Any] = {"request": request} if request is not None else {}
        if older := dict(list(self._keys.pseudonyms_by_key(normalise_subject(subject)).items())[:-1]):
            about["older"] = older  # what stands about somebody may have been written down under a key of before
        at = self._note("erasure", subject, what="person", by=who, **about)
        outcomes = self.stores.erase(normalise_subject(subject))
        for store in self.built_in:
            store.erase(subject, just_after(at), request)
        return outcomes

    def correct(self, subject: str, changes: Mapping[str, str], who: str) -> list[StoreOutcome]:
        """Set fields anew everywhere; the ledger keeps which, so that a restore cannot undo it unnoticed."""
        self._note("correction", subject, by=who, fields=sorted(changes))
        return self.stores.correct(normalise_subject(subject), changes)

    def note(self, kind: str, subject: str, who: str, request: int) -> None:
        """Leave the entry of what a person of the site's has seen to by hand."""
        self._note(ENTRIES[kind], subject, by=who, request=request)
        if kind == "object":
            for store in self.built_in:
                store.record_objection(subject)

    def record_access(self, subject: str, **said: Any) -> None:
        """Leave the entry of a look at somebody's data, or at many people's where the subject is empty."""
        self._note("access", subject, **said, outcome="allowed")

    def pseudonymise(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of somebody, under the newest key."""
        return self._keys.pseudonymise(normalise_subject(subject))

    def _note(self, kind: str, subject: str, **detail: Any) -> str:
        return self._ledger.record_or_spool(kind, subject=subject, detail=detail, escape=False).at


Row = dict[str, Any]

#: What a restored database makes undone, of a person, and nobody but a person can do again.
_BY_HAND = ("correction", "restriction", "objection")


@dataclass
class Replayed:
    """What a replay came to. A second one changes nothing."""

    visitors: int = 0  # whose events were erased again
    requests: int = 0  # that were blanked again
    subject_flags: int = 0  # licences accepted and opt-ins given before an erasure, forgotten again
    preferences: int = 0  # opt-ins and opt-outs of marketing mail that have effect again
    stores: list[StoreOutcome] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)  # for a person to do again
    not_covered: list[str] = field(default_factory=list)  # stores that cannot say whom they hold, or since when
    unreadable: list[int] = field(default_factory=list)  # positions of entries that were changed and were skipped

    @property
    def changed(self) -> int:
        ours = self.visitors + self.requests + self.subject_flags + self.preferences
        return ours + sum(outcome.result.changed for outcome in self.stores)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left for a person to see to."""
        return not (self.not_covered or self.unreadable or any(outcome.error for outcome in self.stores))

    def as_dict(self) -> dict[str, Any]:
        """For a machine to read."""
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
    """Goes through the ledger as far back as archives are kept, and matches by keyed hashes, under every key."""

    def __init__(
        self,
        ledger: Ledger,
        keys: KeyRing,
        data_subjects: DataSubjects,
        store: EventStore,
        archives: Period,
        load: Callable[[], object],  # loads the log, and leaves no copy of the visitors buried in the store
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._data_subjects = data_subjects
        self._store = store
        self._archives = archives
        self._load = load

    def run(self) -> Replayed:
        """Erase again what was erased, and list what was corrected, wherever a backup brought it back.

        Only what is older than an event is touched: whoever came back later stays.
        """
        self._ledger.drain_spool()
        since = later(days=-self._archives.days)
        erasures = _latest(self._ledger.entries("erasure", "withdrawal", "grant", since=since))
        found = Replayed()
        found.visitors = self._events(erasures)
        for store in self._data_subjects.stores:
            self._replay_store(store, erasures, found)
        own = Counter({store.name: self._replay_built_in(store, erasures, since) for store in self._data_subjects.built_in})
        found.requests, found.subject_flags, found.preferences = own["requests"], own["licences"], own["opt-ins"]
        found.corrections = list(self._corrections(since, found))
        found.unreadable = self._ledger.unreadable(since=since)
        return found

    def expire(self) -> list[StoreOutcome]:
        """Delete what is not needed any longer, such as fields that an erasure kept. A store that fails stops no other."""
        for store in self._data_subjects.built_in:
            store.expire()
        return self._end() + self._data_subjects.stores.expire(now())

    def _end(self) -> list[StoreOutcome]:
        """Erase once more whoever's name or address was kept, for its time may be over; what that came to, where anything.

        Nothing in such a row says that its person was erased, so it goes by the ledger, as after a restore.
        """
        stores = [store for store in self._data_subjects.stores if store.retains_subjects]
        erasures = _latest(filter(is_person_erasure, self._ledger.entries("erasure"))) if stores else {}
        found = Replayed()
        for store in stores if erasures else ():
            self._replay_store(store, erasures, found)
        return [outcome for outcome in found.stores if outcome.error or outcome.result.deleted]

    def _events(self, erasures: dict[str, Row]) -> int:
        """Erase visitors again. The tombstones come first, for lines of theirs may lie in a restored log."""
        gone = [row for row in erasures.values() if not is_person_erasure(row)]
        self._store.restore_tombstones((row["subject"], row["subject_key"], row["at"][:10]) for row in gone)
        again = self._come_back({row["subject"] for row in gone})
        for visitor in again:
            self._store.erase(visitor, max(row["at"] for row in gone)[:10])
        self._load()
        return len(again)

    def _come_back(self, hashes: set[str]) -> list[str]:
        """The visitors with events among those whose hashes these are."""
        return [v for v in self._store.visitors() if not hashes.isdisjoint(self._keys.pseudonyms(v))] if hashes else []

    def _replay_store(self, store: PersonalStore, erasures: dict[str, Row], found: Replayed) -> None:
        if store.erase is None or store.subject is None:
            found.not_covered.append(store.name)
            return
        for person, row in list(self._matches(self._held(store, found), erasures)):
            outcome = self._data_subjects.stores.erase_in(store, person, just_after(row["at"]))
            if outcome.error or outcome.result.changed:
                found.stores.append(outcome)

    def _replay_built_in(self, store: BuiltInStore, erasures: dict[str, Row], since: str) -> int:
        matched = self._matches(store.subjects(), erasures)
        erased = sum(store.erase(person, just_after(row["at"])) for person, row in matched)
        return erased + store.replay(_tombstones(erasures.values()), since)

    def _held(self, store: PersonalStore, found: Replayed) -> set[str]:
        """Everybody whom a store holds; what keeps it from saying so is told once, and stops no other store."""
        held, error = self._data_subjects.stores.list_subjects(store)
        if error and not any(outcome.store == store.name and outcome.error for outcome in found.stores):
            found.stores.append(StoreOutcome(store.name, error=error))
        return held

    def _corrections(self, since: str, found: Replayed) -> Iterator[dict[str, Any]]:
        people = {person for store in self._data_subjects.stores for person in self._held(store, found)}
        by_hash = {hashed: person for person in people for hashed in self._keys.pseudonyms(person)}
        for row in self._ledger.entries(*_BY_HAND, since=since):
            if row["subject"] in by_hash:
                yield {"at": row["at"], "kind": row["kind"], "subject": by_hash[row["subject"]], **_about(row)}

    def _matches(self, people: Iterable[str], erasures: dict[str, Row]) -> Iterator[tuple[str, Row]]:
        """Each of these people who was erased, with the latest entry that says so."""
        for person in sorted(people):
            rows = [erasures[hashed] for hashed in self._keys.pseudonyms(person) if hashed in erasures]
            if rows:
                yield person, max(rows, key=lambda row: row["at"])


def _latest(rows: Iterable[Row]) -> dict[str, Row]:
    """By subject, the newest entry that ended something of it."""
    return {row["subject"]: row for row in rows if row["subject"]}


def _tombstones(rows: Iterable[Row]) -> dict[str, str]:
    """Every keyed hash under which somebody was known who was erased, and when that was."""
    graves: dict[str, str] = {}
    for row in filter(is_person_erasure, rows):
        for hashed in hashes_of(row).values():
            graves[hashed] = max(row["at"], graves.get(hashed, ""))
    return graves


def _about(row: Row) -> dict[str, Any]:
    return detail_of(row)
