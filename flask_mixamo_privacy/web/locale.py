"""Which language a visitor reads."""

from __future__ import annotations

from functools import lru_cache

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..i18n.language import shipped
from .site import Site


def choose_language(site: Site, accept_language: str) -> tuple[str, bool]:
    """The language's code, and whether the browser's ``Accept-Language`` chose it.

    ``PRIVACY_LOCALE`` comes first, then Flask-Babel where the app has it, then the browser, then the policy's own.
    """
    default = site.policy.language
    if site.settings.locale is None and not site.has_babel:
        return _negotiate(accept_language[:200], default), True
    try:
        chosen = _chosen_by_site(site)
    except Exception as error:  # the site's own callable must not break its pages
        site.failed(error)
        return default, False
    return shipped(chosen) or default, False


def _chosen_by_site(site: Site) -> str:
    """The locale that the site says, which may be none of ours."""
    chosen = site.settings.locale
    if chosen is None:
        from flask_babel import get_locale

        return str(get_locale())
    return str((chosen() if callable(chosen) else chosen) or "")


@lru_cache(maxsize=1024)
def _negotiate(accept_language: str, default: str) -> str:
    # By quality, and "fr-CA" is French: Werkzeug's own match would rather take English word for word.
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality and (code := default if tag == "*" else shipped(tag)):
            return code
    return default
