"""The writer of the policy page: it turns a declaration into sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..i18n.language import Language, LocalizedText
from .document import Document, Section, Sentence, Table
from .model import Policy
from .parts import LOG_FIELDS, Period, Text, own_cookie_name


def derive(
    policy: Policy,
    t: Language,
    *,
    min_cell: int = 5,
    provider: bool = False,
    enforced: bool = False,
    cookies_begin: str = "privacy",
    confirm_opt_ins: str = "never",
) -> Document:
    """Return the policy page in a language.

    ``provider`` is true if the site looks up internet providers. ``enforced`` is true if a Content-Security-Policy blocks
    whatever the visitor has not granted. The names of the extension's own cookies begin with ``cookies_begin``.
    ``min_cell`` and ``confirm_opt_ins`` are the settings of these names.
    """
    writer = PolicyWriter(policy, t, min_cell, provider, enforced, cookies_begin, confirm_opt_ins)
    sections = tuple(section for section in writer.sections() if section is not None)
    return Document(t.code, t("Privacy policy").text, policy.version, sections)


@dataclass
class PolicyWriter:
    """Writes the whole page. ``_say`` collects sentences, and ``_done`` makes a section of them."""

    policy: Policy
    t: Language
    min_cell: int
    provider: bool
    enforced: bool
    cookies_begin: str
    confirm_opt_ins: str
    _sentences: list[Sentence] = field(default_factory=list)

    def sections(self) -> Iterator[Section | None]:
        """Yield the sections in the order of the page. A section without content is None."""
        yield self._scope()
        yield self._purposes()
        yield self._collection()
        yield self._cookies()
        yield self._log()
        yield self._aggregates()
        yield self._recipients()
        yield self._services()
        yield self._disclosure()
        yield self._links()
        yield self._children()
        yield self._opting_out()
        yield self._rights()
        yield self._security()
        yield self._changes()

    def _scope(self) -> Section | None:
        t, policy = self.t, self.policy
        self._say(
            t("This policy says how %(site)s uses and shares information, both anonymous and personal.", site=policy.site),
            2,
            4,
        )
        self._say(t("Using the site is not taken as consent: what is optional stays off until you switch it on."), 3)
        self._say(
            t("Nothing is loaded from another company that is not named here, and personal data leaves us only as it says."),
            1,
        )
        if policy.contact is not None:
            self._say(t("Write to us about privacy: %(contact)s.", contact=policy.contact.about), 44)
        return self._done("scope", t("What this policy is about"))

    def _purposes(self) -> Section | None:
        t, policy = self.t, self.policy
        head = (t("Purpose"), t("What for"), t("Legal basis"), t("Kept for"))
        rows = tuple(
            (
                self._of(p.title),
                self._with_reason(p.description, p.reason),
                self._basis(p.basis),
                self._literal(self._period(p.retention)),
            )
            for p in policy.purposes
        )
        self._say(t("Data is used for these purposes, and for no other."), 5, 8, 22, 25)
        self._say(t("You may visit the site without allowing any of the optional ones."), 3)
        return self._done("purposes", t("What data is used for"), Table(head, rows, (8, 13)))

    def _with_reason(self, description: Text, reason: Text) -> LocalizedText:
        first, second = self._of(description), self._of(reason)
        return LocalizedText(" ".join(filter(None, (first.text, second.text))), first.lang, first.foreign)

    def _basis(self, basis: str) -> LocalizedText:
        t = self.t
        return {
            "consent": t("your consent"),
            "necessary": t("necessary for what you asked for"),
            "contract": t("a contract with you"),
            "legal_obligation": t("a legal obligation"),
            "legitimate_interest": t("our legitimate interest"),
        }[basis]

    def _collection(self) -> Section | None:
        t, policy = self.t, self.policy
        tables = []
        if policy.collection:
            self._say(t("We ask for personal data only at these points, each with a notice of its own."), 7, 9)
            self._say(
                t(
                    "What you give there is given voluntarily; what is marked optional may stay empty, and nothing is ticked beforehand."
                ),
                10,
            )
            self._say_confirmation()
            tables.append(self._points())
        self._say_notice(policy.notices.licence, t("Who does not agree to the licence does not download."), 6)
        posted = t("What you post where others read it is public; the notice at the form says so.")
        self._say_notice(policy.notices.postings, posted, 31)
        if policy.fields:
            kinds = {"identifying": t("identifying"), "pseudonymous": t("pseudonymous"), "anonymous": t("anonymous")}
            rows = tuple((self._literal(f.name), self._of(f.description), kinds[f.kind]) for f in policy.fields)
            tables.append(Table((t("Field"), t("What it is"), t("Kind")), rows, (4,)))
        return self._done("collection", t("Where we ask for data"), *tables)

    def _say_confirmation(self) -> None:
        """State double opt-in, if a form signs up to a mailing list and the site confirms addresses by a link."""
        t, used = self.t, {purpose for point in self.policy.collection for purpose in point.purposes}
        asked = any(p.id in used and p.basis == "consent" and p.ask == "form" for p in self.policy.purposes)
        if not asked or self.confirm_opt_ins == "never":
            return
        self._say(
            t(
                "An address entered at a form gets marketing mail only once its holder confirms by a link that we mail there first."
            ),
            10,
        )
        if self.confirm_opt_ins == "visitors":
            self._say(t("You need no link for the address under which you are logged in."), 10)

    def _points(self) -> Table:
        t = self.t
        rows = tuple(
            (
                self._of(p.title),
                *map(self._literal, (self._titles(p.purposes), self._fields(p.required), self._fields(p.optional))),
            )
            for p in self.policy.collection
        )
        return Table((t("Where"), t("What for"), t("Required"), t("Optional")), rows, (7, 9, 10))

    def _fields(self, names: tuple[str, ...]) -> str:
        return ", ".join(names) or "–"

    def _cookies(self) -> Section | None:
        t, policy = self.t, self.policy
        if not policy.cookies:
            return None
        self._say(t("This is all that is stored on your device, cookies included."), 11)
        if "privacy_visitor" in {cookie.name for cookie in policy.cookies}:
            self._say(
                t("One of them holds a unique number, set by our own server once you allow statistics, and never before."),
                12,
            )
        self._say(
            t(
                "“Privacy settings”, on every page, is the way out: one click stops cookie and log, and erases what was recorded under it."
            ),
            18,
        )
        decisions = self._period(policy.retention.decisions)
        self._say(t("What you decided is kept for %(period)s, as proof.", period=decisions), 18)
        head = (t("Name"), t("What for"), t("Whose"), t("Kept for"), t("What it says"))
        rows = tuple(
            (
                self._literal(own_cookie_name(c.name, self.cookies_begin) + (f" ({c.kind})" if c.kind != "http" else "")),
                self._of(policy.purpose(c.purpose).title),
                t("ours") if c.party == "first" else t("another company's"),
                t("Until you close the browser")
                if c.lifetime == "session"
                else self._literal(self._period(Period.parse(c.lifetime))),
                self._of(c.description),
            )
            for c in policy.cookies
        )
        return self._done("cookies", t("Cookies"), Table(head, rows, (11, 12)))

    def _log(self) -> Section | None:
        t, policy = self.t, self.policy
        if "statistics" not in {purpose.id for purpose in policy.optional}:
            return None
        self._say(
            t("Once you allow statistics, our server keeps log files, which a tracking utility of our own reads."), 14, 17
        )
        self._say(t("An entry says the time, what happened, the number of your cookie, and:"), 14)
        self._say(self._literal(self.t.names([self._field(name) for name in self._recorded()]) + "."), 14)
        self._say(
            t(
                "These log files are not linked to personal data: no name, account, mail address or whole network address is in them."
            ),
            16,
        )
        self._say(t("They serve to see trends, to run the site, and to see how people move through it as a whole."), 13, 15)
        self._say(t("Entries are deleted after %(period)s.", period=self._period(policy.retention.events)), 14)
        return self._done("log", t("Log files"))

    def _recorded(self) -> list[str]:
        """Return the recorded fields: the declared ones, and the provider only if it is looked up."""
        return [name for name in LOG_FIELDS if name in self.policy.log.fields and (name != "provider" or self.provider)]

    def _field(self, name: str) -> LocalizedText:
        t = self.t
        return {
            "page": t("the page"),
            "previous": t("the page before it"),
            "referrer": t("the site you came from"),
            "browser": t("your browser (without its version)"),
            "platform": t("your operating system (without its version)"),
            "provider": t("your internet provider"),
            "network": t("the neighbourhood of your network address (never the address)"),
            "data": t("what you clicked or customised"),
        }[name]

    def _aggregates(self) -> Section | None:
        t, policy = self.t, self.policy
        if "statistics" not in {purpose.id for purpose in policy.optional}:
            return None
        self._say(t("We look at totals of visitors as a whole, such as how interesting one page is beside another."), 23)
        if self.min_cell > 1:
            unlinked = t(
                "No total is linked to a person: what fewer than %(number)s visitors stand behind is not shown.",
                number=self.min_cell,
            )
        else:
            unlinked = t(
                "No total names a visitor, but even a total with a single visitor behind it is shown, and reveals what that visitor did."
            )
        self._say(unlinked, 24)
        self._say(t("Totals are kept for %(period)s.", period=self._period(policy.retention.aggregates)), 23)
        return self._done("aggregates", t("Statistics as a whole"))

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
                self._literal(r.name),
                self._of(r.role),
                self._literal(self._titles(r.purposes)),
                self._literal(", ".join(r.fields)),
                self._literal(t.country(r.country)),
                self._literal(r.link),
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
                *map(self._literal, (", ".join(s.hosts), ", ".join(s.loads), s.link or "–")),
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
        return self._done("rights", t("What you may ask for"), *self._retained_fields())

    def _retained_fields(self) -> Iterator[Table]:
        """Yield the table of fields that an erasure keeps, with period and reason."""
        t, fields = self.t, self.policy.fields
        if names := [field.name for field in fields if field.on_erase == "anonymise"]:
            self._say(t("This is only made anonymous: %(names)s.", names=t.names(names)), 32)
        rows = tuple(
            (self._literal(field.name), self._literal(self._period(field.kept_for)), self._of(field.reason))
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

    def _say(self, text: LocalizedText, *promises: int) -> None:
        if text:
            self._sentences.append(Sentence(text, promises))

    def _done(self, name: str, title: LocalizedText, *tables: Table) -> Section | None:
        sentences, self._sentences = tuple(self._sentences), []
        return Section(name, title, sentences, tables) if sentences or tables else None

    def _of(self, text: Text) -> LocalizedText:
        return self.t.of(text, self.policy.language)

    def _literal(self, text: str) -> LocalizedText:
        """Return a name that is not translated."""
        return LocalizedText(text, self.t.code)

    def _period(self, period: Period) -> str:
        return self.t.period(period)

    def _titles(self, purposes: tuple[str, ...]) -> str:
        return self.t.names([self._of(self.policy.purpose(purpose).title) for purpose in purposes])

    def _say_notice(self, text: bool | Text, standard: LocalizedText, *promises: int) -> None:
        """Add the standard sentence for True, the site's own text if it has one, or nothing."""
        if text:
            self._say(standard if text is True else self._of(text), *promises)
