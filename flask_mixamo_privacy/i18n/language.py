"""Languages: translation with the shipped catalogues, and formats of dates, numbers and lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from markupsafe import Markup

if TYPE_CHECKING:
    from babel import Locale

#: The languages of the banner and the settings page: the official ones of the European Union, and seven more.
SHIPPED = (
    "en", "bg", "cs", "da", "de", "el", "es", "et", "fi", "fr", "ga", "hr", "hu", "it", "lt", "lv", "mt", "nl", "pl", "pt",
    "pt-BR", "ro", "sk", "sl", "sv", "ar", "he", "uk", "tr", "zh", "ja",
)  # fmt: skip

#: The languages of all other texts. The others fall back to English, sentence by sentence.
FULLY_TRANSLATED = ("en", "de", "fr", "es", "ar")

_Day = date  # the name of a method in Language

_FOLDER = Path(__file__).parent / "translations"

#: The regions whose English has the month before the day; from CLDR.
_MONTH_FIRST = ("US", "CA", "PH", "PR", "GU", "VI", "AS", "MP", "UM", "MH", "BI", "JP")

_DAYS = {"day": 1, "month": 30, "year": 365}

#: Where a long word of a catalogue, or of a site's own text, may break. Only HTML keeps it, so that no mail, title, digest
#: or file contains it.
SOFT_HYPHEN = "\u00ad"


@dataclass(frozen=True, slots=True)
class LocalizedText:
    """A text with its language. Its HTML has soft hyphens, and ``lang`` and ``dir`` if the page is in another language."""

    text: str
    lang: str
    foreign: bool = False
    hyphenated: str = field(default="", compare=False, repr=False)  # with soft hyphens; empty if it has none

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)

    def __html__(self) -> str:
        text = self.hyphenated or self.text
        if not self.foreign:
            return str(Markup.escape(text))
        return Markup('<span lang="{}" dir="{}">{}</span>').format(self.lang, direction(self.lang), text)


def localized(text: str, lang: str, foreign: bool = False) -> LocalizedText:
    """Return a text that may contain soft hyphens."""
    return LocalizedText(text.replace(SOFT_HYPHEN, ""), lang, foreign, text if SOFT_HYPHEN in text else "")


class Length(Protocol):
    """A length of time, such as ``Period`` in a declaration."""

    @property
    def count(self) -> int: ...
    @property
    def unit(self) -> Literal["day", "month", "year"]: ...


class Language:
    """The translator of one language. It falls back to English. Create it with :func:`language`."""

    def __init__(self, code: str, region: str = "", own: Mapping[str, str] | None = None) -> None:
        self.code = code
        self.region = region  # whose formats of dates and numbers are used; empty for those of the language
        self._own = own or {}  # the site's translations by msgid, which come before the shipped ones

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    @property
    def dir(self) -> str:
        """``"ltr"`` or ``"rtl"``."""
        return direction(self.code)

    def __call__(self, msgid: str, /, **values: object) -> LocalizedText:
        """Return the translation of a sentence, with ``%(name)s`` filled in."""
        translation = self._catalogue.get(msgid)
        text = translation or msgid
        lang = self.code if translation or self.code == "en" else "en"
        written = localized(text, lang, lang != self.code)
        return _fill(written, values) if values else written

    def of(self, text: str | Mapping[str, str], default: str) -> LocalizedText:
        """Return a site's own text in this language, or else in the site's language. Translate standard texts.

        A text that is English alone is a standard text in the declaration of a site in another language.
        """
        if not isinstance(text, str) and text.keys() == {"en"}:
            text, default = text["en"], "en"
        if isinstance(text, str):
            translation = self._catalogue.get(text) if default == "en" else None
            if translation:
                return localized(translation, self.code)
            return localized(text, default, default != self.code)
        for code in (self.code, self.code.partition("-")[0], default, *text):
            if code in text:
                return localized(text[code], code, code != self.code)
        return LocalizedText("", self.code)

    def period(self, period: Length) -> str:
        """Return a length of time: ``13 Monate``."""
        from babel.dates import format_timedelta

        length = timedelta(days=period.count * _DAYS[period.unit])
        return format_timedelta(length, granularity=period.unit, threshold=10**9, locale=self._locale)

    def in_days(self, days: int) -> str:
        """Return a number of days from today: ``in 3 Tagen``."""
        from babel.dates import format_timedelta

        length = timedelta(days=days)
        return format_timedelta(length, granularity="day", threshold=10**9, add_direction=True, locale=self._locale)

    def date(self, iso: str) -> str:
        """Return a day in the long format: ``8. Mai 2009``."""
        from babel.dates import format_date

        return format_date(date.fromisoformat(iso), format="long", locale=self._locale)

    def moment(self, iso: str) -> str:
        """Return a day and a time of day: ``8. Mai 2009, 14:05 UTC``. A time without a zone stays without one."""
        from babel.dates import format_time

        moment = datetime.fromisoformat(iso)
        zone = "" if moment.tzinfo is None else " UTC"
        moment = moment.astimezone(UTC) if zone else moment
        return f"{self.date(moment.date().isoformat())}, {format_time(moment.time(), 'short', locale=self._locale)}{zone}"

    def day(self, day: _Day) -> str:
        """Return a day in a short format, without its year: ``8. Mai``."""
        from babel.dates import format_skeleton

        return str(format_skeleton("MMMd", day, locale=self._locale))

    def month(self, day: _Day) -> str:
        """Return a month with its year: ``Mai 2009``."""
        from babel.dates import format_skeleton

        return str(format_skeleton("yMMMM", day, locale=self._locale))

    def days(self, first: _Day, last: _Day) -> str:
        """Return an interval of days: ``4.–10. Mai 2009``."""
        from babel.dates import format_interval

        return str(format_interval(first, last, "yMMMd", locale=self._locale))

    def number(self, number: float) -> str:
        """Return a number with thousands separators: ``1.234``."""
        from babel.numbers import format_decimal

        return format_decimal(number, locale=self._locale)

    def percent(self, share: float, digits: str = "#,##0.0", *, signed: bool = False) -> str:
        """Return a share of 1 as a percentage: ``47,1 %``, or ``+47 %`` with its sign and other digits."""
        from babel.numbers import format_percent

        pattern = self._locale.percent_formats[None].pattern.replace("#,##0", digits)
        return format_percent(share, f"+{pattern};-{pattern}" if signed else pattern, locale=self._locale)

    def signed(self, number: float) -> str:
        """Return a number with its sign and one decimal: ``+2,1``."""
        from babel.numbers import format_decimal

        return str(format_decimal(number, "+#,##0.0;-#,##0.0", locale=self._locale))

    def percents(self, least: float, most: float) -> str:
        """Return the bounds of a share of 1 as whole percentages: ``76–83 %``. They are rounded outwards."""
        upper = min(-(-round(most * 100, 2) // 1) / 100, 1.0)
        lower = self.number(int(least * 100))
        number = self.number(round(upper * 100))
        return self.percent(upper, "#,##0").replace(number, f"{lower}–{number}")

    def name_of(self, code: str) -> str:
        """Return the name of another language in this one."""
        from babel import Locale

        return Locale.parse(code, sep="-").get_display_name(self._locale) or code

    def country(self, code: str) -> str:
        """Return a country's name: ``Deutschland`` for ``DE``."""
        return str(self._locale.territories.get(code, code))

    def names(self, words: Sequence[object]) -> str:
        """Return a list of words: ``a, b and c``."""
        from babel.lists import format_list

        # Texts with a digest contain such lists, so they are the same in each region.
        return format_list([str(word) for word in words], locale=self.code.replace("-", "_"))

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale, UnknownLocaleError

        with suppress(UnknownLocaleError, ValueError):  # a region that CLDR does not know
            return Locale.parse(f"{self.code}-{self.region}" if self.region else self.code, sep="-")
        return Locale.parse(self.code, sep="-")

    @cached_property
    def _catalogue(self) -> dict[str, str]:
        """The translations by msgid, read on first use."""
        from babel.messages.pofile import read_po

        translations: dict[str, str] = {}
        for path in sorted(_FOLDER.glob(f"{self.code}*.po")):
            if path.name in (f"{self.code}.po", f"{self.code}.policy.po"):
                with path.open("rb") as file:
                    translations |= {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string}
        return {**translations, **self._own}


def _fill(text: LocalizedText, values: Mapping[str, object]) -> LocalizedText:
    """Fill in ``%(name)s``. In HTML, the values keep their soft hyphens."""
    filled = text.text % {name: str(value) for name, value in values.items()}
    soft = {name: getattr(value, "hyphenated", "") or str(value) for name, value in values.items()}
    hyphenated = (text.hyphenated or text.text) % soft
    return LocalizedText(filled, text.lang, text.foreign, hyphenated if hyphenated != filled else "")


@cache
def language(code: str) -> Language:
    """Return the translator of a shipped language. Raises :class:`LookupError` for any other code."""
    if code not in SHIPPED:
        raise LookupError(f"The language is {code!r}; allowed: {', '.join(SHIPPED)}.")
    return Language(code)


def regional_language(code: str, tags: Sequence[str]) -> Language:
    """Return the translator of a shipped language, with the formats of dates and numbers of a region.

    The first tag of the language decides, such as ``en-GB``. Use it only for texts without a digest, which a visitor's
    decision does not depend on.
    """
    parts = (tag.replace("_", "-").split("-") for tag in tags)
    region = next((part[-1] for part in parts if part[0].lower() == code), "")
    return _with_region(code, region.upper()) if re.fullmatch("[A-Za-z]{2}", region) and region != code else language(code)


@lru_cache(maxsize=64)
def _with_region(code: str, region: str) -> Language:
    return Language(language(code).code, region)


def of_locale(locale: str | None) -> Language | None:
    """Return the translator of a locale such as ``de_AT``, or None for a language that is not shipped.

    English has the dates of the United Kingdom, 3 June 2026, except in the regions where the month comes first.
    """
    code = shipped(locale)
    region = re.search(r"[-_]([A-Za-z]{2})\b", locale or "")
    if code == "en" and region and region[1].upper() not in _MONTH_FIRST:
        return _with_region("en", "GB")
    return language(code) if code else None


def direction(code: str) -> str:
    """Return ``"rtl"`` for Arabic and Hebrew, or else ``"ltr"``."""
    return "rtl" if code.partition("-")[0] in ("ar", "he") else "ltr"


def shipped(code: str | None) -> str | None:
    """Return the shipped language of a locale such as ``de_AT``, ``pt_BR`` or ``zh-Hans-CN``, or None."""
    parts = (code or "").replace("_", "-").split("-")
    base = parts[0].lower()
    regional = (f"{base}-{part.upper()}" for part in parts[1:])
    return next((each for each in (*regional, base) if each in SHIPPED), None)
