"""One form on its way in: sifted, held against its collection point, put on record, and then of effect."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cached_property

from . import age, notices
from .access import current_subject
from .current import Exchange
from .errors import KeyMissing, LedgerUnavailable, RightsUnavailable
from .given import Given
from .ledger import Entry
from .policy import CollectionPoint, Minors
from .refusing import (
    CHANGED,
    MISSING,
    NO_BIRTH,
    NOT_SIGNED_UP,
    UNREAD,
    Incomplete,
    NotCollected,
    NotRecorded,
    Outdated,
    Refused,
)
from .rights.moments import now, timestamp
from .rights.subjects import normalise_subject
from .sifting import ACCEPTANCE, put, says_no, sift
from .wording import Wording

OptIn = tuple[Wording, str]  # the words, and "form" where they were shown, or "api"


class Taking:
    """What one request gives at one point. Made at once; :meth:`check`, :meth:`record` and :meth:`settle` come in this
    order."""

    def __init__(self, here: Exchange, point: CollectionPoint, subject: str, controls: Collection[str]) -> None:
        self._here = here
        self._policy = here.site.policy
        self._point = point
        self._declared = (*point.required, *point.optional)
        self._sent = sift(here.request, self._declared, controls)
        self.given = here.given = Given(self._sent)
        self._subject_field = subject
        self._opted: dict[str, OptIn] = {}
        self._hear_age()

    @cached_property
    def _subject(self) -> str:
        """Whom this is about: the address given, or whoever is logged in."""
        return str(self.given.get(self._subject_field) or "").strip() or current_subject()

    @property
    def _person(self) -> str:
        """The same in the one spelling that is asked for as a mail leaves."""
        return normalise_subject(self._subject)

    def check(self) -> None:
        """Raise :class:`NotCollected` for what keeps the form from being taken; the others are not looked at."""
        if problem := self.problem():
            raise problem
        signs_up = notices.only_signs_up(self._policy, self._point)
        opted = self._opt_ins()
        if (signs_up or opted) and self._is_minor():
            opted = {purpose: words for purpose, words in opted.items() if self._policy.purpose(purpose).minors}
            if signs_up and not any(self._policy.purpose(purpose).minors for purpose in self._point.purposes):
                raise Refused(NOT_SIGNED_UP)
        if opted and not self._subject and self._subject_field in self._declared:
            raise self._missing([self._subject_field])  # an opt-in is somebody's
        if signs_up and not opted:  # there is nothing that it might be used for
            t = self._here.language
            raise Incomplete(MISSING, ["privacy_opt_in"], names=notices.opt_in_label(self._policy, self._point, t))
        self._opted, self.given.opt_ins = opted, frozenset(opted)

    def problem(self) -> NotCollected | None:
        """What is missing, or None."""
        missing = [name for name in self._point.required if not self._sent.has(name)]
        if (age.was_answered(self._sent.own) and self.given.old_enough is None) or missing == [age.ANSWER]:
            return Incomplete(NO_BIRTH, [age.ANSWER])
        if missing:
            return self._missing(missing)
        if notices.is_public(self._point) and not self.given.acknowledged:
            return Incomplete(UNREAD, ["privacy_acknowledged"])
        return None

    def agree(self) -> None:
        """Raise :class:`NotCollected` for a licence to which somebody says no."""
        if self._sent.declines(ACCEPTANCE):
            raise self._missing([ACCEPTANCE])

    def record(self, kind: str = "collection", words: Wording | None = None, **more: str) -> None:
        """Put it on record; raises :class:`NotCollected` where that fails, for then nothing is taken.

        The entry has field names and no values. It waits in the side file for a ledger that is away, but where somebody
        opts in: what could not be put on record after the view is better not begun.
        """
        words = words or self._words_of("notice", self._sent.own.get("privacy_notice", ""))
        ledger = self._here.site.ledger
        append = ledger.append if self._opted else ledger.append_or_wait
        try:
            append(self._entry(kind, words, self._given(**more)), words)
        except (LedgerUnavailable, OSError) as error:
            self._here.site.failed(error, tell_tests=False)
            raise NotRecorded() from error

    def settle(self) -> None:
        """Put opt-ins on record and let them take effect, now that the site has taken the form too.

        Where that fails nobody was signed up; raises :class:`NotCollected` if there was nothing else to take.
        """
        marketing = self._here.site.mail.marketing
        try:
            for purpose, (words, source) in self._opted.items() if self._subject else ():
                marketing.sign_up(self._subject, purpose, words, source)
        except (LedgerUnavailable, RightsUnavailable, OSError) as error:
            self._here.site.failed(error, tell_tests=False)
            if notices.only_signs_up(self._policy, self._point):
                raise NotRecorded() from error

    def _hear_age(self) -> None:
        """Take from the question of age a yes or a no, and nothing else. A no stands in this browser, whatever comes."""
        here, own = self._here, self._sent.own
        if age.was_answered(own):
            answer = age.old_enough(own, (self._policy.minors or Minors()).age, now().date())
        elif age.ANSWER in self._declared and self._sent.has(age.ANSWER):
            answer = not says_no(self.given[age.ANSWER])
        else:
            return
        if answer is False:
            here.kept["privacy_age"] = "no"
        self.given.old_enough = answer and not here.is_minor if answer is not None else None
        if age.ANSWER in self._declared and self.given.old_enough is not None:
            said = "yes" if self.given.old_enough else "no"
            self.given.fields[age.ANSWER] = self._sent.fields[age.ANSWER] = said
            put(here.request, age.ANSWER, said)
        if self.given.old_enough is False:
            self._remember_minor()

    def _missing(self, names: list[str]) -> Incomplete:
        t = self._here.language
        return Incomplete(MISSING, names, names=t.names(notices.described(self._policy, names, t)))

    def _remember_minor(self) -> None:
        if self._person:
            try:
                self._here.site.rights.minors.note(self._person)
            except RightsUnavailable as error:  # the cookie says so still, and the form is refused
                self._here.site.failed(error, tell_tests=False)

    def _is_minor(self) -> bool:
        try:
            return self._here.is_minor or bool(self._person and self._here.site.rights.minors.is_minor(self._person))
        except (RightsUnavailable, KeyMissing) as error:
            self._here.site.failed(error, tell_tests=False)
            raise NotRecorded() from error

    def _opt_ins(self) -> dict[str, OptIn]:
        """The purposes opted in to, each with the words that said so."""
        own, policy = self._sent.own, self._policy
        found: dict[str, OptIn] = {}
        shown = {text.split(".")[1].removeprefix("opt-in:"): text for text in own.getlist("privacy_asked") if "." in text}
        ticked, said_no = set(own.getlist("privacy_opt_in")), self._sent.declines("privacy_opt_in")
        for point in policy.collection:
            if point.id in ticked:
                words = self._words_agreed("opt-in", shown.get(point.id, ""), point)
                found |= dict.fromkeys(notices.asked_at_a_form(policy, point), words)
        if notices.only_signs_up(policy, self._point) and self._point.id not in shown and not said_no:
            words = self._words_agreed("notice", own.get("privacy_notice", ""), self._point)
            found |= {purpose: found.get(purpose, words) for purpose in self._point.purposes}
        return found

    def _words_agreed(self, kind: str, shown: str, point: CollectionPoint) -> OptIn:
        """What somebody opts in to has words, also where a program does not say which were shown: then those in force."""
        words = self._words_of(kind, shown, point)
        return (words, "form") if words else (notices.unasked(self._policy, kind, point), "api")

    def _words_of(self, kind: str, shown: str, point: CollectionPoint | None = None) -> Wording | None:
        """The words that the form says it showed; raises :class:`NotCollected` where they are good no longer."""
        point = point or self._point
        if not shown:
            return None  # a program's post: there were no words of ours, and the ledger says so
        words = notices.in_force(self._policy, kind, point, shown)
        mark, digest = shown.partition(".")[0], shown.rpartition(".")[2]
        if words is None and mark == notices.mark(point):
            # Words that were corrected since then are good if they said the same and the ledger can still prove them.
            words = self._here.site.ledger.wording(digest, mark)
        if words is None:
            raise Outdated(CHANGED)
        return words

    def _entry(self, kind: str, words: Wording | None, detail: str) -> Entry:
        key_id, hashed = self._here.site.rights.people.hash(self._subject) if self._subject else ("", "")
        return Entry(
            kind,
            timestamp(),
            policy=self._policy.version,
            fingerprint=notices.mark(self._point),
            purposes=self._point.purposes,
            source="form" if words else "api",
            locale=words.locale if words else "",
            text=words.digest if words else "",
            detail=detail,
            subject=hashed,
            subject_key=key_id,
        )

    def _given(self, **more: str) -> str:
        """What the ledger keeps of it: names, and no values."""
        given = [name for name in self._declared if self._sent.has(name)]
        said = {"point": self._point.id, "fields": given, "dropped": self.given.dropped}
        return json.dumps(said | more | ({"acknowledged": True} if notices.is_public(self._point) else {}))
