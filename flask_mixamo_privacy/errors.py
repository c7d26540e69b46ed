"""The errors this package raises; each carries the data its sentence is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class PrivacyError(Exception):
    """The base of every error raised by this package."""


class NotAllowed(PrivacyError, ValueError):
    """Something has a value that is not allowed. The sentence names it, the value, the allowed values and the next step."""

    def __init__(self, what: str, value: object, allowed: str, hint: str = "") -> None:
        self.what, self.value, self.allowed, self.hint = what, value, allowed, hint
        super().__init__(f"{what} is {self._shown()}; allowed: {allowed}. {hint}".rstrip())

    def _shown(self) -> str:
        try:
            return repr(self.value)
        except RecursionError:  # a thousand lists, one in the other
            return "nested too deep"


class SettingError(NotAllowed):
    """A ``PRIVACY_*`` setting, or one we rely on, has a value that cannot work."""

    @property
    def name(self) -> str:
        """The setting's name."""
        return self.what


class AlreadyInitialised(PrivacyError, RuntimeError):
    """``init_app`` was called a second time for one app."""

    def __init__(self, app_name: str) -> None:
        self.app_name = app_name
        super().__init__(
            f"The app {app_name!r} already has Privacy. Call either Privacy(app) or privacy.init_app(app), once an app. "
            'To reach the one it has, use app.extensions["mixamo_privacy"].'
        )


class NotInitialised(PrivacyError, RuntimeError):
    """Something of ours was used with an app that never met ``init_app``."""

    def __init__(self, app_name: str) -> None:
        self.app_name = app_name
        super().__init__(
            f"The app {app_name!r} does not know Privacy yet. Call Privacy(app), "
            "or privacy.init_app(app) in your app factory, before the first request."
        )


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a declaration: where, what it says, what is allowed, what to do next."""

    key: str  # such as "purposes.statistics.basis"
    value: object
    allowed: str
    hint: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        said = "is missing" if self.value is None else f"is {self.value!r}"
        return f"{place}{self.key} {said}; allowed: {self.allowed}. {self.hint}"


class PolicyError(PrivacyError, ValueError):
    """A policy declares something that cannot be kept; says every such thing at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UndeclaredPurpose(PrivacyError, LookupError):
    """Code or a template named a purpose that the policy does not declare."""

    def __init__(self, purpose: str, declared: Iterable[str]) -> None:
        self.purpose, self.declared = purpose, tuple(declared)
        super().__init__(
            f"The policy declares no purpose {purpose!r}; it declares: {', '.join(self.declared)}. Use one of these, or "
            f'add to privacy.toml:\n\n[[purposes]]\nid = "{purpose}"\ntitle = "…"\ndescription = "…"\nbasis = "consent"\n'
        )


class UndeclaredService(PrivacyError, LookupError):
    """A form or code named a service that the policy does not declare."""

    def __init__(self, service: str, declared: Iterable[str]) -> None:
        self.service, self.declared = service, tuple(declared)
        super().__init__(
            f"The policy declares no service {service!r}; it declares: {', '.join(self.declared) or 'none'}. "
            "Use one of these, or add a [[services]] table with this id to privacy.toml."
        )


class UndeclaredHost(PrivacyError, LookupError):
    """A template loads something from another company's host that no service of its purpose declares."""

    def __init__(self, host: str, purpose: str, load: str) -> None:
        self.host, self.purpose, self.load = host, purpose, load
        name = host.partition(":")[0].replace(".", "-")
        super().__init__(
            f"No service of the purpose {purpose!r} declares the host {host!r} for a {load}. Load it from a declared host, "
            f'or add to privacy.toml:\n\n[[services]]\nid = "{name}"\ntitle = "…"\npurpose = "{purpose}"\n'
            f'hosts = ["{host}"]\nloads = ["{load}"]\nlink = "https://…"\n'
        )


class UndeclaredCookie(PrivacyError):
    """The app set a cookie that the policy does not declare, or before its purpose was granted."""

    def __init__(self, name: str, purpose: str | None) -> None:
        self.name, self.purpose = name, purpose
        if purpose is None:
            says = (
                f"The app sets the cookie {name!r}, which the policy does not declare. Take it out, or add to privacy.toml:"
            )
            says += f'\n\n[[cookies]]\nname = "{name}"\npurpose = "…"\nlifetime = "…"\ndescription = "…"\n'
        else:
            says = f"The app sets the cookie {name!r} although the visitor has not granted its purpose {purpose!r}. "
            says += f'Set it only where current_consent.allows("{purpose}").'
        super().__init__(says)


class UndeclaredCollection(PrivacyError, LookupError):
    """Code or a template names a collection point that the policy does not declare."""

    def __init__(self, point: str, declared: Iterable[str]) -> None:
        self.point, self.declared = point, tuple(declared)
        super().__init__(
            f"The policy declares no collection point {point!r}; it declares: {', '.join(self.declared) or 'none'}. Use one "
            f'of these, or add to privacy.toml:\n\n[[collection]]\nid = "{point}"\ntitle = "…"\npurposes = ["…"]\n'
            'required = ["…"]\noptional = ["…"]\nnotice = "…"\n'
        )


class OtherPurpose(PrivacyError):
    """Data was asked for or given to somebody for a purpose that it does not serve."""

    def __init__(self, what: str, purpose: str, declared: Iterable[str]) -> None:
        self.what, self.purpose, self.declared = what, purpose, tuple(declared)
        super().__init__(
            f"The purpose is {purpose!r}; allowed for {what}: {', '.join(self.declared)}. Data is used for what it was "
            "collected for: name one of these, or declare the purpose there, in a new version of the policy."
        )


class UndeclaredRecipient(PrivacyError, LookupError):
    """Data was to go to somebody whom the policy does not declare."""

    def __init__(self, recipient: str, declared: Iterable[str]) -> None:
        self.recipient, self.declared = recipient, tuple(declared)
        super().__init__(
            f"The policy declares no recipient {recipient!r}; it declares: {', '.join(self.declared) or 'none'}. Nothing is "
            f"given to anybody else. To change that, add to privacy.toml, and freeze a new version:\n\n[[recipients]]\n"
            f'id = "{recipient}"\nname = "…"\nrole = "…"\npurposes = ["…"]\nfields = ["…"]\ncountry = "…"\nlink = "https://…"\n'
        )


class UndeclaredField(PrivacyError, LookupError):
    """A field was asked for that is not among those declared for this."""

    def __init__(self, field: str, what: str, declared: Iterable[str]) -> None:
        self.field, self.what, self.declared = field, what, tuple(declared)
        super().__init__(
            f"The field {field!r} is not declared for {what}; declared are: {', '.join(self.declared) or 'none'}. "
            "Do without it, or declare it there, in a new version of the policy."
        )


class DisclosureError(NotAllowed):
    """A disclosure lacks what its basis asks for."""


class EventError(NotAllowed):
    """An event or a choice has a name or a value that the log does not take."""


class StoreError(NotAllowed):
    """A store of personal data was registered, or asked, in a way that cannot work."""


class RequestError(NotAllowed):
    """A request cannot be taken, answered or extended like this."""


class MailError(PrivacyError):
    """A mail could not be handed over; the sentence says why and what to do."""


class MailClassError(NotAllowed, MailError):
    """A mail does not say what it is, or lacks what its class needs."""


class BirthDateSeen(PrivacyError):
    """A view was sent the answer to the question of age, and nothing stood between the two."""

    def __init__(self, view: str | None) -> None:
        self.view = view
        super().__init__(
            f"The view {view!r} was sent the answer to privacy.age_question() and collects at no point, so it could read a "
            'birth date. Put @privacy.collects("newsletter") on it, with the point that the form is for, or use a '
            "CollectionForm: then it gets old_enough, a yes or a no, and nothing else of the answer."
        )


class RightsUnavailable(PrivacyError):
    """The database of requests could not be reached."""


class LedgerUnavailable(PrivacyError):
    """The ledger could not be written, so nothing can be granted right now."""


class LogUnavailable(PrivacyError):
    """The log took no line, or only a part of it: the event is not accepted."""


class StoreUnavailable(PrivacyError):
    """The database of events could not be reached."""


class LoaderBusy(PrivacyError):
    """Another process is loading the same log."""


class KeyMissing(PrivacyError, LookupError):
    """A row names a key of ``PRIVACY_KEYS`` that is gone."""

    def __init__(self, key_id: str, known: Iterable[str]) -> None:
        self.key_id, self.known = key_id, tuple(known)
        super().__init__(
            f"A stored row was made under the key {key_id!r}, but PRIVACY_KEYS has only: {', '.join(self.known) or 'none'}. "
            "Put the key back: a key that a row still names cannot be dropped."
        )


class HeadAged(PrivacyError):
    """A head that was kept elsewhere lies before what the ledger still holds."""

    def __init__(self, expect: object, start: object) -> None:
        super().__init__(
            f"--expect is {expect}, but the entries up to that one have aged and were sealed at {start}. "
            "Expect that head, or a later one; `flask privacy ledger head` prints the newest."
        )


class AddressError(PrivacyError, ValueError):
    """A template is given an address that is neither a path nor one of ``http`` or ``https``, as a browser reads it."""

    def __init__(self, asked_by: str, url: str) -> None:
        self.asked_by, self.url = asked_by, url
        super().__init__(f"{asked_by} is given {url!r}; allowed: a path, or an address with http:// or https://.")


class ReportError(NotAllowed):
    """What a browser reported is no list of events; the sentence is the answer, under this HTTP status."""

    def __init__(self, what: str, value: object, allowed: str, status: int = 400) -> None:
        self.status = status
        super().__init__(what, value, allowed)

    def _shown(self) -> str:
        shown = super()._shown()
        return shown if len(shown) <= 80 else shown[:80] + "…"


class MissingExtra(PrivacyError):
    """A part of the extension needs a package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra {extra!r}. Install it: pip install 'Flask-Mixamo-Privacy[{extra}]'.")
