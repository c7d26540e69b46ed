"""The banner's style sheet: in the page if the policy of the page allows it, otherwise linked.

A linked sheet delays the first paint of a page without style sheets of its own by a round trip. A browser ignores a style
in the page under a policy such as ``default-src 'self'``. So an endpoint's pages have the style only after a response of
that endpoint whose headers allow it. A proxy may add a policy that the app does not know of. Then the element around the
banner stays hidden, as each ``popover`` does, until ``banner.js`` enables the linked sheet.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from functools import lru_cache

from markupsafe import Markup
from werkzeug.datastructures import Headers

from .assets import Assets
from .context import PrivacyContext
from .csp import HEADERS, allows_style

_NAMES = frozenset(name.lower() for name in HEADERS.values())
_FILE = "banner.css"


class BannerStyle:
    """Where the pages of one app have the banner's style."""

    def __init__(self, assets: Assets, enabled: bool) -> None:
        self._assets = assets
        self._enabled = enabled
        self._allowed: set[str | None] = set()  # endpoints whose last page with the banner allowed a style
        self._allows = lru_cache(maxsize=64)(allows_style)

    def is_inline(self, endpoint: str | None) -> bool:
        """Return whether the next page of this endpoint may have the style in the page."""
        return endpoint in self._allowed

    @property
    def text(self) -> Markup:
        """The minified style sheet, which has no character that HTML escapes."""
        return Markup(self._assets.built(_FILE).plain.decode())  # noqa: S704 — our own file

    @property
    def source(self) -> str:
        """The style's hash, as a site lists it in the ``style-src`` of its own policy."""
        digest = hashlib.sha256(self._assets.built(_FILE).plain).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    def learn(self, ctx: PrivacyContext, headers: Headers, names: Collection[str]) -> None:
        """Remember whether a page with the banner allowed a style in it. ``names`` are its headers' names in lower case.

        Report-only policies count too, because each blocked style would be reported. Ours is not among the headers yet, and
        allows every style.
        """
        if not self._enabled:
            return
        endpoint = ctx.request.endpoint
        if _NAMES.isdisjoint(names) or self._is_allowed(ctx, headers):
            self._allowed.add(endpoint)
        else:
            self._allowed.discard(endpoint)

    def _is_allowed(self, ctx: PrivacyContext, headers: Headers) -> bool:
        policies = ", ".join(value for name in HEADERS.values() for value in headers.getlist(name))
        nonce = ctx.nonce
        return self._allows(policies.replace(f"'nonce-{nonce}'", "'nonce'") if nonce else policies, self.source)
