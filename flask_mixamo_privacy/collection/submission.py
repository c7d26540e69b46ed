"""One form on its way in: held against its collection point, put on record, and then of effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from ..consent.proof import resolve_shown
from ..errors import KeyMissing, LedgerUnavailable, RightsUnavailable
from ..ledger.entry import ShownText
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


# A submitted form after filtering, and the data that the site receives from it.

#: The button of a licence, which is ours as well.
ACCEPTANCE = "acceptance"

_NO = frozenset({"", "no", "0", "false", "off", "none", "{}"})


@dataclass
class SubmittedForm:
    """The declared fields and files, our own controls, and how many fields were left out."""

    fields: dict[str, list[Any]]  # all values of each declared field, in the order sent
    own_controls: dict[str, list[str]]  # all values of each of our own controls
    files: Mapping[str, Any] = field(default_factory=dict)  # by field name, as the web framework represents files
    uploaded: frozenset[str] = frozenset()  # the names of the file fields in which a file was chosen
    dropped: int = 0

    def has(self, name: str) -> bool:
        """Whether a text that is not blank, or a file, was sent under this name."""
        return self.has_text(name) or name in self.uploaded

    def has_text(self, name: str) -> bool:
        """Whether a text that is not blank was sent under this name."""
        return any(str(value).strip() for value in self.fields.get(name, ()) if value is not None)

    def control(self, name: str) -> str:
        """The first value of one of our own controls; empty if it was not sent."""
        return next(iter(self.own_controls.get(name, ())), "")

    def controls(self, name: str) -> list[str]:
        """All values of one of our own controls."""
        return self.own_controls.get(name, [])

    def agrees(self, name: str) -> bool:
        """Whether one of our own controls was sent, and not only with a no."""
        return not all(is_refusal(value) for value in self.controls(name))

    def declines(self, name: str) -> bool:
        """Whether one of our own controls was sent, and says no."""
        return name in self.own_controls and not self.agrees(name)


def is_refusal(value: object) -> bool:
    """Whether an answer is a no, as a form or a program says it, or empty, such as JSON's null."""
    return str(value).strip().lower() in _NO


class CollectedData(Mapping[str, Any]):
    """The declared fields by name, and what was said beside them. False where nothing was sent.

    ``files`` has the declared files; ``opt_ins`` the purposes opted in to; ``old_enough`` the answer to the question of
    age, None where it was not given; ``acknowledged`` whether the notice of a posting was; ``dropped`` is the number of
    fields that were sent and are not declared.
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
        return f"<Given {', '.join(self.fields) or 'nothing'}>"  # names alone: it may end up in somebody's log


OptIn = tuple[ShownText, str]  # the words, and "form" where they were shown, or "api"

Kind = Literal[
    "missing", "no-opt-in", "no-birth-date", "not-acknowledged", "signup-refused", "notice-changed", "not-recorded"
]


class SubmissionError(Exception):
    """Why a form is not taken: the kind of problem, and the names of the fields concerned."""

    def __init__(self, kind: Kind, fields: Iterable[str] = ()) -> None:
        super().__init__(kind)
        self.kind: Kind = kind
        self.fields = tuple(fields)


@dataclass(frozen=True)
class SubmissionServices:
    """The parts of a site that a submission uses."""

    ledger: Ledger
    marketing: MarketingPreferences
    minors: KnownMinors
    report_failure: Callable[[Exception], None]  # called with an error that is answered here


class Submission:
    """One form submitted at one point. Call :meth:`check`, :meth:`record` and :meth:`settle` in this order.

    The submission knows no request. Its creator writes :attr:`declares_minor` and :attr:`age_answer` back to the browser and
    the request, and then calls :meth:`remember_minor`.
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
        """``current_subject`` returns the logged-in subject. It is called only if ``subject_field`` is empty."""
        self._policy = policy
        self.point = point
        self._services = services
        self._declared = (*point.required, *point.optional)
        self._sent = sent
        self.given = CollectedData(sent)
        self._subject_field = subject_field
        self._current_subject = current_subject
        self._opted: dict[str, OptIn] = {}
        answer = self._age_answer()
        #: Whether this form says that its sender is too young.
        self.declares_minor = answer is False
        self._browser_is_minor = browser_is_minor or self.declares_minor
        self.given.old_enough = answer and not self._browser_is_minor if answer is not None else None
        #: "yes" or "no" for the declared field ``old_enough``, in place of what was sent; None to leave that as it is.
        self.age_answer: str | None = None
        if notices.AGE_FIELD in self._declared and self.given.old_enough is not None:
            self.age_answer = "yes" if self.given.old_enough else "no"
            self.given.fields[notices.AGE_FIELD] = self.age_answer
            self._sent.fields[notices.AGE_FIELD] = [self.age_answer]

    @cached_property
    def _subject(self) -> str:
        """Whom this is about: the address given, or whoever is logged in."""
        return str(self.given.get(self._subject_field) or "").strip() or self._current_subject()

    @property
    def _person(self) -> str:
        """The same in the one spelling that is asked for as a mail leaves."""
        return normalise_subject(self._subject)

    def remember_minor(self) -> None:
        """Add the sender to the known minors if the answer to the age question is no."""
        if self.given.old_enough is False and self._person:
            try:
                self._services.minors.add(self._person)
            except RightsUnavailable as error:  # the cookie says so still, and the form is refused
                self._services.report_failure(error)

    def validate(self) -> None:
        """Raise the first :class:`SubmissionError` that keeps the form from being taken."""
        if problem := self.first_problem():
            raise problem
        signs_up = notices.is_signup_only(self._policy, self.point)
        opted = self._opt_ins()
        if (signs_up or opted) and self._is_minor():
            opted = {purpose: words for purpose, words in opted.items() if self._policy.purpose(purpose).minors}
            if signs_up and not any(self._policy.purpose(purpose).minors for purpose in self.point.purposes):
                raise SubmissionError("signup-refused")
        if opted and not self._subject and self._subject_field in self._declared:
            raise SubmissionError("missing", [self._subject_field])  # an opt-in is somebody's
        if signs_up and not opted:  # there is nothing that it might be used for
            raise SubmissionError("no-opt-in", ["privacy_opt_in"])
        self._opted, self.given.opt_ins = opted, frozenset(opted)

    def first_problem(self) -> SubmissionError | None:
        """What is missing, or None."""
        missing = [name for name in self.point.required if not self._has(name)]
        if (self._typed_birth_date and self.given.old_enough is None) or missing == [notices.AGE_FIELD]:
            return SubmissionError("no-birth-date", [notices.AGE_FIELD])
        if missing:
            return SubmissionError("missing", missing)
        if notices.is_public(self.point) and not self.given.acknowledged:
            return SubmissionError("not-acknowledged", ["privacy_acknowledged"])
        return None

    def _has(self, name: str) -> bool:
        """Whether a field was sent. A file does not answer the age question."""
        return self._sent.has_text(name) if name == notices.AGE_FIELD else self._sent.has(name)

    def require_acceptance(self) -> None:
        """Raise :class:`SubmissionError` for a licence to which somebody says no."""
        if self._sent.declines(ACCEPTANCE):
            raise SubmissionError("missing", [ACCEPTANCE])

    def record(self, kind: str = "collection", words: ShownText | None = None, **more: str) -> None:
        """Put it on record; raises :class:`SubmissionError` where that fails, for then nothing is taken.

        The entry has field names and no values. It waits in the side file for a ledger that is away, but where somebody
        opts in: what could not be put on record after the view is better not begun.
        """
        words = words or self._words_of("notice", self._sent.control("privacy_notice"))
        ledger = self._services.ledger
        record = ledger.record if self._opted else ledger.record_or_spool
        try:
            record(
                kind,
                subject=self._subject,
                text=words,
                policy=self._policy.version,
                fingerprint=notices.notice_fingerprint(self.point),
                purposes=self.point.purposes,
                source="form" if words else "api",
                detail=self._detail(**more),
            )
        except (LedgerUnavailable, OSError) as error:
            self._services.report_failure(error)
            raise SubmissionError("not-recorded") from error

    def apply_opt_ins(self) -> None:
        """Put opt-ins on record and let them take effect, now that the site has taken the form too.

        Where that fails nobody was signed up; raises :class:`SubmissionError` if there was nothing else to take.
        """
        marketing = self._services.marketing
        try:
            for purpose, (words, source) in self._opted.items() if self._subject else ():
                marketing.sign_up(self._subject, purpose, words, source)
        except (LedgerUnavailable, RightsUnavailable, OSError) as error:
            self._services.report_failure(error)
            if notices.is_signup_only(self._policy, self.point):
                raise SubmissionError("not-recorded") from error

    @property
    def _typed_birth_date(self) -> dict[str, str]:
        """What was typed as the date of birth, by field; empty if nothing was."""
        typed = {name: self._sent.control(name) for name in notices.BIRTH_DATE_FIELDS}
        return typed if notices.was_age_answered(typed) else {}

    def _age_answer(self) -> bool | None:
        """The answer to the question of age: yes or no, and nothing else of it. None if there is no valid answer."""
        if typed := self._typed_birth_date:
            return notices.is_old_enough(typed, (self._policy.minors or AgeLimit()).age, now().date())
        if notices.AGE_FIELD in self._declared and self._sent.has_text(notices.AGE_FIELD):
            return not is_refusal(self.given[notices.AGE_FIELD])
        return None

    def _is_minor(self) -> bool:
        try:
            return self._browser_is_minor or bool(self._person and self._services.minors.is_minor(self._person))
        except (RightsUnavailable, KeyMissing) as error:
            self._services.report_failure(error)
            raise SubmissionError("not-recorded") from error

    def _opt_ins(self) -> dict[str, OptIn]:
        """The purposes opted in to, each with the words that said so."""
        sent, policy = self._sent, self._policy
        found: dict[str, OptIn] = {}
        shown = {text.split(".")[1].removeprefix("opt-in:"): text for text in sent.controls("privacy_asked") if "." in text}
        ticked, said_no = set(sent.controls("privacy_opt_in")), sent.declines("privacy_opt_in")
        for point in policy.collection:
            if point.id in ticked:
                words = self._words_agreed("opt-in", shown.get(point.id, ""), point)
                found |= dict.fromkeys(notices.form_purposes(policy, point), words)
        if notices.is_signup_only(policy, self.point) and self.point.id not in shown and not said_no:
            words = self._words_agreed("notice", sent.control("privacy_notice"), self.point)
            found |= {purpose: found.get(purpose, words) for purpose in self.point.purposes}
        return found

    def _words_agreed(self, kind: str, shown: str, point: CollectionPoint) -> OptIn:
        """What somebody opts in to has words, also where a program does not say which were shown: then those in force."""
        words = self._words_of(kind, shown, point)
        return (words, "form") if words else (notices.default_text(self._policy, kind, point), "api")

    def _words_of(self, kind: str, shown: str, point: CollectionPoint | None = None) -> ShownText | None:
        """The words that the form says it showed; raises :class:`SubmissionError` where they are good no longer."""
        point = point or self.point
        if not shown:
            return None  # a program's post: there were no words of ours, and the ledger says so
        current = partial(notices.current_text, self._policy, kind, point)
        words = resolve_shown(shown, current, notices.notice_fingerprint(point), self._services.ledger.shown_text)
        if words is None:
            raise SubmissionError("notice-changed")
        return words

    def _detail(self, **more: str) -> dict[str, object]:
        """What the ledger keeps of the form: field names and no values."""
        given = [name for name in self._declared if self._sent.has(name)]
        detail: dict[str, object] = {"point": self.point.id, "fields": given, "dropped": self.given.dropped}
        return detail | more | ({"acknowledged": True} if notices.is_public(self.point) else {})
