"""HTTP helpers that several views share: the same-origin check, local redirects, and the answers of the settings page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Request, current_app, has_request_context, jsonify, make_response, render_template, request
from werkzeug.wrappers import Response

from ..consent import proof
from ..consent.decision import Decision
from ..consent.recording import deletions, names_by_storage, stored_for, without_own_cookies
from ..errors import MailError
from ..policy.parts import Cookie
from .context import PrivacyContext, current_runtime, privacy_context
from .template_tags import nonce_attribute

# HTTP helpers: the site's address for links in mails, and what every view's answer needs.

AnyResponse = TypeVar("AnyResponse", bound=Response)

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def base_url() -> str:
    """The address of the site without a slash at its end, or nothing where it is not sure.

    ``PRIVACY_BASE_URL`` comes first. The ``Host`` of a request is whatever its sender wrote, and a link made of it would
    lead whoever gets the mail, and the token in it, to a site of that sender's. It is taken only where the app has
    ``TRUSTED_HOSTS``, where it is the one of ``SERVER_NAME``, on a loopback address, and in tests.
    """
    config, host = current_app.config, request.host
    known = bool(config.get("TRUSTED_HOSTS")) or host == config.get("SERVER_NAME") or current_app.testing
    if current_runtime().settings.base_url or not (known or host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK):
        return configured_base_url()
    return request.url_root.rstrip("/")


def configured_base_url() -> str:
    """The same, where no request is at hand: by ``PRIVACY_BASE_URL``, else by ``SERVER_NAME``."""
    config = current_app.config
    if found := current_runtime().settings.base_url:
        return found
    if not config.get("SERVER_NAME"):
        return ""
    return f"{config['PREFERRED_URL_SCHEME']}://{config['SERVER_NAME']}{config['APPLICATION_ROOT']}".rstrip("/")


def base_of_mails() -> str:
    """Where the site is; raises :class:`MailError` where that is not known."""
    base = base_url() if has_request_context() else configured_base_url()
    if not base and current_app.testing:
        return "https://localhost"
    if not base:
        raise MailError(
            'The links in a mail need a host: set PRIVACY_BASE_URL to where the site is, such as "https://shop.example".'
        )
    return base


def no_store(response: AnyResponse) -> AnyResponse:
    """Forbid every cache to keep this response, and return it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_json() -> bool:
    """Return whether the client prefers JSON to a page."""
    return request.accept_mimetypes.best == "application/json"


# Sentences of the catalogues.
SAVED = "Your choice is saved."
DECISION_NOT_FROM_HERE = "This decision did not come from a page of this site, so nothing was saved. Please choose here."
FORM_NOT_FROM_HERE = "This form did not come from a page of this site, so nothing was done. Please fill it in here."


def is_same_origin(request: Request) -> bool:
    """Whether a post was sent by a page of this very site, or by something that is no browser.

    Every browser since 2023 sends ``Sec-Fetch-Site`` on secure pages, which a page cannot forge; before that, and on
    plain HTTP, browsers send ``Origin`` with a post. So a post with neither was not sent by somebody else's page, and a
    token, which would tie each page to a session and make it uncacheable, adds nothing. (The same reasoning, and the
    same order of checks, as the CrossOriginProtection of Go's net/http.) Only hosts are compared: behind a proxy that
    ends TLS the scheme seen here may not be the browser's, and we never read X-Forwarded-*.
    """
    site = request.environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.environ.get("HTTP_ORIGIN")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:  # an address that is none
        return False


def exempt_from_csrf_protect(endpoint: str | None, values: object) -> None:
    """Exempt the extension's own pages from Flask-WTF's ``CSRFProtect``; :func:`is_same_origin` replaces it.

    A token in the banner's form would start a session for every visitor and make every page uncacheable.
    """
    csrf = current_app.extensions.get("csrf")
    if csrf is not None and hasattr(csrf, "exempt"):
        csrf.exempt(current_app.blueprints["mixamo_privacy"])


def local_path(target: str | None) -> str | None:
    """The target if it is a path of this site, else None.

    ``//host`` and ``/\\host`` lead elsewhere in browsers, which also drop tabs and newlines wherever they stand.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or not target.isprintable() or len(target) > 2000:
        return None
    return target


def problem(status: int, message: str) -> Response:
    """Answer with a message of the catalogues: as JSON, or on the settings page."""
    response: Response
    if wants_json():
        response = no_store(jsonify(message=privacy_context().language(message).text))
    else:
        response = settings_page(message, is_error=True)
    response.status_code = status
    return response


def settings_page(message: str | None, is_error: bool = False, removed: Sequence[Cookie] = ()) -> Response:
    """Render the settings page; ``removed`` lists what a withdrawal left for a script to delete."""
    ctx = privacy_context()
    page = render_template(
        "mixamo_privacy/settings.html",
        policy=ctx.runtime.policy,
        consent=ctx.consent,
        gpc=ctx.gpc,
        t=ctx.language,
        shown=proof.settings(ctx.runtime.policy, ctx.language).form_token,
        next=local_path(request.values.get("next")),
        message=message,
        is_error=is_error,
        removed=removed,
        forget=names_by_storage(removed),
        nonce=nonce_attribute(ctx),
    )
    return no_store(make_response(page))


def consent_state(ctx: PrivacyContext) -> dict[str, object]:
    """What is allowed, for a front end: of each purpose and service its state, and the purposes that are granted."""
    consent = ctx.consent
    services = {
        service.id: "granted"
        if service.id in consent.services
        else consent.states[service.purpose].replace("granted", "refused")
        for service in ctx.runtime.policy.services
    }
    granted = [purpose for purpose, state in consent.states.items() if state == "granted"]
    return {"purposes": dict(consent.states), "services": services, "granted": granted, "gpc": ctx.gpc}


def removed_before(ctx: PrivacyContext) -> list[Cookie]:
    """What the withdrawal that led here has left in the browser; nothing of a purpose that is granted all the same.

    Cookies for which the decision's answer had no room are deleted now.
    """
    policy, consent, said = ctx.runtime.policy, ctx.consent, request.args
    purposes = set(said.getlist("withdrawn")) & policy.purpose_fingerprints.keys() - consent.held
    services = set(said.getlist("without")) & policy.service_bits.keys() - consent.held_services
    left = stored_for(policy, purposes, services)
    ctx.cookie_deletions = deletions(without_own_cookies(left), request.cookies, request.host)
    return left


def withdrawal_parameters(decision: Decision) -> dict[str, Any]:
    """What such a page is told in its address."""
    return {"withdrawn": sorted(decision.withdrawn), "without": sorted(decision.withdrawn_services)}
