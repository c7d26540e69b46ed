"""Languages: the shipped catalogues, sentence by sentence, and how a visitor's is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from markupsafe import Markup

if TYPE_CHECKING:
    from babel import Locale

#: What visitors meet first is there in these: the official languages of the European Union, and six more.
SHIPPED = (
    "en", "bg", "cs", "da", "de", "el", "es", "et", "fi", "fr", "ga", "hr", "hu", "it", "lt", "lv", "mt", "nl", "pl", "pt",
    "ro", "sk", "sl", "sv", "ar", "he", "uk", "tr", "zh", "ja",
)  # fmt: skip

#: Everything else is there in these; the others fall back to English, sentence by sentence.
WHOLE = ("en", "de", "fr", "es", "ar")

_Day = date  # inside Language the name is a method's

_FOLDER = Path(__file__).parent / "translations"

_DAYS = {"day": 1, "month": 30, "year": 365}


@dataclass(frozen=True, slots=True)
class LocalizedText:
    """A sentence in a language; in HTML it carries ``lang`` and ``dir`` where the page has another one."""

    text: str
    lang: str
    foreign: bool = False

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)

    def __html__(self) -> str:
        if not self.foreign:
            return str(Markup.escape(self.text))
        return Markup('<span lang="{}" dir="{}">{}</span>').format(self.lang, direction(self.lang), self.text)


class Length(Protocol):
    """A length of time, such as the ``Period`` of a declaration."""

    @property
    def count(self) -> int: ...
    @property
    def unit(self) -> Literal["day", "month", "year"]: ...


class Language:
    """One language, and English where it has no words for something. Make it with :func:`language`."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    @property
    def dir(self) -> str:
        """``"ltr"`` or ``"rtl"``."""
        return direction(self.code)

    def __call__(self, msgid: str, /, **values: object) -> LocalizedText:
        """The sentence, with ``%(name)s`` filled in."""
        found = self._catalogue.get(msgid)
        text = found or msgid
        lang = self.code if found or self.code == "en" else "en"
        filled = text % {name: str(value) for name, value in values.items()} if values else text
        return LocalizedText(filled, lang, lang != self.code)

    def of(self, text: str | Mapping[str, str], default: str) -> LocalizedText:
        """A site's own text in this language, else in the site's; standard words come from the catalogue."""
        if isinstance(text, str):
            found = self._catalogue.get(text) if default == "en" else None
            return LocalizedText(found, self.code) if found else LocalizedText(text, default, default != self.code)
        for code in (self.code, default, *text):
            if code in text:
                return LocalizedText(text[code], code, code != self.code)
        return LocalizedText("", self.code)

    def period(self, period: Length) -> str:
        """A length of time: ``13 Monate``."""
        from babel.dates import format_timedelta

        length = timedelta(days=period.count * _DAYS[period.unit])
        return format_timedelta(length, granularity=period.unit, threshold=10**9, locale=self._locale)

    def date(self, iso: str) -> str:
        """A day, written out: ``8. Mai 2009``."""
        from babel.dates import format_date

        return format_date(date.fromisoformat(iso), format="long", locale=self._locale)

    def day(self, day: _Day) -> str:
        """A day without its year, short: ``8. Mai``."""
        from babel.dates import format_skeleton

        return str(format_skeleton("MMMd", day, locale=self._locale))

    def month(self, day: _Day) -> str:
        """A month and its year: ``Mai 2009``."""
        from babel.dates import format_skeleton

        return str(format_skeleton("yMMMM", day, locale=self._locale))

    def days(self, first: _Day, last: _Day) -> str:
        """From one day to another: ``4.–10. Mai 2009``."""
        from babel.dates import format_interval

        return str(format_interval(first, last, "yMMMd", locale=self._locale))

    def number(self, number: float) -> str:
        """A number with its thousands apart: ``1.234``."""
        from babel.numbers import format_decimal

        return format_decimal(number, locale=self._locale)

    def percent(self, share: float, pattern: str | None = None) -> str:
        """A share of 1: ``47,1 %``, or after a pattern of CLDR's."""
        from babel.numbers import format_percent

        digits = "#,##0.0" if pattern is None else pattern
        sign = self._locale.percent_formats[None].pattern.replace("#,##0", digits)
        return format_percent(share, sign, locale=self._locale)

    def name_of(self, code: str) -> str:
        """Another language's name in this one."""
        from babel import Locale

        return Locale.parse(code, sep="-").get_display_name(self._locale) or code

    def country(self, code: str) -> str:
        """A country's name: ``Deutschland`` for ``DE``."""
        return str(self._locale.territories.get(code, code))

    def names(self, words: Sequence[object]) -> str:
        """A list of words: ``a, b and c``."""
        from babel.lists import format_list

        return format_list([str(word) for word in words], locale=self._locale)

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale

        return Locale.parse(self.code, sep="-")

    @cached_property
    def _catalogue(self) -> dict[str, str]:
        """msgid to msgstr, read at the first need of the language."""
        from babel.messages.pofile import read_po

        found: dict[str, str] = {}
        for path in sorted(_FOLDER.glob(f"{self.code}*.po")):
            if path.name in (f"{self.code}.po", f"{self.code}.policy.po"):
                with path.open("rb") as file:
                    found |= {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string}
        return found


@cache
def language(code: str) -> Language:
    """The shipped language with this code."""
    if code not in SHIPPED:
        raise LookupError(f"There is no language {code!r}; shipped are: {', '.join(SHIPPED)}.")
    return Language(code)


def direction(code: str) -> str:
    """``"rtl"`` for Arabic and Hebrew, else ``"ltr"``."""
    return "rtl" if code.partition("-")[0] in ("ar", "he") else "ltr"


def shipped(code: str | None) -> str | None:
    """The shipped language that a locale such as ``de_AT`` or ``zh-Hans-CN`` belongs to, or None."""
    base = (code or "").replace("_", "-").partition("-")[0].lower()
    return base if base in SHIPPED else None
