"""The site's own stores of personal data, and what is done in each of them for one person."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from ..errors import StoreError
from ..policy.model import Policy
from ..storage.keys import normalise_subject, spellings_of

logger = logging.getLogger("flask_mixamo_privacy")


@dataclass(frozen=True)
class RetainedField:
    """What an erasure left where it was: which field of which table, why, and until which day."""

    name: str
    reason: str
    until: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"what": self.name, "why": self.reason, "until": self.until}


@dataclass(frozen=True)
class StoreResult:
    """What came of one act in one store, in rows."""

    deleted: int = 0
    anonymised: int = 0
    corrected: int = 0
    retained: tuple[RetainedField, ...] = ()

    @property
    def changed(self) -> int:
        return self.deleted + self.anonymised + self.corrected


@dataclass(frozen=True)
class StoreOutcome:
    """One store's share of an act; ``error`` says why it could not be done there."""

    store: str
    result: StoreResult = StoreResult()
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For an answer, and for a machine to read."""
        result = self.result
        payload = {
            "store": self.store,
            "deleted": result.deleted,
            "anonymised": result.anonymised,
            "corrected": result.corrected,
            "kept": [field.as_dict() for field in result.retained],
        }
        return payload | ({"error": self.error} if self.error else {})


@dataclass(frozen=True)
class PersonalStore:
    """One store; see :meth:`flask_mixamo_privacy.Privacy.register_store` for what its callables take and give."""

    name: str
    subject: Callable[[], Iterable[Any]] | None = None
    export: Callable[[str], Any] | None = None
    erase: Callable[..., Any] | None = None
    correct: Callable[[str, Mapping[str, str]], Any] | None = None
    expire: Callable[[datetime], int] | None = None
    models: tuple[Any, ...] = ()  # that it covers
    names: Mapping[str, str] = field(default_factory=dict)  # columns that hold a declared field of another name
    retains_subjects: bool = False  # whether an erasure leaves rows that name their person, for a time
    #: Models that would keep something for ever: which, why, and what to do.
    unbounded_retention: Callable[[], Iterable[tuple[str, str, str]]] | None = None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise StoreError("name", self.name, "a short text", "An answer names each store.")
        for what in ("subject", "export", "erase", "correct"):
            value = getattr(self, what)
            if value is not None and not callable(value):
                raise StoreError(what, value, "a callable, or None", "See Privacy.register_store.")

    @property
    def supports_before(self) -> bool:
        """Whether ``erase`` can leave alone what was written after a moment."""
        if self.erase is None:
            return False
        parameters = inspect.signature(self.erase).parameters.values()
        return any(p.name == "before" or p.kind is p.VAR_KEYWORD for p in parameters)

    def subjects(self) -> Iterator[str]:
        """Every subject that it holds."""
        for found in self.subject() if self.subject is not None else ():
            yield str(found)


class BuiltInStore(Protocol):
    """Personal data that the extension itself stores: requests, marketing preferences, accepted licences, minors.

    Like a :class:`PersonalStore`, except that it may know people only by keyed hashes, and that an erasure may have to
    leave a trace in it. A subclass overrides what its data needs.
    """

    name: str  # under which an export lists its data

    def subjects(self) -> Iterable[str]:
        """Return the people that it holds by name. :meth:`replay` is for those known only by a keyed hash."""
        return ()

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return what is stored about a person."""
        return []

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Erase what was stored about a person before a moment, and return the number of rows.

        ``request`` is the number of the request that is answered by it, if there is one.
        """
        return 0

    def record_objection(self, subject: str) -> None:
        """Let an objection of a person take effect (GDPR art. 21)."""
        return

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """After a restore, let the ledger's entries take effect again, and return the number of changes.

        ``erased`` is the time of the latest erasure by the person's keyed hash. ``since`` is the time of the oldest
        archive.
        """
        return 0

    def expire(self) -> int:
        """Delete what is not needed any longer, and return the number of rows."""
        return 0


#: What was registered, each made into a store once the policy is known.
StoreRegistry = list[Callable[[Policy], PersonalStore]]


class PersonalStores:
    """All stores of one site."""

    def __init__(self, policy: Policy, registered: StoreRegistry) -> None:
        self._policy = policy
        self._registered = registered

    def __iter__(self) -> Iterator[PersonalStore]:
        return (bind(self._policy) for bind in self._registered)

    def without(self, what: str) -> list[str]:
        """The names of the stores that cannot do this."""
        return [store.name for store in self if getattr(store, what) is None]

    def export(self, subject: str) -> dict[str, Any]:
        """What each store holds about a subject, by the store's name; nothing of those that hold nothing.

        Raises :class:`StoreError` where a store fails: an answer that leaves something out without a word would be wrong.
        """
        found = {store.name: _export(store, subject) for store in self if store.export is not None}
        return {name: data for name, data in found.items() if data}

    def erase(self, subject: str, before: datetime | None = None) -> list[StoreOutcome]:
        """Erase a subject from every store, or only what was written before a moment. A store that fails stops no other."""
        return [self.erase_in(store, subject, before) for store in self if store.erase is not None]

    def erase_in(self, store: PersonalStore, subject: str, before: datetime | None = None) -> StoreOutcome:
        """Erase a subject from one store."""
        return _attempt(store, lambda: _erase(store, subject, before))

    def correct(self, subject: str, changes: Mapping[str, str]) -> list[StoreOutcome]:
        """Set fields of a subject anew, in every store that has them."""

        return [_attempt(store, partial(_correct, store, subject, changes)) for store in self if store.correct is not None]

    def expire(self, now: datetime) -> list[StoreOutcome]:
        """Delete what was kept after an erasure and is not needed any longer. A store that fails stops no other."""
        return [_attempt(store, partial(_expire, store, now)) for store in self if store.expire is not None]

    def list_subjects(self, store: PersonalStore) -> tuple[set[str], str]:
        """Everybody whom one store holds, as far as it can say, and why it cannot say more."""
        held: set[str] = set()

        def look() -> StoreResult:
            held.update(map(normalise_subject, store.subjects()))
            return StoreResult()

        return held, _attempt(store, look).error


def merge_results(before: Iterable[Mapping[str, Any]], outcomes: Iterable[StoreOutcome]) -> list[dict[str, Any]]:
    """What attempts before and the newest one came to, store by store, without what failed.

    Rows that are gone are counted by one attempt alone; those that were corrected by each, so that the most counts.
    """
    found = {store["store"]: dict(store) for store in before}
    for new in (StoreOutcome(outcome.store, outcome.result).as_dict() for outcome in outcomes):
        old = found.setdefault(new["store"], new)
        if old is not new:
            kept = [*old["kept"], *(one for one in new["kept"] if one not in old["kept"])]
            gone = {what: old[what] + new[what] for what in ("deleted", "anonymised")}
            old |= gone | {"corrected": max(old["corrected"], new["corrected"]), "kept": kept}
    return list(found.values())


def _erase(store: PersonalStore, subject: str, before: datetime | None) -> StoreResult:
    assert store.erase is not None
    if before is None:
        return _sum_results(as_result(store.erase(spelling), "deleted") for spelling in _spellings(store, subject))
    if not store.supports_before:
        says = f"The store {store.name!r} cannot tell what was written before a moment: its erase takes no before=."
        raise StoreError("erase", store.name, "a callable with a parameter named before", says)
    return _sum_results(
        as_result(store.erase(spelling, before=before), "deleted") for spelling in _spellings(store, subject)
    )


def _export(store: PersonalStore, subject: str) -> Any:
    assert store.export is not None
    try:
        found = [data for spelling in _spellings(store, subject) if (data := store.export(spelling))]
        return found[0] if len(found) == 1 else found
    except Exception as error:  # of a site's own callable
        what, says = f"The export of the store {store.name!r}", f"{type(error).__name__}: {error}"
        hint = "Nothing was exported, for a part would pass as the whole. Mend the store and try again."
        raise StoreError(what, says, "what JSON can say", hint) from error


def _expire(store: PersonalStore, now: datetime) -> StoreResult:
    assert store.expire is not None
    return as_result(store.expire(now), "deleted")


def _correct(store: PersonalStore, subject: str, changes: Mapping[str, str]) -> StoreResult:
    assert store.correct is not None
    return _sum_results(as_result(store.correct(spelling, changes), "corrected") for spelling in _spellings(store, subject))


def _spellings(store: PersonalStore, subject: str) -> list[str]:
    """Return what to ask a store for. Models find every spelling of an address by themselves."""
    return [subject] if store.models else spellings_of(subject)


def _sum_results(parts: Iterable[StoreResult]) -> StoreResult:
    """Return the sum of what was done under each spelling of a subject."""
    first, *others = parts
    for part in others:
        numbers = (first.deleted + part.deleted, first.anonymised + part.anonymised, first.corrected + part.corrected)
        first = StoreResult(*numbers, (*first.retained, *part.retained))
    return first


def _attempt(store: PersonalStore, act: Callable[[], StoreResult]) -> StoreOutcome:
    try:
        return StoreOutcome(store.name, act())
    except Exception as error:  # whatever a site's own callable raises, the other stores are seen to
        logger.error("The store %r failed: %s", store.name, error, exc_info=error)
        return StoreOutcome(store.name, error=f"{type(error).__name__}: {error}")


def as_result(given: object, counted: str) -> StoreResult:
    """What a store's callable gave: a :class:`Done`, a number of rows, a mapping of such, or nothing worth a number."""
    if isinstance(given, StoreResult):
        return given
    if isinstance(given, Mapping):
        deleted, anonymised, corrected = (int(given.get(name, 0)) for name in ("deleted", "anonymised", "corrected"))
        return StoreResult(deleted, anonymised, corrected)
    number = int(given) if isinstance(given, int) else 0
    return StoreResult(corrected=number) if counted == "corrected" else StoreResult(deleted=number)
