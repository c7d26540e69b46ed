"""The language of our texts in a response: what the site chose, or else what the browser prefers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from flask import Flask, has_request_context
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..i18n.language import Language, of_locale, regional_language
from ..i18n.site_catalogues import Languages
from .other_extensions import extension_of

#: Characters of an ``Accept-Language`` header that are read.
LONGEST_HEADER = 200


class SiteLocale:
    """The locale that a site chose, by ``PRIVACY_LOCALE`` or else by Flask-Babel."""

    def __init__(
        self, app: Flask, setting: Any, languages: Languages, default: str, report_failure: Callable[[Exception], None]
    ) -> None:
        #: Returns the language for an ``Accept-Language`` header, cut to :data:`LONGEST_HEADER`.
        self.of_browser = lru_cache(maxsize=1024)(partial(negotiate, languages, default))
        self._app = app
        self._setting = setting
        self._report_failure = report_failure

    def __call__(self) -> str | None:
        """Return the locale, which may be a language that we do not ship. Empty without a choice.

        None if the site has neither the setting nor Flask-Babel.
        """
        locale = self._setting
        if locale is None:
            if "babel" not in self._app.extensions or extension_of(self._app, "babel", "flask_babel") is None:
                return None
            from flask_babel import get_locale

            locale = get_locale
        try:
            return str((locale() if callable(locale) else locale) or "")
        except Exception as error:  # an error in the site's own callable must not break its pages
            if has_request_context():  # the callable may need a request
                self._report_failure(error)
            return ""


def negotiate(languages: Languages, default: str, accept_language: str) -> Language:
    """Return the site's translator of the first language of the header that is shipped, by quality, or else the default.

    The caller has cut the header to :data:`LONGEST_HEADER`.
    """
    # Werkzeug's best_match() prefers an exact match, such as English, to "fr-CA" for French. So we go by quality alone.
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality and (chosen := of_locale(default if tag == "*" else tag)):
            return languages.adapt(chosen)
    return languages(default)


def regional(chosen: Language, site_locale: str | None, accept_language: str) -> Language:
    """Return a language with the formats of the region, such as ``en-GB``, that the site or else the header names."""
    header = accept_language[:LONGEST_HEADER]
    tags = [tag for tag, _ in parse_accept_header(header, LanguageAccept)] if site_locale is None else [site_locale]
    return regional_language(chosen.code, tags)
