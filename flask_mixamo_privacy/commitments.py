"""The later half of the policy page: what the site undertakes towards others, and what people may ask for."""

from __future__ import annotations

from collections.abc import Iterator

from .document import Section, Table
from .draft import Draft


class Commitments(Draft):
    """Recipients, services, disclosure, links, children, opting out, rights, security, changes."""

    def commitments(self) -> Iterator[Section | None]:
        yield self._recipients()
        yield self._services()
        yield self._disclosure()
        yield self._links()
        yield self._children()
        yield self._opting_out()
        yield self._rights()
        yield self._security()
        yield self._changes()

    def _recipients(self) -> Section | None:
        t, policy = self.t, self.policy
        self._say(t("Data is not sold, traded or rented to anybody."), 27)
        self._say(
            t(
                "If your browser sends Global Privacy Control, everything optional is off and you are not asked. The signal is about the sale and the sharing of data; we honour it more widely."
            ),
            27,
        )
        if not policy.recipients:
            return self._done("recipients", t("Who else gets data"))
        self._say(t("These help us, and get only the fields that their task needs:"), 28, 29)
        head = (t("Who"), t("Their task"), t("What for"), t("Fields"), t("Country"), t("Their policy"))
        rows = tuple(
            (
                self._own(r.name),
                self._of(r.role),
                self._own(self._titles(r.purposes)),
                self._own(", ".join(r.fields)),
                self._own(t.country(r.country)),
                self._own(r.link),
            )
            for r in policy.recipients
        )
        return self._done("recipients", t("Who else gets data"), Table(head, rows, (28, 29)))

    def _services(self) -> Section | None:
        t, policy = self.t, self.policy
        if not policy.services:
            return None
        self._say(t("Pages may load something from these other companies, once you allow it."), 1)
        if self.enforced:
            self._say(t("Your browser itself is told to refuse all others, and these until you allow them."), 1)
        head = (t("Service"), t("What for"), t("Hosts"), t("What is loaded"), t("Their policy"))
        rows = tuple(
            (
                self._of(s.title),
                self._of(policy.purpose(s.purpose).title),
                *map(self._own, (", ".join(s.hosts), ", ".join(s.loads), s.link or "–")),
            )
            for s in policy.services
        )
        return self._done("services", t("What is loaded from other companies"), Table(head, rows, (1,)))

    def _disclosure(self) -> Section | None:
        t, notices = self.t, self.policy.notices
        law = t("We disclose data where the law demands it, or where somebody's safety does; each time is written down.")
        sale = t("In a merger or a sale of the business, data may pass to the new owner, after this policy has said so.")
        self._say_notice(notices.law, law, 38)
        self._say_notice(notices.transfer, sale, 39)
        return self._done("disclosure", t("Law, safety and a change of owner"))

    def _links(self) -> Section | None:
        t = self.t
        away = t(
            "Links to other sites say that they lead away; those sites have their own policies, and we do not answer for them."
        )
        self._say_notice(self.policy.notices.links, away, 30)
        return self._done("links", t("Links to other sites"))

    def _children(self) -> Section | None:
        t, minors = self.t, self.policy.minors
        if minors is None:
            return None
        self._say(t("We do not market to children under %(age)s.", age=minors.age), 19)
        self._say(
            t("We knowingly collect nothing from them for marketing; where we ask for the age, only yes or no is kept."), 20
        )
        self._say(t("We ask parents to go with their children when they use the internet."), 21)
        return self._done("children", t("Children"))

    def _opting_out(self) -> Section | None:
        t, marketing = self.t, self.policy.marketing
        if marketing is None:
            return None
        self._say(t("You may decline marketing mail at any time, by the link in each of them."), 26)
        self._say(
            t("Or reply with “unsubscribe” in the subject, or write so to %(address)s.", address=marketing.unsubscribe),
            35,
            36,
        )
        self._say(t("Mails that matter for a purchase or an account of yours still reach you."), 37)
        period = self._period(self.policy.retention.mail)
        self._say(
            t("Of a mail that we could not read a copy is kept for a person, for up to %(period)s.", period=period), 36
        )
        return self._done("opting-out", t("No more marketing mail"))

    def _rights(self) -> Section | None:
        t, requests = self.t, self.policy.requests
        if requests is None:
            return None
        self._say(
            t("You may ask us what is stored about you, and to correct it, to delete it, or to change what it is used for."),
            32,
        )
        self._say(t("You get an answer in time, and not later than %(number)s days.", number=requests.days), 33)
        period = self._period(self.policy.retention.archives)
        self._say(
            t(
                "Archives may hold for up to %(period)s what is deleted already; after a restore it is deleted again.",
                period=period,
            ),
            34,
        )
        return self._done("rights", t("What you may ask for"), *self._staying())

    def _staying(self) -> Iterator[Table]:
        """What a deletion leaves, for how long, and why."""
        t, fields = self.t, self.policy.fields
        if names := [field.name for field in fields if field.on_erase == "anonymise"]:
            self._say(t("This is only made anonymous: %(names)s.", names=t.names(names)), 32)
        rows = tuple(
            (self._own(field.name), self._own(self._period(field.kept_for)), self._of(field.reason))
            for field in fields
            if field.kept_for is not None
        )
        if rows:
            self._say(t("When you ask for deletion, this stays for a while, and why:"), 32)
            yield Table((t("Field"), t("Kept for"), t("Why it stays")), rows, (32, 34))

    def _security(self) -> Section | None:
        t, notices = self.t, self.policy.notices
        if notices.security is True:
            self._say(t("We protect data as is usual in the industry, and nobody looks at it without a need."), 40, 41)
            self._say(t("Yet nobody can promise that a system is completely secure."), 42)
        elif notices.security:
            self._say(self._of(notices.security), 40, 41, 42)
        return self._done("security", t("Security"))

    def _changes(self) -> Section | None:
        t, version = self.t, self.policy.version
        posting = t("We change this policy by posting a new version here; earlier ones stay readable.")
        self._say_notice(self.policy.notices.changes, posting, 43)
        if version:
            self._say(t("Last updated: %(date)s.", date=t.date(version)), 45)
        return self._done("changes", t("Changes"))
