"""Licences: ``@acceptance_required("licence")`` serves a download only after the visitor accepted its licence."""

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
from .cookies import LONGEST_FORM_TEXT
from .http import no_store, problem_json, wants_json
from .view_marks import decorate_view, find_marks

F = TypeVar("F", bound=Callable[..., Any])

_LICENCE_PAGE = "mixamo_privacy.licence"

_COOKIE = "privacy_licence"
_SHORT = 16  # characters of a version in the cookie; the cookie is signed, so a prefix suffices


@dataclass(frozen=True)
class Licence:
    """The licence of one collection point. ``endpoint`` is the site's own page for it, if any."""

    point: CollectionPoint
    text: Text | Callable[[], str] | None = None
    endpoint: str | None = None

    def localized_text(self, policy: Policy, t: Language) -> LocalizedText:
        """The licence text in the visitor's language, or in the site's language if it is not translated."""
        declared = policy.notices.licence
        return t.of(self._text or (declared if not isinstance(declared, bool) else ""), policy.language)

    def version(self, policy: Policy) -> str:
        """The digest of everything that a visitor accepts.

        A licence without its own text is the policy itself; then the policy's version is part of the digest.
        """
        accepted = [self.point.id, self._text or policy.version, self.point.notice, policy.notices.licence]
        canonical = json.dumps(accepted, ensure_ascii=False, sort_keys=True, default=dict)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def _text(self) -> Text | None:
        return self.text() if callable(self.text) else self.text


def licence_of(point: CollectionPoint) -> Licence | None:
    """Return the licence as declared by a view's ``@acceptance_required``; None if no view requires it."""
    for view in current_app.view_functions.values():
        for _, requirements in find_marks(view, "privacy_licences"):
            for point_id, text, endpoint in requirements:
                if point_id == point.id:
                    return Licence(point, text, endpoint)
    return None


def acceptance_required(
    point: str = "licence", *, text: Text | Callable[[], str] | None = None, endpoint: str | None = None
) -> Callable[[F], F]:
    """Serve a view, such as a download, only to visitors who accepted the licence of this collection point.

    Other visitors are redirected to the licence's page, and back after they accept. The built-in page shows ``text``.
    The site's own page, ``endpoint``, shows the text itself and ``{{ privacy.acceptance("licence") }}`` below it.
    A client that prefers JSON gets 403 as ``application/problem+json``, with ``licence`` and ``licence_url``.

    ``text`` is a text, a mapping by language, or a callable that returns one of them. A change of it, of the point's
    notice or of ``notices.licence`` creates a new version, which must be accepted again. Without ``text`` the policy
    itself is the licence, so each new version of the policy must be accepted.

    A visitor's acceptance is stored in a signed cookie, that of a logged-in user in the rights database.
    Raises :class:`UndeclaredCollection` for a point that is not declared.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            ctx = privacy_context()
            declared_point = notices.find_point(ctx.runtime.policy, point)
            ctx.depends_on_consent = ctx.is_private = True
            licence = Licence(declared_point, text, endpoint)
            if is_accepted(ctx, licence):
                return current_app.ensure_sync(view)(*args, **values)
            return _ask_for_acceptance(ctx, licence)

        requirement = (point, text, endpoint)
        guarded.privacy_licences = (*getattr(view, "privacy_licences", ()), requirement)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return lambda view: decorate_view(view, decorate, "@acceptance_required")


def is_accepted(ctx: PrivacyContext, licence: Licence) -> bool:
    """Whether the logged-in user, or else this browser, accepted the current version of the licence."""
    version, subject = licence.version(ctx.runtime.policy), current_subject()
    if not subject:
        return _accepted_in_browser(ctx).get(licence.point.id) == version[:_SHORT]
    try:
        return ctx.runtime.rights.acceptances.has(subject, licence.point.id, version)
    except (RightsUnavailable, KeyMissing) as error:  # ask again; the visitor can accept once the database or key is back
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return False


def accept(ctx: PrivacyContext, licence: Licence) -> None:
    """Store an acceptance that the ledger has recorded. Raises :class:`RightsUnavailable`."""
    policy, subject = ctx.runtime.policy, current_subject()
    version = licence.version(policy)
    if subject:
        ctx.runtime.rights.acceptances.add(subject, licence.point.id, policy=policy.version, version=version)
    else:
        versions = _with_version(policy, _accepted_in_browser(ctx), licence.point.id, version[:_SHORT])
        ctx.set_form_cookie(_COOKIE, versions)


def _with_version(policy: Policy, versions: dict[str, str], point: str, version: str) -> str:
    """Return the text of the cookie with this version too.

    If the cookie has no room for all, it loses the versions of undeclared points first, and then some of the others.
    """
    declared = {declared_point.id for declared_point in policy.collection}
    pairs = {other: f"{other}={accepted}" for other, accepted in (versions | {point: version}).items()}
    length = sum(map(len, pairs.values())) + len(pairs)
    for other in sorted(pairs.keys() - {point}, key=lambda other: other in declared):
        if length <= LONGEST_FORM_TEXT:
            break
        length -= len(pairs.pop(other)) + 1
    return "&".join(pair for _, pair in sorted(pairs.items()))


def _accepted_in_browser(ctx: PrivacyContext) -> dict[str, str]:
    """Return the accepted versions in this browser's cookie, by collection point."""
    pairs = (part.partition("=") for part in ctx.form_cookie(_COOKIE).split("&"))
    return {point: version for point, _, version in pairs if version}


# A sentence of the catalogues.
NOT_ACCEPTED = "Accept the licence to download this file."


def _ask_for_acceptance(ctx: PrivacyContext, licence: Licence) -> Response:
    back = current_url(ctx) if ctx.request.method in ("GET", "HEAD") else None
    if licence.endpoint is not None:
        url = url_for(licence.endpoint, next=back)
    else:
        url = url_for(_LICENCE_PAGE, point_id=licence.point.id, next=back)
    if wants_json():
        return problem_json(403, ctx.language(NOT_ACCEPTED).text, licence=licence.point.id, licence_url=url)
    return no_store(redirect(url))
