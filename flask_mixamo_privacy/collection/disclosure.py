"""Reading and disclosing personal data: only declared fields, and no disclosure without a ledger entry."""

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

#: Legal bases for a disclosure that serves none of the purposes the data was collected for.
EXCEPTIONAL_BASES = ("legal", "safety", "transfer")


class DisclosedFields(dict[str, Any]):
    """The fields of a record by name. An undeclared name raises :class:`UndeclaredField`."""

    def __init__(self, values: Mapping[str, Any], scope: str, declared: Iterable[str]) -> None:
        super().__init__(values)
        self._scope = scope
        self._declared = tuple(declared)

    def __missing__(self, name: str) -> Any:
        if name in self._declared:
            raise KeyError(name)  # declared, but the record does not have it
        raise UndeclaredField(name, self._scope, self._declared)


def read(policy: Policy, record: Any, purpose: str, point: str | None) -> DisclosedFields:
    """Return the fields of a record that were collected for a purpose; see :meth:`Privacy.read`."""
    policy.purpose(purpose)
    if point is not None:
        points = [notices.find_point(policy, point)]
        allowed: Iterable[str] = points[0].purposes
        scope = f"the collection point {points[0].id!r}"
    else:
        points, scope = list(policy.collection), "the collection points of this site"
        allowed = dict.fromkeys(each for one in points for each in one.purposes)
    points = [each for each in points if purpose in each.purposes]
    if not points:
        raise OtherPurpose(scope, purpose, allowed)
    names = tuple(dict.fromkeys(name for each in points for name in (*each.required, *each.optional)))
    return DisclosedFields(_values_of(record, names), f"the purpose {purpose!r}", names)


class Disclosure:
    """One disclosure, checked against the declaration."""

    def __init__(self, policy: Policy, versions: Versions, recipient: str, purpose: str, basis: str | None) -> None:
        self._policy = policy
        self._versions = versions
        self._recipient_id = recipient
        self._purpose = purpose
        self.basis = basis or (self._policy.purpose(purpose).basis if purpose else "")
        self._recipient: Recipient | None = next((r for r in self._policy.recipients if r.id == recipient), None)

    def check(self, reference: str, actor: str) -> None:
        """Raise an error unless the recipient, the purpose and the basis permit a disclosure."""
        if self._purpose:
            self._policy.purpose(self._purpose)
        if self.basis in EXCEPTIONAL_BASES:
            self._check_exceptional_basis(reference, actor)
            return
        if self._recipient is None:
            raise UndeclaredRecipient(self._recipient_id, [recipient.id for recipient in self._policy.recipients])
        if self._purpose not in self._recipient.purposes:
            raise OtherPurpose(f"the recipient {self._recipient_id!r}", self._purpose, self._recipient.purposes)
        declared = self._policy.purpose(self._purpose).basis
        if self.basis != declared:
            allowed = ", ".join((declared, *EXCEPTIONAL_BASES))
            hint = f"The purpose {self._purpose!r} is declared with the basis {declared!r}. Omit the argument `basis`."
            raise DisclosureError("basis", self.basis, allowed, hint)

    def _check_exceptional_basis(self, reference: str, actor: str) -> None:
        if self.basis == "transfer":
            self._check_published_notice()
            return
        required = (("reference", reference, "a file number"), ("actor", actor, "the person who decided"))
        for name, value, allowed in required:
            if not isinstance(value, str) or not value.strip():
                hint = f"The ledger records it for the basis {self.basis!r}. Pass `{name}` to disclose()."
                raise DisclosureError(name, value, allowed, hint)

    def _check_published_notice(self) -> None:
        newest = self._versions.newest()
        published = newest.declaration.get("notices", {}) if newest is not None else {}
        if not published.get("transfer"):
            date = newest.date if newest is not None else None
            hint = "Declare `transfer` under [notices], run `flask privacy policy freeze`, and publish that version first."
            raise DisclosureError("The newest version of the policy", date, "a version with a notice of transfer", hint)

    def names(self, requested: Collection[str] | None) -> tuple[str, ...]:
        """Return the names of the fields to disclose; raises :class:`UndeclaredField` for a field that is not permitted."""
        if self._recipient is not None:
            allowed, scope = self._recipient.fields, f"the recipient {self._recipient_id!r}"
        elif requested is not None:
            allowed, scope = tuple(field.name for field in self._policy.fields), "this site"
        else:
            raise UndeclaredRecipient(self._recipient_id, [recipient.id for recipient in self._policy.recipients])
        for name in requested or ():
            if name not in allowed:
                raise UndeclaredField(name, scope, allowed)
        return allowed if requested is None else tuple(requested)

    def record(self, ledger: Ledger, names: Collection[str], subject: str, reference: str, actor: str) -> None:
        """Record the disclosure in the ledger or its spool; raises :class:`OSError` if neither can be written."""
        detail = {
            "recipient": self._recipient_id,
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
            detail={name: value for name, value in detail.items() if value},
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
    """Record a disclosure, then return the declared fields of the record; see :meth:`Privacy.disclose`."""
    if basis is not None and basis not in (*BASES, *EXCEPTIONAL_BASES):
        hint = "Omit it to use the basis of the purpose."
        raise DisclosureError("basis", basis, ", ".join((*BASES, *EXCEPTIONAL_BASES)), hint)
    disclosure = Disclosure(policy, versions, recipient, purpose, basis)
    disclosure.check(reference, actor)
    names = disclosure.names(fields)
    values = _values_of(record, names)
    if subject is None:
        subject = str(_values_of(record, ["email"]).get("email") or "")
    disclosure.record(ledger, list(values), subject, reference, actor)
    return DisclosedFields(values, f"the recipient {recipient!r}", names)


def _values_of(record: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the named fields that a mapping, or an object with attributes, has."""
    if isinstance(record, Mapping):
        return {name: record[name] for name in names if name in record}
    return {name: getattr(record, name) for name in names if hasattr(record, name)}
