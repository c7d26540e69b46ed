"""HTTP helpers that views share: base URL, same-origin check, local redirects and the settings page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv6Address
from typing import Any, NoReturn, TypeVar
from urllib.parse import urldefrag, urlsplit

from flask import Request, current_app, has_request_context, jsonify, make_response, redirect, request, url_for
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import default_exceptions
from werkzeug.http import HTTP_STATUS_CODES, parse_accept_header
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.wrappers import Response

from ..consent import proof
from ..consent.decision import Decision
from ..consent.recording import deletions, names_by_storage, stored_for, without_own_cookies
from ..errors import MailError
from ..policy.parts import Cookie, Service, own_cookie_name
from .context import PrivacyContext, current_request, current_runtime, privacy_context
from .csp import OWN_PAGE
from .other_extensions import extension_of
from .rendering import render

AnyResponse = TypeVar("AnyResponse", bound=Response)

_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LABELS = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?", re.ASCII | re.IGNORECASE)
_LONGEST_HOST = 254  # characters of a name with its last dot; RFC 1035, 2.3.4
_LONGEST_ACCEPT = 1000  # characters
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def host_name(host: str) -> str | None:
    """Return the name of a ``Host`` header without its port; None if it is odd.

    Werkzeug before 3.1.9 lets pass ``localhost:80@evil.example``, which opens another site as part of a URL. A name has
    ASCII letters (RFC 9110, 7.2; RFC 3986, 3.2.2), or is an IP address. A port is a number up to 65535.
    """
    shape = _HOST.fullmatch(host)
    if shape is None or int(shape[2] or 0) > 65535 or len(shape[1]) > _LONGEST_HOST:
        return None
    name: str = shape[1]
    if not name.startswith("["):
        return name if _LABELS.fullmatch(name) else None
    try:
        IPv6Address(name[1:-1])
    except ValueError:
        return None
    return name


def base_url() -> str:
    """Return the site's URL without a trailing slash, or an empty text if it is not known for sure.

    ``PRIVACY_BASE_URL`` comes first. A client can forge ``Host``. A link made of it would lead a mail's recipient, and
    the link's token, to another site. So ``Host`` counts only if it is checked by ``TRUSTED_HOSTS``, equals
    ``SERVER_NAME``, is a loopback address in debug mode, and in tests.
    """
    if current_runtime().settings.base_url or not _is_known(request.host):
        return configured_base_url()
    return request.url_root.rstrip("/")


def _is_known(host: str) -> bool:
    config, name = current_app.config, host_name(host)
    if name is None:
        return False
    trusted = config.get("TRUSTED_HOSTS")  # Flask before 3.1 does not check it
    if trusted and host_is_trusted(host, trusted):
        return True
    is_local = current_app.debug and name.lower() in _LOOPBACK
    return host == config.get("SERVER_NAME") or current_app.testing or is_local


def configured_base_url() -> str:
    """Return the site's URL from ``PRIVACY_BASE_URL``, or else from ``SERVER_NAME``; empty if both are unset."""
    runtime = current_runtime()
    return runtime.root_url if runtime.settings.base_url or current_app.config["SERVER_NAME"] else ""


def base_of_mails() -> str:
    """Return the site's URL for links in mails; raises :class:`MailError` if it is unknown."""
    base = base_url() if has_request_context() else configured_base_url()
    if not base and current_app.testing:
        return "https://localhost"
    if not base:
        raise MailError(
            "The links in a mail need the site's host, which is unknown. "
            'Set PRIVACY_BASE_URL to the URL of the site, such as "https://shop.example".'
        )
    return base


def no_store(response: AnyResponse) -> AnyResponse:
    """Forbid every cache to keep this response, and return it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def to_new_document(target: str) -> Response:
    """Redirect after a decision. htmx would swap the page into the document in which withdrawn services still run."""
    if "HX-Request" in request.headers:
        return no_store(current_app.response_class(headers={"HX-Redirect": urldefrag(target).url}))
    return no_store(redirect(target, 303))


def accepted_types() -> MIMEAccept:
    """Return the media types of ``Accept``, which is cut to the length of any browser's: Werkzeug takes quadratic time."""
    return parse_accept_header(request.environ.get("HTTP_ACCEPT", "")[:_LONGEST_ACCEPT], MIMEAccept)


def wants_json() -> bool:
    """Return whether the client prefers JSON to a page."""
    best = next((name for name, quality in accepted_types() if quality > 0), "")  # q=0 refuses a type
    return best == "application/json" or (best.startswith("application/") and best.endswith("+json"))


def problem_json(status: int, detail: str, **members: Any) -> Response:
    """Return an error as ``application/problem+json`` (RFC 9457). ``members`` are further members of the object.

    ``message`` repeats the detail, because answers without an error have that member too.
    """
    title = HTTP_STATUS_CODES[status]
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, message=detail, **members)
    response.status_code, response.content_type = status, "application/problem+json"
    return no_store(response)


def abort_with(status: int, detail: str | None = None) -> NoReturn:
    """Abort the request as :func:`flask.abort` does. A client that prefers JSON gets a problem, unless the site answers."""
    error = default_exceptions[status](detail)
    if has_request_context() and wants_json():
        error.response = problem_json(status, error.description or "")
    raise error


def consent_url() -> str:
    """Return the URL, without its host, of the page for the visitor's consent."""
    return url_for("mixamo_privacy.settings")


# Sentences of the catalogues.
SAVED = "Your choice is saved."
DECISION_NOT_FROM_HERE = "This decision did not come from a page of this site, so nothing was saved. Please choose here."
FORM_NOT_FROM_HERE = "This form did not come from a page of this site, so nothing was done. Please fill it in here."


def is_same_origin(request: Request) -> bool:
    """Return whether a POST comes from a page of this site, or from a client that is not a browser.

    Every browser since 2023 sends ``Sec-Fetch-Site`` on secure pages, and a page cannot forge it. Older browsers, and
    all browsers on plain HTTP, send ``Origin`` with a POST. So a POST with neither header comes from no other site's
    page. A token would add nothing, and it would tie each page to a session and make it uncacheable. Go's
    ``CrossOriginProtection`` in net/http makes the same checks in the same order.

    Only hosts are compared. Behind a proxy that ends TLS our scheme may differ from the browser's, and we never read
    ``X-Forwarded-*``. Behind a proxy that changes ``Host``, the host of ``PRIVACY_BASE_URL`` is this site's too.
    """
    fetch_site = request.environ.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    origin = request.environ.get("HTTP_ORIGIN")
    try:
        own = request.host if host_name(request.host) is not None else None
        return origin is None or urlsplit(origin).netloc in (own, _configured_host())
    except ValueError:  # an invalid URL
        return False


def is_cross_site(request: Request) -> bool:
    """Return whether a form comes from a page of another site, and certainly not from this site or a subdomain of it."""
    fetch_site: str | None = request.environ.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site == "cross-site"
    return not (is_same_origin(request) or hides_origin(request))


def _configured_host() -> str | None:
    base = current_runtime().settings.base_url
    return urlsplit(base).netloc if base else None


def hides_origin(request: Request) -> bool:
    """Return whether a browser that sends no ``Sec-Fetch-Site`` also hides the origin of a POST.

    It sends ``Origin: null`` from a page of this site under ``Referrer-Policy: no-referrer``, and from another site's page
    that has the same policy or a sandbox. Such a post may refuse, withdraw and erase, but grants only with a form token.
    """
    environ = request.environ
    return "HTTP_SEC_FETCH_SITE" not in environ and environ.get("HTTP_ORIGIN") == "null"


def is_in_frame(request: Request) -> bool:
    """Return whether a browser sends a form from a frame. A page of another site may have placed it below the pointer.

    ``banner.js`` sends no request of its own from a frame that another origin shows.
    """
    return request.environ.get("HTTP_SEC_FETCH_DEST") in ("iframe", "frame", "embed", "object", "fencedframe")


def form_token(ctx: PrivacyContext) -> str:
    """Return the token of a form on an uncacheable page, made of the visitor's consent cookie; empty without a valid one.

    The cookie is SameSite=Lax, so a browser never sends it with a post from another site.
    """
    if ctx.consent.record is None:
        return ""
    raws = ctx.sent(ctx.cookies.names.consent)
    valid = (raw for raw in raws if ctx.cookies.consent([raw], ctx.today, ctx.gpc).record is not None)
    return ctx.cookies.form_token(next(valid, ""))


def exempt_from_csrf_protect(endpoint: str | None, values: object) -> None:
    """Exempt the extension's own pages from Flask-WTF's ``CSRFProtect``; :func:`is_same_origin` replaces it.

    A token in the banner's form would start a session for every visitor and make every page uncacheable.
    """
    csrf = extension_of(current_app, "csrf", "flask_wtf") if "csrf" in current_app.extensions else None
    if csrf is not None:
        csrf.exempt(current_app.blueprints["mixamo_privacy"])


def mark_own_page() -> None:
    """Mark the response to this request as a page of the extension's own, which no other site may frame."""
    current_request().environ[OWN_PAGE] = True


def local_path(target: str | None) -> str | None:
    """Return the target if it is a path of this site, else None.

    Browsers take ``//host`` and ``/\\host`` for another site, and drop tabs and newlines anywhere in a URL.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or not target.isprintable() or len(target) > 2000:
        return None
    return target


def problem(status: int, message: str) -> Response:
    """Return an error response with a message of the catalogues: as JSON, or on the settings page."""
    if wants_json():
        return problem_json(status, privacy_context().language(message).text, consent_url=consent_url())
    response = settings_page(message, is_error=True)
    response.status_code = status
    return response


def settings_page(message: str | None, is_error: bool = False, removed: Sequence[Cookie] = ()) -> Response:
    """Render the settings page. ``removed`` are the items of withdrawn purposes, for a script to delete."""
    ctx = privacy_context()
    page = render(
        "settings.html",
        policy=ctx.runtime.policy,
        stored_names=partial(_stored_names, ctx),
        facts=partial(_service_facts, ctx),
        consent=ctx.consent,
        gpc=ctx.gpc,
        t=ctx.language,
        shown=proof.settings(ctx.runtime.policy, ctx.language).form_token,
        token=form_token(ctx),
        next=local_path(_parsed_values(request).get("next")),
        message=message,
        is_error=is_error,
        removed=removed,
        forget=names_by_storage(removed),
        nonce=ctx.nonce_attribute,
    )
    return no_store(make_response(page))


def _parsed_values(request: Request) -> Any:
    """Return the query, and the form if the view has parsed it. The form of another site's page is never parsed."""
    return request.values if "form" in vars(request) else request.args


def _stored_names(ctx: PrivacyContext, purpose: str) -> list[str]:
    """Return the names under which a browser stores the cookies of a purpose."""
    beginning = ctx.runtime.settings.cookie_name
    return [own_cookie_name(cookie.name, beginning) for cookie in ctx.runtime.policy.cookies_of(purpose)]


def _service_facts(ctx: PrivacyContext, service: Service) -> list[str]:
    """Return the company, the hosts and the cookies of a service, one line each. Empty if none is declared."""
    from ..policy.data_sections import lifetime_of  # these modules write the policy page, which few requests need
    from ..policy.sharing_sections import loaded

    t = ctx.language
    if not (service.company or service.country or service.use):
        return []
    country = t.country(service.country) if service.country else ""
    recipient = ", ".join(filter(None, (service.company, country)))
    lines = [*filter(None, [recipient]), f"{t.names(loaded(t, service))}: {', '.join(service.hosts)}"]
    cookies = [cookie for cookie in ctx.runtime.policy.cookies if cookie.service == service.id]
    stored = [f"{cookie.name} ({lifetime_of(t, cookie)})" for cookie in cookies]
    return [*lines, f"{t('Cookies')}: {', '.join(stored)}"] if stored else lines


def consent_state(ctx: PrivacyContext) -> dict[str, object]:
    """Return the consent for a front end: the state of each purpose and service, and the granted purposes."""
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
    """Return the declared items of the purposes and services withdrawn before this page, unless granted by now.

    Also deletes the cookies for which the response to the decision had no room.
    """
    policy, consent, query = ctx.runtime.policy, ctx.consent, request.args
    purposes = set(query.getlist("withdrawn")) & policy.purpose_fingerprints.keys() - consent.held
    services = set(query.getlist("without")) & policy.service_bits.keys() - consent.held_services
    items = stored_for(policy, purposes, services)
    ctx.cookie_deletions = deletions(without_own_cookies(items), request.cookies, ctx.cookie_host)
    return items


def withdrawal_parameters(decision: Decision) -> dict[str, Any]:
    """Return the query parameters that :func:`removed_before` reads."""
    return {"withdrawn": sorted(decision.withdrawn), "without": sorted(decision.withdrawn_services)}
