"""The language of the extension's texts in a response."""

from __future__ import annotations

from functools import lru_cache

from flask import has_request_context
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..i18n.language import shipped
from .runtime import Runtime


def choose_language(runtime: Runtime, accept_language: str) -> tuple[str, bool]:
    """Return the language's code, and whether the browser's ``Accept-Language`` chose it.

    The order is: ``PRIVACY_LOCALE``, Flask-Babel if the app has it, the browser, the language of the policy.
    """
    default = runtime.policy.language
    if runtime.settings.locale is None and not runtime.has_babel:
        return _negotiate(accept_language[:200], default), True
    try:
        chosen = _site_locale(runtime)
    except Exception as error:  # an error in the site's own callable must not break its pages
        if has_request_context():  # the callable may need a request
            runtime.report_failure(error)
        return default, False
    return shipped(chosen) or default, False


def _site_locale(runtime: Runtime) -> str:
    """Return the locale that the site chose. It may be a language that we do not ship."""
    locale = runtime.settings.locale
    if locale is None:
        from flask_babel import get_locale

        return str(get_locale())
    return str((locale() if callable(locale) else locale) or "")


@lru_cache(maxsize=1024)
def _negotiate(accept_language: str, default: str) -> str:
    # Werkzeug's best_match() prefers an exact match, such as English, to "fr-CA" for French. So we go by quality alone.
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality and (code := default if tag == "*" else shipped(tag)):
            return code
    return default
