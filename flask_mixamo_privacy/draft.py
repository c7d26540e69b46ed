"""A page being written: sentences pile up, and a section takes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .document import Section, Sentence, Table
from .language import Language, Said
from .model import Policy
from .period import Period
from .policy import Text


@dataclass
class Draft:
    """What a derivation needs at hand, and how it says a sentence."""

    policy: Policy
    t: Language
    min_cell: int
    provider: bool
    enforced: bool
    _said: list[Sentence] = field(default_factory=list)

    def _say(self, said: Said, *promises: int) -> None:
        if said:
            self._said.append(Sentence(said, promises))

    def _done(self, name: str, title: Said, *tables: Table) -> Section | None:
        sentences, self._said = tuple(self._said), []
        return Section(name, title, sentences, tables) if sentences or tables else None

    def _of(self, text: Text) -> Said:
        return self.t.of(text, self.policy.language)

    def _own(self, text: str) -> Said:
        """A name that is no word of any language."""
        return Said(text, self.t.code)

    def _period(self, period: Period) -> str:
        return self.t.period(period)

    def _titles(self, purposes: tuple[str, ...]) -> str:
        return self.t.names([self._of(self.policy.purpose(purpose).title) for purpose in purposes])

    def _say_notice(self, text: bool | Text, standard: Said, *promises: int) -> None:
        """The standard sentence where the policy says true, the site's own where it has one, else nothing."""
        if text:
            self._say(standard if text is True else self._of(text), *promises)
