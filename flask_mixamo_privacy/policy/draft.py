"""A draft of one section of the policy page: it collects sentences, and writes names, periods and lists in a language."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..i18n.language import Language, LocalizedText
from .document import Section, Sentence, Table
from .model import Policy
from .parts import Period, Text, in_words


@dataclass(frozen=True)
class StatedFacts:
    """What the page states besides the declaration; see :func:`~flask_mixamo_privacy.policy.writer.derive`."""

    min_cell: int = 5
    provider: bool = False
    enforced: bool = False
    cookies_begin: str = "privacy"
    confirm_opt_ins: str = "never"
    public_reports: bool = False


@dataclass
class Draft:
    """The sentences of one section so far, and the policy and the language in which they are written."""

    policy: Policy
    t: Language
    facts: StatedFacts
    _sentences: list[Sentence] = field(default_factory=list)

    def say(self, text: LocalizedText, *promises: int) -> None:
        """Add a sentence with the numbers of its promises. An empty text adds nothing."""
        if text:
            self._sentences.append(Sentence(text, promises))

    def say_notice(self, text: bool | Text, standard: LocalizedText, *promises: int) -> None:
        """Add the standard sentence for True, the site's own text if it has one, or nothing."""
        if text:
            self.say(standard if text is True else self.of(text), *promises)

    def done(self, name: str, title: LocalizedText, *tables: Table) -> Section | None:
        """Return the section. None if it has neither a sentence nor a table."""
        sentences = tuple(self._sentences)
        return Section(name, title, sentences, tables) if sentences or tables else None

    def of(self, text: Text) -> LocalizedText:
        """Return a text of the declaration in the page's language, or else in its own."""
        return self.t.of(text, self.policy.language)

    def literal(self, text: str) -> LocalizedText:
        """Return a name that is not translated."""
        return LocalizedText(text, self.t.code)

    def period(self, period: Period) -> LocalizedText:
        """Return a length of time: ``13 months``."""
        return self.literal(self.t.period(period))

    def purposes(self, purposes: tuple[str, ...]) -> LocalizedText:
        """Return the titles of purposes as a list: ``Support and Purchases``."""
        return self.literal(self.t.names([self.of(self.policy.purpose(purpose).title) for purpose in purposes]))

    def fields(self, names: tuple[str, ...]) -> LocalizedText:
        """Return the labels of fields, separated by commas. A dash if there are none."""
        return self.literal(", ".join(self.label(name).text for name in names) or "–")

    def label(self, name: str) -> LocalizedText:
        """Return what people call a field of a form or of the log."""
        declared = next((field.title for field in self.policy.fields if field.name == name), None)
        if declared is not None:
            return self.of(declared)
        return self.logged(name) or self.of(in_words(name))

    def logged(self, name: str) -> LocalizedText | None:
        """Return the words for a field of the log, or None for any other name."""
        t = self.t
        return {
            "page": t("the page"),
            "previous": t("the page before it"),
            "referrer": t("the site you came from"),
            "browser": t("your browser (without its version)"),
            "platform": t("your operating system (without its version)"),
            "provider": t("your internet provider"),
            "network": t("your IP address, shortened (never in full)"),
            "data": t("what you clicked or customised"),
        }.get(name)
