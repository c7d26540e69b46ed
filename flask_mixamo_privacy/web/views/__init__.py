"""The extension's own pages, all on one blueprint.

Each view parses its request, calls one of the packages below, and answers. No view imports another.
"""

from __future__ import annotations

from flask import Blueprint, current_app

from ..assets import folder

#: The pages under ``PRIVACY_URL_PREFIX``. Each module of this package adds its own views when it is imported, below.
pages = Blueprint("mixamo_privacy", __name__, template_folder=str(folder("templates")))


@pages.url_value_preprocessor
def leave_posts_to_our_own_check(endpoint: str | None, values: object) -> None:
    # Flask-WTF wants a token in each form, which would make every page with a banner uncacheable and every such
    # form a session. Our own check (origin.py) stands in its place. Said here, because this runs before any
    # before_request of the app, so it does not matter which of the two extensions was initialised first.
    csrf = current_app.extensions.get("csrf")
    if csrf is not None and hasattr(csrf, "exempt"):
        csrf.exempt(pages)


from . import assets, beacons, consent, licence, me, policy, reports, rights
