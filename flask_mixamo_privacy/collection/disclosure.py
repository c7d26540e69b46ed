"""What leaves the site, and what is read: no more than is declared for it, and what leaves is on record first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DisclosureError, OtherPurpose, UndeclaredField, UndeclaredRecipient
from ..policy.model import Policy
from ..policy.parts import BASES, Recipient
from ..policy.versions import Versions
from . import notices

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger

#: Bases on which data goes out that serve none of the purposes it was collected for.
EXCEPTIONAL_BASES = ("legal", "safety", "transfer")


class DisclosedFields(dict[str, Any]):
    """Fields of a record, by name; asking for another one raises :class:`UndeclaredField`."""

    def __init__(self, found: Mapping[str, Any], what: str, declared: Iterable[str]) -> None:
        super().__init__(found)
        self._what = what
        self._declared = tuple(declared)

    def __missing__(self, name: str) -> Any:
        if name in self._declared:
            raise KeyError(name)  # the record has none
        raise UndeclaredField(name, self._what, self._declared)


def read(policy: Policy, record: Any, purpose: str, point: str | None) -> DisclosedFields:
    """The fields of a record that were collected for a purpose; see :meth:`Privacy.read`."""
    policy.purpose(purpose)
    if point is not None:
        points = [notices.find_point(policy, point)]
        allowed: Iterable[str] = points[0].purposes
        what = f"what is collected at {points[0].id!r}"
    else:
        points, what = list(policy.collection), "what is collected here"
        allowed = dict.fromkeys(each for one in points for each in one.purposes)
    points = [each for each in points if purpose in each.purposes]
    if not points:
        raise OtherPurpose(what, purpose, allowed)
    names = tuple(dict.fromkeys(name for each in points for name in (*each.required, *each.optional)))
    return DisclosedFields(_of(record, names), f"the purpose {purpose!r}", names)


class Disclosure:
    """One disclosure, held against the declaration; every check raises."""

    def __init__(self, policy: Policy, versions: Versions, recipient: str, purpose: str, basis: str | None) -> None:
        self._policy = policy
        self._versions = versions
        self._name = recipient
        self._purpose = purpose
        self.basis = basis or (self._policy.purpose(purpose).basis if purpose else "")
        self._recipient: Recipient | None = next((r for r in self._policy.recipients if r.id == recipient), None)

    def check(self, reference: str, actor: str) -> None:
        """Raise for a recipient, a purpose or a basis on which nothing may go out."""
        if self._purpose:
            self._policy.purpose(self._purpose)
        if self.basis in EXCEPTIONAL_BASES:
            self._exceptional(reference, actor)
            return
        if self._recipient is None:
            raise UndeclaredRecipient(self._name, [recipient.id for recipient in self._policy.recipients])
        if self._purpose not in self._recipient.purposes:
            raise OtherPurpose(f"the recipient {self._name!r}", self._purpose, self._recipient.purposes)
        declared = self._policy.purpose(self._purpose).basis
        if self.basis != declared:
            allowed = ", ".join((declared, *EXCEPTIONAL_BASES))
            hint = f"The purpose {self._purpose!r} is declared with the basis {declared!r}; leave it out."
            raise DisclosureError("basis", self.basis, allowed, hint)

    def _exceptional(self, reference: str, actor: str) -> None:
        if self.basis == "transfer":
            self._posted()
            return
        for name, value, says in (("reference", reference, "a file number"), ("actor", actor, "whoever decided on it")):
            if not isinstance(value, str) or not value.strip():
                hint = f"On the basis {self.basis!r} the ledger has to say what was asked for, and who decided."
                raise DisclosureError(name, value, says, hint)

    def _posted(self) -> None:
        newest = self._versions.newest()
        notices_then = newest.declaration.get("notices", {}) if newest is not None else {}
        if not notices_then.get("transfer"):
            says = newest.date if newest is not None else None
            hint = "Declare transfer under [notices], run `flask privacy policy freeze`, and post that version first."
            raise DisclosureError("The newest version of the policy", says, "one that speaks of a new owner", hint)

    def names(self, wanted: Collection[str] | None) -> tuple[str, ...]:
        """The fields that may go out; raises :class:`UndeclaredField` for one that may not."""
        if self._recipient is not None:
            allowed, what = self._recipient.fields, f"the recipient {self._name!r}"
        elif wanted is not None:
            allowed, what = tuple(field.name for field in self._policy.fields), "this site"
        else:
            raise UndeclaredRecipient(self._name, [recipient.id for recipient in self._policy.recipients])
        for name in wanted or ():
            if name not in allowed:
                raise UndeclaredField(name, what, allowed)
        return allowed if wanted is None else tuple(wanted)

    def record(self, ledger: Ledger, names: Collection[str], subject: str, reference: str, actor: str) -> None:
        """Put it on record; raises :class:`OSError` when that cannot be done."""
        said = {
            "recipient": self._name,
            "fields": sorted(names),
            "basis": self.basis,
            "reference": reference,
            "actor": actor,
        }
        ledger.record_or_spool(
            "disclosure",
            subject=subject,
            policy=self._policy.version,
            purposes=(self._purpose,) if self._purpose else (),
            detail={name: value for name, value in said.items() if value},
            escape=False,
        )


def disclose(
    policy: Policy,
    versions: Versions,
    ledger: Ledger,
    recipient: str,
    record: Any,
    purpose: str,
    fields: Collection[str] | None,
    basis: str | None,
    reference: str,
    actor: str,
    subject: str | None,
) -> DisclosedFields:
    """The declared fields of a record, once the disclosure is in the ledger; see :meth:`Privacy.disclose`."""
    if basis is not None and basis not in (*BASES, *EXCEPTIONAL_BASES):
        hint = "Left out, it is the basis of the purpose."
        raise DisclosureError("basis", basis, ", ".join((*BASES, *EXCEPTIONAL_BASES)), hint)
    act = Disclosure(policy, versions, recipient, purpose, basis)
    act.check(reference, actor)
    names = act.names(fields)
    found = _of(record, names)
    whose = subject if subject is not None else str(_of(record, ["email"]).get("email") or "")
    act.record(ledger, list(found), whose, reference, actor)
    return DisclosedFields(found, f"the recipient {recipient!r}", names)


def _of(record: Any, names: Iterable[str]) -> dict[str, Any]:
    """These fields of a mapping, or of an object with attributes, as far as it has them."""
    if isinstance(record, Mapping):
        return {name: record[name] for name in names if name in record}
    return {name: getattr(record, name) for name in names if hasattr(record, name)}
