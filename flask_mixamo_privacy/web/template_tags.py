"""What stands in a page only once it is granted: scripts, style sheets, frames, Google's tag."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

from flask import render_template, request
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from ..consent import proof
from ..errors import AddressError, UndeclaredHost
from ..policy.model import Policy
from ..policy.parts import IGNORED, Service, host_of
from .context import PrivacyContext, current_consent, privacy_context

# ``{% consent "statistics" %}…{% else %}…{% endconsent %}``: what a template says only under a grant.


class ConsentTag(Extension):
    """The part before ``else`` is rendered where the purpose is granted, the other part where it is not.

    ``{% consent "media", service="video" %}`` asks for one of its services too.
    """

    tags = {"consent"}  # noqa: RUF012 — as Jinja asks

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        asked = [parser.parse_expression()]
        if parser.stream.skip_if("comma"):
            parser.stream.expect("name:service")
            parser.stream.expect("assign")
            asked.append(parser.parse_expression())
        body = parser.parse_statements(("name:else", "name:endconsent"))
        otherwise: list[nodes.Node] = []
        if next(parser.stream).value == "else":
            otherwise = parser.parse_statements(("name:endconsent",), drop_needle=True)
        test = self.call_method("_allows", asked)
        return nodes.If(test, body, [], otherwise, lineno=line)

    def _allows(self, purpose: str, service: str | None = None) -> bool:
        return current_consent.allows(purpose, service)


# Links to other sites, which have privacy policies of their own: told as such to eyes and to screen readers.

_LINK = Markup('<a class="privacy-external" href="{}" rel="external noopener noreferrer">{}<span{}> ({})</span></a>')
_PLAIN = Markup('<a href="{}">{}</a>')


@lru_cache(maxsize=1024)
def checked_host(url: str, asked_by: str) -> str:
    """The host of an address, empty for a path of this site.

    Raises :class:`AddressError` for another scheme than ``http`` and ``https``, and for an address that only a browser
    reads like this: with a backslash, or with a host where ``urlsplit`` finds none (``https:host``, ``///host``).
    """
    address, host = IGNORED.sub("", url), host_of(url)
    try:
        parts = urlsplit(address)
    except ValueError:
        raise AddressError(asked_by, url) from None
    if parts.scheme not in ("", "http", "https") or "\\" in parts.netloc + parts.path:
        raise AddressError(asked_by, url)
    if bool(host) != bool(parts.netloc) or (not host and (parts.scheme or address.startswith("//"))):
        raise AddressError(asked_by, url)
    return host


def is_external(url: str) -> bool:
    """Whether an address leads to another host, or to none; a Jinja test: ``{% if url is external %}``."""
    try:
        host = checked_host(url, "external")
    except AddressError:
        return True
    return bool(host) and host != request.host.lower()


def is_web_address(text: str) -> bool:
    """Whether a text is the address of a web page and nothing else: a Jinja test for words that a site chooses."""
    if not text.startswith(("https://", "http://")) or any(map(str.isspace, text)):
        return False
    try:
        return bool(checked_host(text, "web_address"))
    except AddressError:
        return False


def external_link(url: str, text: str | None = None) -> Markup:
    """A link with the notice of promise 30 where it leads away, else a plain one; a Jinja filter:
    ``{{ url|external_link("Their site") }}``.

    Raises :class:`AddressError` for an address that is no ``http`` address, such as ``javascript:``.
    """
    host = checked_host(url, "external_link")
    said = text if text is not None else host + urlsplit(url).path.rstrip("/")
    if not is_external(url):
        return _PLAIN.format(url, said)
    t = privacy_context().language
    note = t("another site, with a privacy policy of its own")
    lang = Markup(' lang="{}" dir="{}"').format(note.lang, t.dir)
    return _LINK.format(url, said, lang, note.text)


_EMPTY = Markup()
_GOOGLE = "https://www.googletagmanager.com/gtag/js?id="
_SIGNALS = ("analytics_storage", "ad_storage", "ad_user_data", "ad_personalization")


class GatedTags:
    """Decides for one policy whether something may be loaded, and writes its tag; else not a byte of it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.service_of = lru_cache(maxsize=1024)(self._service_of)

    def script(self, url: str, purpose: str, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "script"):
            return _EMPTY
        return Markup("<script{}></script>").format(tag_attributes({"src": url, "nonce": nonce(ctx), **attributes}))

    def style(self, url: str, purpose: str, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "style"):
            return _EMPTY
        values = {"rel": "stylesheet", "href": url, "nonce": nonce(ctx), **attributes}
        return Markup("<link{}>").format(tag_attributes(values))

    def embed(self, url: str, purpose: str, title: str, attributes: dict[str, Any], place: dict[str, str]) -> Markup:
        """The frame, or in its place why it is not loaded, with a button that allows its service alone."""
        ctx = privacy_context()
        service = self.service_of(checked_host(url, "privacy.embed"), purpose, "frame")
        anchor = f"privacy-embed-{sha256(url.encode()).hexdigest()[:8]}"
        if service.id in ctx.use_consent().services:
            values = {"src": url, "title": title, "id": anchor, "class": "privacy-embed-frame", "loading": "lazy"}
            sheet = {"rel": "stylesheet", "href": place["stylesheet"], "nonce": nonce(ctx)}
            first = Markup("<link{}>").format(tag_attributes(sheet)) if place["stylesheet"] else _EMPTY
            return first + Markup("<iframe{}></iframe>").format(tag_attributes(values | attributes))
        words, t = proof.embed(self._policy, service, ctx.language), ctx.language
        why = proof.why_withheld(service, t)
        said = {"t": t, "title": title, "service": service, "why": why, "shown": words.form_token, "anchor": anchor}
        page = render_template("mixamo_privacy/embed.html", **said, **place)
        return Markup(page)  # noqa: S704 — a rendered template

    def google_tag(self, tag_id: str, purpose: str, advertising: str | None, first: str) -> Markup:
        """Google's tag, with Consent Mode's four signals said before it; they need no inline script."""
        ctx, url = privacy_context(), _GOOGLE + quote(tag_id)
        if not self._allows(ctx, url, purpose, "script"):
            return _EMPTY
        ads = advertising is not None and ctx.consent.allows(advertising)
        said = {f"data-{name}": "granted" if ads or name == "analytics_storage" else "denied" for name in _SIGNALS}
        before = tag_attributes({"src": first, "nonce": nonce(ctx), "data-id": tag_id, **said})
        tag = tag_attributes({"async_": True, "src": url, "nonce": nonce(ctx)})
        return Markup("<script{}></script><script{}></script>").format(before, tag)

    def _allows(self, ctx: PrivacyContext, url: str, purpose: str, load: str) -> bool:
        allowed = ctx.use_consent().allows(purpose)
        host = checked_host(url, f"privacy.{load}")
        if not host or host == ctx.request.host:
            return allowed
        return self.service_of(host, purpose, load).id in ctx.consent.services

    def _service_of(self, host: str, purpose: str, load: str) -> Service:
        """The service of this purpose that declares the host; raises :class:`UndeclaredHost`."""
        self._policy.purpose(purpose)
        service = self._policy.service_for(host, load, purpose)
        if service is None:
            raise UndeclaredHost(host, purpose, load)
        return service


def nonce(ctx: PrivacyContext) -> str | None:
    """The nonce that the site's own Content-Security-Policy asks of scripts in this response, if it has one."""
    setting = ctx.runtime.settings.csp_nonce
    found = setting() if setting is not None else getattr(ctx.request, "csp_nonce", None)  # where Flask-Talisman keeps it
    return str(found) if found else None


def nonce_attribute(ctx: PrivacyContext) -> Markup:
    """`` nonce="…"`` where the site's policy asks for one, else nothing."""
    found = nonce(ctx)
    return Markup(' nonce="{}"').format(found) if found else _EMPTY


def tag_attributes(values: dict[str, Any]) -> Markup:
    """HTML attributes; True is a bare one, False and None leave it out, ``data_x`` is ``data-x``."""
    found = Markup()
    for name, value in values.items():
        if value is not None and value is not False:
            name = name if name.startswith("data-") else name.rstrip("_").replace("_", "-")
            found += Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
    return found
