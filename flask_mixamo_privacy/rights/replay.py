"""After a restore: what the ledger says was undone since the backup is undone again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ..keys import Keys
from ..ledger import Ledger
from ..period import Period
from ..tracking.store import Store
from .moments import just_after, later
from .people import People
from .stores import Outcome, PersonalStore
from .subjects import canonical

Row = dict[str, Any]

#: What a restored database makes undone, of a person, and nobody but a person can do again.
_BY_HAND = ("correction", "restriction", "objection")


@dataclass
class Replayed:
    """What a replay came to. A second one changes nothing."""

    visitors: int = 0  # whose events were erased again
    requests: int = 0  # that were blanked again
    choices: int = 0  # opt-ins and opt-outs of marketing mail that have effect again
    stores: list[Outcome] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)  # for a person to do again
    not_covered: list[str] = field(default_factory=list)  # stores that cannot say whom they hold, or since when

    @property
    def changed(self) -> int:
        return self.visitors + self.requests + self.choices + sum(outcome.done.changed for outcome in self.stores)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left for a person to see to."""
        return not self.not_covered and not any(outcome.error for outcome in self.stores)

    def as_dict(self) -> dict[str, Any]:
        """For a machine to read."""
        return asdict(self) | {"stores": [outcome.as_dict() for outcome in self.stores], "changed": self.changed}


class Replay:
    """Goes through the ledger as far back as archives are kept, and matches by keyed hashes, under every key."""

    def __init__(self, ledger: Ledger, keys: Keys, people: People, store: Store, archives: Period) -> None:
        self._ledger = ledger
        self._keys = keys
        self._people = people
        self._store = store
        self._archives = archives
        #: Called with a moment: lets what the ledger says since then of marketing mail have effect again.
        self.choices: Callable[[str], int] = lambda since: 0

    def run(self, progress: Callable[[str], None] = lambda what: None) -> Replayed:
        """Erase again what was erased, and list what was corrected, wherever a backup brought it back.

        Only what is older than an event is touched: whoever came back later stays.
        """
        since = later(days=-self._archives.days)
        erasures = _latest(self._ledger.entries("erasure", "withdrawal", "grant", since=since))
        found = Replayed()
        progress("events")
        found.visitors = self._events(erasures)
        for store in self._people.stores:
            progress(store.name)
            self._replay_store(store, erasures, found)
        progress("requests")
        found.requests = self._requests(erasures)
        progress("marketing mail")
        found.choices = self.choices(since)
        found.corrections = list(self._corrections(since))
        return found

    def _events(self, erasures: dict[str, Row]) -> int:
        """Erase visitors again, and put back the tombstones, for lines of theirs may lie in a restored log."""
        gone = [row for row in erasures.values() if _about(row).get("what") != "person"]
        self._store.bury((row["subject"], row["subject_key"], row["at"][:10]) for row in gone)
        hashes = {row["subject"] for row in gone}
        again = [v for v in self._store.visitors() if not hashes.isdisjoint(self._keys.hashes(v))] if hashes else []
        for visitor in again:
            self._store.erase(visitor, max(row["at"] for row in gone)[:10])
        return len(again)

    def _replay_store(self, store: PersonalStore, erasures: dict[str, Row], found: Replayed) -> None:
        if store.erase is None or store.subject is None:
            found.not_covered.append(store.name)
            return
        matched = list(self._matches({canonical(person) for person in store.people()}, erasures))
        for person, row in matched:
            outcome = self._people.stores.erase_in(store, person, just_after(row["at"]))
            if outcome.error or outcome.done.changed:
                found.stores.append(outcome)

    def _requests(self, erasures: dict[str, Row]) -> int:
        matched = self._matches(self._people.addresses(), erasures)
        return sum(self._people.forget_requests(person, row["at"]) for person, row in matched)

    def _corrections(self, since: str) -> Iterator[dict[str, Any]]:
        people = {canonical(person) for store in self._people.stores for person in store.people()}
        by_hash = {hashed: person for person in people for hashed in self._keys.hashes(person)}
        for row in self._ledger.entries(*_BY_HAND, since=since):
            if row["subject"] in by_hash:
                yield {"at": row["at"], "kind": row["kind"], "subject": by_hash[row["subject"]], **_about(row)}

    def _matches(self, people: Iterable[str], erasures: dict[str, Row]) -> Iterator[tuple[str, Row]]:
        """Each of these people who was erased, with the latest entry that says so."""
        for person in sorted(people):
            rows = [erasures[hashed] for hashed in self._keys.hashes(person) if hashed in erasures]
            if rows:
                yield person, max(rows, key=lambda row: row["at"])


def _latest(rows: Iterable[Row]) -> dict[str, Row]:
    """By subject, the newest entry that ended something of it."""
    return {row["subject"]: row for row in rows if row["subject"]}


def _about(row: Row) -> dict[str, Any]:
    found = json.loads(row["detail"] or "{}")
    return found if isinstance(found, dict) else {}
