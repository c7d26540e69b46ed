"""Which language a visitor reads."""

from __future__ import annotations

from functools import lru_cache

from flask import current_app
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from .language import shipped
from .site import Site


def choose_language(site: Site, accept_language: str) -> tuple[str, bool]:
    """The language's code, and whether the browser's ``Accept-Language`` chose it.

    ``PRIVACY_LOCALE`` comes first, then Flask-Babel where the app has it, then the browser, then the policy's own.
    """
    default = site.policy.language
    try:
        chosen = _chosen_by_site(site)
    except Exception as error:  # the site's own callable must not break its pages
        site.failed(error)
        return default, False
    if chosen is not None:
        return shipped(chosen) or default, False
    return _negotiate(accept_language[:200], default), True


def _chosen_by_site(site: Site) -> str | None:
    """The locale that the site says, which may be none of ours; None where it leaves the choice to the browser."""
    chosen = site.settings.locale
    if chosen is not None:
        return str((chosen() if callable(chosen) else chosen) or "")
    if "babel" in current_app.extensions:
        from flask_babel import get_locale

        return str(get_locale())
    return None


@lru_cache(maxsize=1024)
def _negotiate(accept_language: str, default: str) -> str:
    # By quality, and "fr-CA" is French: Werkzeug's own match would rather take English word for word.
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality and (code := default if tag == "*" else shipped(tag)):
            return code
    return default
