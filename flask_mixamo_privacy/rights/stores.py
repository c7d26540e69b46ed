"""Personal data stores: their interface, the site's registered stores, and the results of an action in each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from ..errors import StoreError
from ..policy.model import Policy
from ..storage.failures import describe_to_staff, log_failure
from ..storage.keys import normalise_subject, spellings_of


@dataclass(frozen=True)
class RetainedField:
    """A field that an erasure retained: ``table.field``, the reason, and the last day (empty if there is none)."""

    name: str
    reason: str
    until: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"what": self.name, "why": self.reason, "until": self.until}


@dataclass(frozen=True)
class StoreResult:
    """The number of rows that one action changed in one store, and the fields it retained."""

    deleted: int = 0
    anonymised: int = 0
    corrected: int = 0
    retained: tuple[RetainedField, ...] = ()

    @property
    def changed(self) -> int:
        return self.deleted + self.anonymised + self.corrected


@dataclass(frozen=True)
class StoreOutcome:
    """The result of an action in one store, or the error that prevented it."""

    store: str
    result: StoreResult = StoreResult()
    error: str = ""
    public_error: str = ""  # the same without a value of a row

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-compatible values, for an answer and for ``--json``."""
        result = self.result
        payload = {
            "store": self.store,
            "deleted": result.deleted,
            "anonymised": result.anonymised,
            "corrected": result.corrected,
            "kept": [retained.as_dict() for retained in result.retained],
        }
        return payload | ({"error": self.error} if self.error else {})


@dataclass(frozen=True)
class PersonalStore:
    """One store of the site. :meth:`flask_mixamo_privacy.Privacy.register_store` documents the callables."""

    name: str
    subject: Callable[[], Iterable[Any]] | None = None
    export: Callable[[str], Any] | None = None
    erase: Callable[..., Any] | None = None
    correct: Callable[[str, Mapping[str, str]], Any] | None = None
    expire: Callable[[datetime], int] | None = None
    models: tuple[Any, ...] = ()  # the SQLAlchemy models that it covers
    names: Mapping[str, str] = field(default_factory=dict)  # from a column's name to the declared field that it holds
    retains_subjects: bool = False  # whether retained rows still identify their data subject for a time
    #: The models whose data would be retained forever: the model's name, the reason, and the next step.
    unbounded_retention: Callable[[], Iterable[tuple[str, str, str]]] | None = None
    #: The declared fields that a correction treats specially. A column is "protected" if it is never corrected, and a
    #: "subject" if it names the data subject.
    special_fields: Callable[[], Mapping[str, str]] | None = None
    #: The declared field of each column, by ``table.column``.
    declared_fields: Callable[[], Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise StoreError("name", self.name, "a short text", "Give the store a name. Answers list each store by name.")
        for action in ("subject", "export", "erase", "correct"):
            value = getattr(self, action)
            if value is not None and not callable(value):
                raise StoreError(action, value, "a callable, or None", "See Privacy.register_store.")

    @property
    def supports_before(self) -> bool:
        """Whether ``erase`` accepts ``before``, and so can leave newer data in place."""
        if self.erase is None:
            return False
        parameters = inspect.signature(self.erase).parameters.values()
        return any(p.name == "before" or p.kind is p.VAR_KEYWORD for p in parameters)

    def subjects(self) -> Iterator[str]:
        """Yield every data subject in the store."""
        for subject in self.subject() if self.subject is not None else ():
            yield str(subject)


class BuiltInStore(Protocol):
    """Personal data that the extension itself stores: requests, marketing preferences, accepted licences, minors.

    It resembles a :class:`PersonalStore`, but may know data subjects only by keyed hashes. An erasure may have to leave a
    record in it. A subclass overrides the methods that its data needs.
    """

    name: str  # the key of its data in an export

    def subjects(self) -> Iterable[str]:
        """Return the data subjects known by name. :meth:`replay` handles those known only by a keyed hash."""
        return ()

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return the data stored about a data subject."""
        return []

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Erase the data stored about a data subject before a time, and return the number of rows.

        ``request`` is the number of the deletion request being answered, if any.
        """
        return 0

    def record_objection(self, subject: str) -> None:
        """Apply an objection of a data subject (GDPR art. 21)."""
        return

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """Apply the ledger's entries again after a restore, and return the number of changes.

        ``erased`` maps each keyed hash of a data subject to the time of the latest erasure. ``since`` is the time of the
        oldest archive.
        """
        return 0

    def expire(self) -> int:
        """Delete data past its retention, and return the number of rows."""
        return 0


#: The registered stores, as functions that build a store once the policy is known.
StoreRegistry = list[Callable[[Policy], PersonalStore]]


class PersonalStores:
    """All personal data stores of one site."""

    def __init__(self, policy: Policy, registered: StoreRegistry) -> None:
        self._policy = policy
        self._registered = registered

    def __iter__(self) -> Iterator[PersonalStore]:
        return (bind(self._policy) for bind in self._registered)

    def without(self, action: str) -> list[str]:
        """Return the names of the stores without a callable for an action."""
        return [store.name for store in self if getattr(store, action) is None]

    def special_fields(self, kind: str) -> frozenset[str]:
        """Return the declared fields that a store holds in a column of this kind, ``"protected"`` or ``"subject"``."""
        special = [store.special_fields().items() for store in self if store.special_fields is not None]
        return frozenset(name for fields in special for name, found in fields if found == kind)

    def declared_fields(self) -> dict[str, str]:
        """Return the declared field that a column holds, by ``table.column`` or by the column's name."""
        fields: dict[str, str] = {}
        for store in self:
            fields |= store.names
            fields |= store.declared_fields() if store.declared_fields is not None else {}
        return fields

    def export(self, subject: str) -> dict[str, Any]:
        """Return the data about a data subject by store name. Stores without data are omitted.

        Raises :class:`StoreError` if a store fails, because an incomplete export would look complete.
        """
        data_by_store = {store.name: _export(store, subject) for store in self if store.export is not None}
        return {name: data for name, data in data_by_store.items() if data}

    def erase(self, subject: str, before: datetime | None = None) -> list[StoreOutcome]:
        """Erase a data subject from every store, or only data older than ``before``. A failing store stops no other."""
        return [self.erase_in(store, subject, before) for store in self if store.erase is not None]

    def erase_in(self, store: PersonalStore, subject: str, before: datetime | None = None) -> StoreOutcome:
        """Erase a data subject from one store."""
        return _attempt(store, lambda: _erase(store, subject, before))

    def correct(self, subject: str, changes: Mapping[str, str]) -> list[StoreOutcome]:
        """Set fields of a data subject to new values, in every store that has them. A failing store stops no other."""

        return [_attempt(store, partial(_correct, store, subject, changes)) for store in self if store.correct is not None]

    def expire(self, now: datetime) -> list[StoreOutcome]:
        """Delete data that an erasure retained and whose period has ended. A failing store stops no other."""
        return [_attempt(store, partial(_expire, store, now)) for store in self if store.expire is not None]

    def list_subjects(self, store: PersonalStore) -> tuple[set[str], str]:
        """Return the data subjects in one store, and the error that cut the list short (empty if there is none)."""
        subjects: set[str] = set()

        def collect() -> StoreResult:
            subjects.update(map(normalise_subject, store.subjects()))
            return StoreResult()

        return subjects, _attempt(store, collect).error


def merge_results(earlier: Iterable[Mapping[str, Any]], outcomes: Iterable[StoreOutcome]) -> list[dict[str, Any]]:
    """Merge the results of earlier attempts with the newest one, store by store, without the errors.

    Each attempt deletes or anonymises other rows, so those counts are added. Each attempt corrects the same rows again, so
    the highest count applies.
    """
    merged = {store["store"]: dict(store) for store in earlier}
    for new in (StoreOutcome(outcome.store, outcome.result).as_dict() for outcome in outcomes):
        old = merged.setdefault(new["store"], new)
        if old is not new:
            kept = [*old["kept"], *(field for field in new["kept"] if field not in old["kept"])]
            removed = {name: old[name] + new[name] for name in ("deleted", "anonymised")}
            old |= removed | {"corrected": max(old["corrected"], new["corrected"]), "kept": kept}
    return list(merged.values())


def _erase(store: PersonalStore, subject: str, before: datetime | None) -> StoreResult:
    assert store.erase is not None
    if before is None:
        return _sum_results(as_result(store.erase(spelling), "deleted") for spelling in _spellings(store, subject))
    if not store.supports_before:
        key, signature = f"The signature of erase in the store {store.name!r}", str(inspect.signature(store.erase))
        hint = "Add the parameter, or erase by hand. Without it, a replay would also erase newer data."
        raise StoreError(key, signature, "a parameter named before", hint)
    return _sum_results(
        as_result(store.erase(spelling, before=before), "deleted") for spelling in _spellings(store, subject)
    )


def _export(store: PersonalStore, subject: str) -> Any:
    assert store.export is not None
    try:
        exports = [data for spelling in _spellings(store, subject) if (data := store.export(spelling))]
        return exports[0] if len(exports) == 1 else exports
    except Exception as error:  # a registered callable may raise any exception
        log_failure(f"The export of the store {store.name!r} failed", error)
        key, message = f"The export of the store {store.name!r}", f"{type(error).__name__}: {error}"
        hint = "Fix the store and try again. Nothing was exported, because an incomplete export would look complete."
        raise StoreError(key, message, "JSON-compatible data", hint, public=describe_to_staff(error)) from None


def _expire(store: PersonalStore, now: datetime) -> StoreResult:
    assert store.expire is not None
    return as_result(store.expire(now), "deleted")


def _correct(store: PersonalStore, subject: str, changes: Mapping[str, str]) -> StoreResult:
    assert store.correct is not None
    return _sum_results(as_result(store.correct(spelling, changes), "corrected") for spelling in _spellings(store, subject))


def _spellings(store: PersonalStore, subject: str) -> list[str]:
    """Return the spellings to pass to a store. Models find every spelling of an address themselves."""
    return [subject] if store.models else spellings_of(subject)


def _sum_results(results: Iterable[StoreResult]) -> StoreResult:
    """Return the sum of the results under each spelling of a data subject."""
    first, *others = results
    for result in others:
        numbers = (
            first.deleted + result.deleted,
            first.anonymised + result.anonymised,
            first.corrected + result.corrected,
        )
        first = StoreResult(*numbers, (*first.retained, *result.retained))
    return first


def _attempt(store: PersonalStore, action: Callable[[], StoreResult]) -> StoreOutcome:
    try:
        return StoreOutcome(store.name, action())
    except Exception as error:  # a registered callable may raise any exception, and must not stop the other stores
        log_failure(f"The store {store.name!r} failed", error)
        message = f"{type(error).__name__}: {error}"
        return StoreOutcome(store.name, error=message, public_error=describe_to_staff(error))


def as_result(value: object, counted: str) -> StoreResult:
    """Convert the return value of a store's callable.

    Accepts a :class:`StoreResult`, a number of rows, and a mapping of such numbers. Any other value counts no rows.
    ``counted`` is what a plain number counts: ``"deleted"`` or ``"corrected"`` rows.
    """
    if isinstance(value, StoreResult):
        return value
    if isinstance(value, Mapping):
        deleted, anonymised, corrected = (int(value.get(name, 0)) for name in ("deleted", "anonymised", "corrected"))
        return StoreResult(deleted, anonymised, corrected)
    number = int(value) if isinstance(value, int) else 0
    return StoreResult(corrected=number) if counted == "corrected" else StoreResult(deleted=number)
