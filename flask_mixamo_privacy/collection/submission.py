"""One submitted form: validation against its collection point, the ledger entry, and the opt-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from ..errors import KeyMissing, LedgerUnavailable, RightsUnavailable
from ..i18n.language import Language, language
from ..ledger.entry import ShownText, resolve_shown
from ..policy.model import Policy
from ..policy.parts import CollectionPoint
from ..policy.parts import Minors as AgeLimit
from ..storage.clock import now
from ..storage.keys import normalise_subject
from . import notices

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from ..mail.preferences import MarketingPreferences
    from ..rights.subject_flags import KnownMinors

#: The name of the button that accepts a licence. It is a control of the extension, although it lacks the prefix.
ACCEPTANCE = "acceptance"

_NO = frozenset({"", "no", "0", "false", "off", "none", "{}"})


@dataclass
class SubmittedForm:
    """A submitted form after filtering: declared fields and files, the extension's own controls, and a count of the rest."""

    fields: dict[str, list[Any]]  # all values of each declared field, in the order sent
    own_controls: dict[str, list[str]]  # all values of each control of the extension
    files: Mapping[str, Any] = field(default_factory=dict)  # by field name, as the web framework represents files
    uploaded: frozenset[str] = frozenset()  # the names of the file fields in which a file was chosen
    dropped: int = 0

    def has(self, name: str) -> bool:
        """Whether a text that is not blank, or a file, was sent under this name."""
        return self.has_text(name) or name in self.uploaded

    def has_text(self, name: str) -> bool:
        """Whether a text that is not blank was sent under this name."""
        return any(str(value).strip() for value in self.fields.get(name, ()) if value is not None)

    def was_offered(self, name: str) -> bool:
        """Whether the form had a field of this name, also if it was left blank."""
        return name in self.fields or name in self.files

    def control(self, name: str) -> str:
        """Return the first value of a control; empty if the control was not sent."""
        return next(iter(self.own_controls.get(name, ())), "")

    def controls(self, name: str) -> list[str]:
        """Return all values of a control."""
        return self.own_controls.get(name, [])

    def agrees(self, name: str) -> bool:
        """Whether a control was sent with at least one value that is not a no."""
        return not all(is_refusal(value) for value in self.controls(name))

    def declines(self, name: str) -> bool:
        """Whether a control was sent, and every value is a no."""
        return name in self.own_controls and not self.agrees(name)


def is_refusal(value: object) -> bool:
    """Whether a value means no, in a form or in JSON. A blank text and JSON's null mean no."""
    return str(value).strip().lower() in _NO


class CollectedData(Mapping[str, Any]):
    """The declared fields by name, and the answers beside them. Falsy if no form was sent.

    ``files`` holds the declared files and ``opt_ins`` the purposes opted in to. ``old_enough`` is the answer to the age
    question, None if there is none. ``acknowledged`` is whether the visitor acknowledged that a posting is public.
    ``dropped`` is the number of undeclared fields that were sent.
    """

    def __init__(self, sent: SubmittedForm | None = None) -> None:
        self.was_sent = sent is not None
        self.fields: dict[str, Any] = {name: values[0] for name, values in sent.fields.items()} if sent else {}
        self.files: Mapping[str, Any] = sent.files if sent else {}
        self.dropped = sent.dropped if sent else 0
        self.acknowledged = sent is not None and sent.agrees("privacy_acknowledged")
        self.opt_ins: frozenset[str] = frozenset()
        self.old_enough: bool | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __bool__(self) -> bool:
        return self.was_sent

    def __repr__(self) -> str:
        # A repr can end up in a log, so it has no values.
        return f"<CollectedData {', '.join(self.fields) or 'nothing'}>"


OptIn = tuple[ShownText, str]  # the text agreed to, and "form" if the form showed it, otherwise "api"

Kind = Literal[
    "missing", "no-opt-in", "no-birth-date", "not-acknowledged", "signup-refused", "notice-changed", "not-recorded"
]


class SubmissionError(Exception):
    """A form was not accepted. Carries the kind of problem and the names of the fields concerned."""

    def __init__(self, kind: Kind, fields: Iterable[str] = ()) -> None:
        super().__init__(kind)
        self.kind: Kind = kind
        self.fields = tuple(fields)


#: Records an opt-in: the data subject, the purpose, the text agreed to and the source.
SignUp = Callable[[str, str, ShownText, str], object]


@dataclass(frozen=True)
class SubmissionServices:
    """The parts of a site that a submission uses.

    The defaults of ``sign_up`` and ``is_confirmed`` are for a caller that knows whose address it passes.
    """

    ledger: Ledger
    marketing: MarketingPreferences
    minors: KnownMinors
    report_failure: Callable[[Exception], None]  # receives an error that the submission handles itself
    sign_up: SignUp | None = None  # by default, an opt-in takes effect at once
    languages: Callable[[str], Language] = language  # returns the site's translator of a language
    is_confirmed: Callable[[str], bool] = bool  # whether the site knows that this data subject is the person at the browser


class Submission:
    """One form submitted at one collection point.

    Call :meth:`validate`, :meth:`record` and :meth:`apply_opt_ins` in this order. A submission knows no HTTP request, so
    its creator stores :attr:`declares_minor` in the browser, writes :attr:`age_answer` into the request, and then calls
    :meth:`remember_minor`.
    """

    def __init__(
        self,
        sent: SubmittedForm,
        point: CollectionPoint,
        policy: Policy,
        services: SubmissionServices,
        *,
        subject_field: str = "email",
        current_subject: Callable[[], str] = str,
        browser_is_minor: bool = False,
    ) -> None:
        """``current_subject`` returns the logged-in user. It is called only if ``subject_field`` is empty."""
        self._policy = policy
        self.point = point
        self._services = services
        self._declared = (*point.required, *point.optional)
        self.sent = sent
        self.given = CollectedData(sent)
        self._subject_field = subject_field
        self._current_subject = current_subject
        self._opt_ins: dict[str, OptIn] = {}
        answer = self._age_answer()
        #: Whether the answer to the age question in this form is no.
        self.declares_minor = answer is False
        self._browser_is_minor = browser_is_minor or self.declares_minor
        self.given.old_enough = answer and not self._browser_is_minor if answer is not None else None
        #: "yes" or "no", which replaces the value of the declared field ``old_enough``; None leaves the value as it is.
        self.age_answer: str | None = None
        if notices.AGE_FIELD in self._declared and self.given.old_enough is not None:
            self.age_answer = "yes" if self.given.old_enough else "no"
            self.given.fields[notices.AGE_FIELD] = self.age_answer
            self.sent.fields[notices.AGE_FIELD] = [self.age_answer]

    @cached_property
    def _subject(self) -> str:
        """The data subject: the submitted address, otherwise the logged-in user."""
        return str(self.given.get(self._subject_field) or "").strip() or self._current_subject()

    @property
    def _normalised_subject(self) -> str:
        """The data subject in the spelling under which known minors are stored."""
        return normalise_subject(self._subject)

    def remember_minor(self) -> None:
        """Add the sender to the known minors if the answer to the age question is no, and the site knows the sender.

        Any visitor can enter any address, so the answer of another visitor is remembered only in the browser.
        """
        subject = self._normalised_subject if self.given.old_enough is False else ""
        if subject and self._services.is_confirmed(subject):
            try:
                self._services.minors.add(subject)
            except RightsUnavailable as error:  # the cookie still marks this browser, and the form is refused
                self._services.report_failure(error)

    def validate(self) -> None:
        """Raise :class:`SubmissionError` for the first problem that prevents accepting the form."""
        if problem := self.first_problem():
            raise problem
        is_signup = notices.is_signup_only(self._policy, self.point)
        opt_ins = self._submitted_opt_ins()
        if (is_signup or opt_ins) and self._is_minor():
            opt_ins = {purpose: opt_in for purpose, opt_in in opt_ins.items() if self._policy.purpose(purpose).minors}
            if is_signup and not any(self._policy.purpose(purpose).minors for purpose in self.point.purposes):
                raise SubmissionError("signup-refused")
        if opt_ins and not self._subject and self._subject_field in self._declared:
            raise SubmissionError("missing", [self._subject_field])  # an opt-in is stored under its data subject
        if is_signup and not opt_ins:  # without an opt-in, the data would serve no purpose
            raise SubmissionError("no-opt-in", ["privacy_opt_in"])
        self._opt_ins, self.given.opt_ins = opt_ins, frozenset(opt_ins)

    def first_problem(self) -> SubmissionError | None:
        """Return the first problem with the fields, or None. Ignores opt-ins."""
        return next(self.problems(), None)

    def problems(self) -> Iterator[SubmissionError]:
        """Yield every problem with the fields, so that the sender can correct all of them at once. Ignores opt-ins."""
        missing = [name for name in self.point.required if not self._has(name)]
        if (self._typed_birth_date and self.given.old_enough is None) or missing == [notices.AGE_FIELD]:
            yield SubmissionError("no-birth-date", [notices.AGE_FIELD])
            missing = [name for name in missing if name != notices.AGE_FIELD]
        if missing:
            yield SubmissionError("missing", missing)
        if notices.is_public(self.point) and not self.given.acknowledged:
            yield SubmissionError("not-acknowledged", ["privacy_acknowledged"])

    def _has(self, name: str) -> bool:
        """Whether a field was sent. A file does not answer the age question."""
        return self.sent.has_text(name) if name == notices.AGE_FIELD else self.sent.has(name)

    def require_acceptance(self) -> None:
        """Raise :class:`SubmissionError` unless the sender accepts the licence, as the button of its form does."""
        if not self.sent.agrees(ACCEPTANCE):
            raise SubmissionError("missing", [ACCEPTANCE])

    def record(self, kind: str = "collection", text: ShownText | None = None, **details: str) -> None:
        """Record the submission in the ledger; raises :class:`SubmissionError` if that fails.

        The entry has the names of the fields and no values. It is spooled while the ledger is unavailable, unless the form
        has an opt-in: that opt-in could not be recorded after the view either.
        """
        text = text or self._text_shown("notice", self.sent.control("privacy_notice"))
        ledger = self._services.ledger
        record = ledger.record if self._opt_ins else ledger.record_or_spool
        try:
            record(
                kind,
                subject=self._subject,
                text=text,
                policy=self._policy.version,
                fingerprint=notices.notice_fingerprint(self.point),
                purposes=self.point.purposes,
                source="form" if text else "api",
                detail=self._detail(**details),
            )
        except (LedgerUnavailable, OSError) as error:
            self._services.report_failure(error)
            raise SubmissionError("not-recorded") from error

    def apply_opt_ins(self) -> None:
        """Record the opt-ins. Each is applied at once, or once the person confirms it by a link.

        Call this after the view has accepted the form.

        If that fails, the sender is not signed up. Raises :class:`SubmissionError` only if the form has no other purpose.
        """
        sign_up = self._services.sign_up or self._services.marketing.sign_up
        try:
            for purpose, (text, source) in self._opt_ins.items() if self._subject else ():
                sign_up(self._subject, purpose, text, source)
        except (LedgerUnavailable, RightsUnavailable, OSError) as error:
            self._services.report_failure(error)
            if notices.is_signup_only(self._policy, self.point):
                raise SubmissionError("not-recorded") from error

    @property
    def _typed_birth_date(self) -> dict[str, str]:
        """The typed date of birth by field; empty if all fields are blank."""
        typed = {name: self.sent.control(name) for name in notices.BIRTH_DATE_FIELDS}
        return typed if notices.was_age_answered(typed) else {}

    def _age_answer(self) -> bool | None:
        """Return whether the sender is old enough; None if there is no valid answer. Discards the date itself."""
        if typed := self._typed_birth_date:
            return notices.is_old_enough(typed, (self._policy.minors or AgeLimit()).age, now().date())
        if notices.AGE_FIELD in self._declared and self.sent.has_text(notices.AGE_FIELD):
            return not is_refusal(self.given[notices.AGE_FIELD])
        return None

    def _is_minor(self) -> bool:
        try:
            subject = self._normalised_subject
            return self._browser_is_minor or bool(subject and self._services.minors.is_minor(subject))
        except (RightsUnavailable, KeyMissing) as error:
            self._services.report_failure(error)
            raise SubmissionError("not-recorded") from error

    def _submitted_opt_ins(self) -> dict[str, OptIn]:
        """Return the purposes opted in to, each with the text agreed to."""
        sent, policy = self.sent, self._policy
        opt_ins: dict[str, OptIn] = {}
        tokens = [token for token in sent.controls("privacy_asked") if "." in token]
        shown = {token.split(".")[1].removeprefix("opt-in:"): token for token in tokens}
        ticked, declined = set(sent.controls("privacy_opt_in")), sent.declines("privacy_opt_in")
        for point in policy.collection:
            if point.id in ticked:
                opt_in = self._text_agreed("opt-in", shown.get(point.id, ""), point)
                opt_ins |= dict.fromkeys(notices.form_purposes(policy, point), opt_in)
        if notices.is_signup_only(policy, self.point) and self.point.id not in shown and not declined:
            opt_in = self._text_agreed("notice", sent.control("privacy_notice"), self.point)
            opt_ins |= {purpose: opt_ins.get(purpose, opt_in) for purpose in self.point.purposes}
        return opt_ins

    def _text_agreed(self, kind: str, token: str, point: CollectionPoint) -> OptIn:
        """Return the text shown. A program does not state which text it showed, so it agrees to the current text."""
        text = self._text_shown(kind, token, point)
        t = self._services.languages(self._policy.language)
        return (text, "form") if text else (notices.default_text(self._policy, kind, point, t), "api")

    def _text_shown(self, kind: str, token: str, point: CollectionPoint | None = None) -> ShownText | None:
        """Return the text that the form's token names; raises :class:`SubmissionError` if that text is outdated."""
        point = point or self.point
        if not token:
            return None  # a program posted the fields without the extension's notice; the ledger entry has no text
        current = partial(notices.current_text, self._policy, kind, point)
        fingerprint, services = notices.notice_fingerprint(point), self._services
        text = resolve_shown(token, current, fingerprint, services.ledger.shown_text, services.languages)
        if text is None:
            raise SubmissionError("notice-changed")
        return text

    def _detail(self, **details: str) -> dict[str, object]:
        """Return the detail of the ledger entry: the names of the fields that were sent, and no values."""
        names = [name for name in self._declared if self.sent.has(name)]
        detail: dict[str, object] = {"point": self.point.id, "fields": names, "dropped": self.given.dropped}
        return detail | details | ({"acknowledged": True} if notices.is_public(self.point) else {})
