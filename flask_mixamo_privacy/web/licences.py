"""``@acceptance_required("licence")``: who does not agree does not download."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from flask import current_app, redirect, url_for
from werkzeug.wrappers import Response

from ..collection import notices
from ..errors import KeyMissing, RightsUnavailable
from ..i18n.language import Language, LocalizedText
from ..policy.model import Policy
from ..policy.parts import CollectionPoint, Text
from .access import current_subject
from .context import PrivacyContext, current_url, privacy_context
from .http import no_store

F = TypeVar("F", bound=Callable[..., Any])

_LICENCE_PAGE = "mixamo_privacy.licence"

_COOKIE = "privacy_licence"
_SHORT = 16  # characters of a version in the cookie, which is signed


@dataclass(frozen=True)
class Licence:
    """The licence of one collection point: its text, and the site's own page for it, if it has one."""

    point: CollectionPoint
    text: Text | Callable[[], str] | None = None
    endpoint: str | None = None

    def localized_text(self, policy: Policy, t: Language) -> LocalizedText:
        """The text in the visitor's language, else in the site's."""
        own = policy.notices.licence
        return t.of(self._text or (own if not isinstance(own, bool) else ""), policy.language)

    def version(self, policy: Policy) -> str:
        """The digest of all that is agreed to. Without a text of its own a licence is what the policy says: then the
        policy's version is part of it."""
        own = self._text
        said = [self.point.id, own or policy.version, self.point.notice, policy.notices.licence]
        canonical = json.dumps(said, ensure_ascii=False, sort_keys=True, default=dict)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def _text(self) -> Text | None:
        return self.text() if callable(self.text) else self.text


def licence_of(point: CollectionPoint) -> Licence | None:
    """The licence as the views under ``@acceptance_required`` have it; None where no view asks for it."""
    for view in current_app.view_functions.values():
        for asked, text, endpoint in getattr(view, "privacy_licences", ()):
            if asked == point.id:
                return Licence(point, text, endpoint)
    return None


def acceptance_required(
    point: str = "licence", *, text: Text | Callable[[], str] | None = None, endpoint: str | None = None
) -> Callable[[F], F]:
    """Serve a view, such as a download, only to whoever accepted the licence of this collection point.

    Anybody else is sent to the licence's page and back: to ours, which shows ``text``, or to the site's own ``endpoint``,
    which places ``{{ privacy.acceptance("licence") }}`` below it. ``text`` may be given once, by language, or by a callable;
    a change of it, of the point's notice or of ``notices.licence`` is a new version, which asks again. Without a text the
    policy itself is the licence, and each new version of it asks again.

    An acceptance is kept in a signed cookie; of somebody who is logged in, in the database of rights.
    Raises :class:`UndeclaredCollection` for a point that is not declared.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            ctx = privacy_context()
            found = notices.find_point(ctx.runtime.policy, point)
            ctx.depends_on_consent = ctx.is_private = True
            licence = Licence(found, text, endpoint)
            if is_accepted(ctx, licence):
                return current_app.ensure_sync(view)(*args, **values)
            return _ask(ctx, licence)

        asked = (point, text, endpoint)
        guarded.privacy_licences = (*getattr(view, "privacy_licences", ()), asked)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def is_accepted(ctx: PrivacyContext, licence: Licence) -> bool:
    """Whether this very version was accepted: by the account that is logged in, else in this browser."""
    version, who = licence.version(ctx.runtime.policy), current_subject()
    if not who:
        return _kept(ctx).get(licence.point.id) == version[:_SHORT]
    try:
        return ctx.runtime.rights.acceptances.has(who, licence.point.id, version)
    except (RightsUnavailable, KeyMissing) as error:  # asked again, which can be answered once it is back
        ctx.runtime.report_failure(error, tell_tests=False)
        return False


def accept(ctx: PrivacyContext, licence: Licence) -> None:
    """Let an acceptance take effect; it is on record already. Raises :class:`RightsUnavailable`."""
    policy, who = ctx.runtime.policy, current_subject()
    version = licence.version(policy)
    if who:
        ctx.runtime.rights.acceptances.add(who, licence.point.id, policy=policy.version, version=version)
    else:
        kept = _kept(ctx) | {licence.point.id: version[:_SHORT]}
        ctx.form_cookies[_COOKIE] = "&".join(f"{point}={of}" for point, of in sorted(kept.items()))


def _kept(ctx: PrivacyContext) -> dict[str, str]:
    pairs = (part.partition("=") for part in ctx.form_cookie(_COOKIE).split("&"))
    return {point: version for point, _, version in pairs if version}


def _ask(ctx: PrivacyContext, licence: Licence) -> Response:
    back = current_url(ctx) if ctx.request.method in ("GET", "HEAD") else None
    if licence.endpoint is not None:
        response = redirect(url_for(licence.endpoint, next=back))
    else:
        response = redirect(url_for(_LICENCE_PAGE, point_id=licence.point.id, next=back))
    return no_store(response)
