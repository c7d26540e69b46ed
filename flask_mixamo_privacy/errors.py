"""The exceptions of this package. Each keeps the values from which its message is built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class PrivacyError(Exception):
    """The base class of all exceptions of this package."""


class NotAllowed(PrivacyError, ValueError):
    """A value is not allowed. The message has the key, the value, the allowed values and the next step."""

    def __init__(self, what: str, value: object, allowed: str, hint: str = "", *, public: object = None) -> None:
        self.what, self.value, self.allowed, self.hint = what, value, allowed, hint
        self._public = public  # what to show in place of a value that may contain a person's data
        super().__init__(f"{what} is {self._value_text()}; allowed: {allowed}. {hint}".rstrip())

    def to_staff(self) -> str:
        """Return the message for staff, who may not see a row of another person."""
        if self._public is None:
            return str(self)
        return f"{self.what} is {self._public!r}; allowed: {self.allowed}. {self.hint}".rstrip()

    def _value_text(self) -> str:
        try:
            return repr(self.value)
        except RecursionError:  # repr() of a deeply nested list exceeds the recursion limit
            return "nested too deep"


class SettingError(NotAllowed):
    """A ``PRIVACY_*`` setting, or another setting that this package reads, has an invalid value."""

    @property
    def name(self) -> str:
        """The setting's name."""
        return self.what


class AlreadyInitialised(PrivacyError, RuntimeError):
    """``init_app`` was called a second time for the same app."""

    def __init__(self, app_name: str) -> None:
        self.app_name = app_name
        super().__init__(
            f"Privacy is already initialised for the app {app_name!r}. Call either Privacy(app) or privacy.init_app(app), "
            'once per app. To get the existing instance, use app.extensions["mixamo_privacy"].'
        )


class NotInitialised(PrivacyError, RuntimeError):
    """This package was used with an app for which ``init_app`` was not called."""

    def __init__(self, app_name: str) -> None:
        self.app_name = app_name
        super().__init__(
            f"Privacy is not initialised for the app {app_name!r}. Call Privacy(app), "
            "or privacy.init_app(app) in your app factory, before the first request."
        )


@dataclass(frozen=True)
class Problem:
    """One problem of a declaration: key, value, allowed values and next step."""

    key: str  # such as "purposes.statistics.basis"
    value: object
    allowed: str
    hint: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        location = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        value = "is missing" if self.value is None else f"is {self.value!r}"
        return f"{location}{self.key} {value}; allowed: {self.allowed}. {self.hint}"


class PolicyError(PrivacyError, ValueError):
    """A declaration is invalid. The message lists every problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def _undeclared(what: str, declared: Iterable[str], hint: str) -> str:
    return f"{what} is not declared; allowed: {', '.join(declared) or 'none'}. {hint}"


class UndeclaredPurpose(PrivacyError, LookupError):
    """Code or a template names a purpose that the policy does not declare."""

    def __init__(self, purpose: str, declared: Iterable[str]) -> None:
        self.purpose, self.declared = purpose, tuple(declared)
        table = f'[[purposes]]\nid = "{purpose}"\ntitle = "…"\ndescription = "…"\nbasis = "consent"\n'
        hint = f"Use one of these, or add to privacy.toml:\n\n{table}"
        super().__init__(_undeclared(f"The purpose {purpose!r}", self.declared, hint))


class UndeclaredService(PrivacyError, LookupError):
    """Code or a form names a service that the policy does not declare."""

    def __init__(self, service: str, declared: Iterable[str]) -> None:
        self.service, self.declared = service, tuple(declared)
        hint = "Use one of these, or add a [[services]] table with this id to privacy.toml."
        super().__init__(_undeclared(f"The service {service!r}", self.declared, hint))


class UndeclaredHost(PrivacyError, LookupError):
    """A template loads from a third-party host that no service declares for this kind of load, purpose and service."""

    def __init__(self, host: str, purpose: str | None, load: str, service: str | None, next_step: str) -> None:
        self.host, self.purpose, self.load, self.service, self.next_step = host, purpose, load, service, next_step
        allowed = f"the service {service!r}" if service else "services"
        allowed += f" of the purpose {purpose!r}" if purpose else ""
        super().__init__(f"The host {host!r} is not declared for a {load}; allowed: the hosts of {allowed}. {next_step}")


class UndeclaredCookie(PrivacyError):
    """The app sets a cookie that the policy does not declare, or a cookie whose purpose the visitor has not granted."""

    def __init__(self, name: str, purpose: str | None) -> None:
        self.name, self.purpose = name, purpose
        if purpose is None:
            message = (
                f"The app sets the cookie {name!r}, which the policy does not declare. Remove it, or add to privacy.toml:"
            )
            message += f'\n\n[[cookies]]\nname = "{name}"\npurpose = "…"\nlifetime = "…"\ndescription = "…"\n'
        else:
            message = f"The app sets the cookie {name!r} although the visitor has not granted its purpose {purpose!r}. "
            message += f'Set it only if current_consent.allows("{purpose}").'
        super().__init__(message)


class UndeclaredCollection(PrivacyError, LookupError):
    """Code or a template names a collection point that the policy does not declare."""

    def __init__(self, point: str, declared: Iterable[str]) -> None:
        self.point, self.declared = point, tuple(declared)
        table = f'[[collection]]\nid = "{point}"\ntitle = "…"\npurposes = ["…"]\n'
        table += 'required = ["…"]\noptional = ["…"]\nnotice = "…"\n'
        hint = f"Use one of these, or add to privacy.toml:\n\n{table}"
        super().__init__(_undeclared(f"The collection point {point!r}", self.declared, hint))


class OtherPurpose(PrivacyError):
    """Personal data was read or disclosed for a purpose for which it was not collected."""

    def __init__(self, what: str, purpose: str, declared: Iterable[str]) -> None:
        self.what, self.purpose, self.declared = what, purpose, tuple(declared)
        super().__init__(
            f"The purpose is {purpose!r}; allowed for {what}: {', '.join(self.declared)}. "
            "Use one of these, or declare the purpose there in a new version of the policy."
        )


class UndeclaredRecipient(PrivacyError, LookupError):
    """Personal data was to be disclosed to a recipient that the policy does not declare."""

    def __init__(self, recipient: str, declared: Iterable[str]) -> None:
        self.recipient, self.declared = recipient, tuple(declared)
        table = f'[[recipients]]\nid = "{recipient}"\nname = "…"\nrole = "…"\npurposes = ["…"]\nfields = ["…"]\n'
        table += 'country = "…"\nlink = "https://…"\n'
        hint = f"Use one of these, or add to privacy.toml and freeze a new version:\n\n{table}"
        super().__init__(_undeclared(f"The recipient {recipient!r}", self.declared, hint))


class UndeclaredField(PrivacyError, LookupError):
    """A field is not among those that the policy declares for this purpose, recipient or site."""

    def __init__(self, field: str, what: str, declared: Iterable[str]) -> None:
        self.field, self.what, self.declared = field, what, tuple(declared)
        super().__init__(
            f"The field {field!r} is not declared for {what}; allowed: {', '.join(self.declared) or 'none'}. "
            "Leave the field out, or declare it there in a new version of the policy."
        )


class DisclosureError(NotAllowed):
    """A disclosure lacks what its legal basis requires."""


class EventError(NotAllowed):
    """An event or a customisation has a name or a value that the log does not accept."""


class StoreError(NotAllowed):
    """A store of personal data is registered or called with invalid arguments."""


class RequestError(NotAllowed):
    """A data subject request cannot be opened, answered or extended with these arguments."""


class MailError(PrivacyError):
    """A mail could not be sent. The message states the cause and the next step."""


class MailClassError(NotAllowed, MailError):
    """A mail has no mail class, or lacks what its class requires."""


class BirthDateSeen(PrivacyError):
    """A view received a birth date, because no collection point filtered its form."""

    def __init__(self, view: str | None) -> None:
        self.view = view
        super().__init__(
            f"The view {view!r} received a birth date from privacy.age_question(), because it is not a collection point. "
            'Decorate it with @privacy.collects("newsletter"), or use a CollectionForm. '
            'The view then receives only old_enough: "yes" or "no".'
        )


class RightsUnavailable(PrivacyError):
    """The database of data subject requests is unavailable."""


class LedgerUnavailable(PrivacyError):
    """The ledger cannot be written, so no consent can be granted."""


class LogUnavailable(PrivacyError):
    """The log did not accept a line, or wrote only a part of it. The event is not recorded."""


class LogFull(LogUnavailable):
    """The log has the size of ``PRIVACY_LOG_MOST``. The event is refused and counted."""


class StoreUnavailable(PrivacyError):
    """The database of events is unavailable."""


class LoaderBusy(PrivacyError):
    """Another process is loading the same log."""


class KeyMissing(PrivacyError, LookupError):
    """A stored row uses a key that ``PRIVACY_KEYS`` does not have."""

    def __init__(self, key_id: str, known: Iterable[str], origin: str = "PRIVACY_KEYS") -> None:
        self.key_id, self.known = key_id, tuple(known)
        super().__init__(
            f"A stored row uses the key {key_id!r}, but {origin} has only: {', '.join(self.known) or 'none'}. "
            "Restore the key, and keep it as long as a row uses it. If another host wrote the row, set PRIVACY_KEYS to the "
            "same keys on every host: those of the privacy-keys.json of each, and last the key that the row uses."
        )


class KeysUnreadable(PrivacyError, OSError):
    """The file of generated keys is damaged, for example because a disk was full when it was copied."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is damaged; allowed: a JSON object that maps each key's id to its secret. "
            "Restore the file from a backup. Delete it only if the databases of the ledger and of the rights are empty, "
            "because their rows can be read only with these keys."
        )


class ForeignKeys(PrivacyError):
    """A database was written with other keys than this host has."""

    def __init__(self, key_id: str, known: Iterable[str], origin: str, *, same_id: bool) -> None:
        self.key_id, self.known, self.origin = key_id, tuple(known), origin
        key = f"the key {key_id!r}" if key_id else "another key"
        if same_id:
            problem = f"{origin} has another secret under the id {key_id!r} than the host that wrote here first."
        else:
            problem = (
                f"{origin} has the keys {', '.join(self.known)}; allowed: keys that include the last one used here, {key}."
            )
        super().__init__(
            f"{problem} Set PRIVACY_KEYS to the same keys on every host. It maps ids to secrets: copy them from the "
            "privacy-keys.json of each host, give different secrets different ids, and put the key that this database "
            "has last."
        )


class NewerSchema(PrivacyError):
    """A later release has migrated a database."""

    def __init__(self, part: str, version: int, newest: int) -> None:
        self.part, self.version, self.newest = part, version, newest
        super().__init__(
            f"The schema of the table {part!r} has version {version}; allowed: versions up to {newest}. Install the release "
            "of Flask-Mixamo-Privacy that migrated this database, or a later one, on every host."
        )


class Moved(PrivacyError):
    """A database was moved to another one, or a move into it is not finished. The message states the next step."""


class MoveError(NotAllowed):
    """Data cannot be moved from this database, or into that one."""


class HeadAged(PrivacyError):
    """An expected head of the ledger is older than the oldest entry that the ledger still has."""

    def __init__(self, expect: object, start: object) -> None:
        super().__init__(
            f"--expect is {expect}, but the entries up to it were pruned and sealed at {start}. "
            "Pass that head or a later one; `flask privacy ledger head` prints the newest."
        )


class AddressError(PrivacyError, ValueError):
    """A template passes a URL that a browser reads neither as a path nor as ``http`` or ``https``."""

    def __init__(self, helper: str, url: str) -> None:
        self.helper, self.url = helper, url
        super().__init__(
            f"The URL of {helper} is {url!r}; allowed: a path, or a URL with http:// or https://. Change it in the template."
        )


class ReportError(NotAllowed):
    """A browser sent an invalid list of events. The message is the response, with this HTTP status."""

    def __init__(self, what: str, value: object, allowed: str, status: int = 400) -> None:
        self.status = status
        super().__init__(what, value, allowed)

    def _value_text(self) -> str:
        text = super()._value_text()
        return text if len(text) <= 80 else text[:80] + "…"


class MissingExtra(PrivacyError):
    """A part of this package needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra {extra!r}. Install it: pip install 'Flask-Mixamo-Privacy[{extra}]'.")
