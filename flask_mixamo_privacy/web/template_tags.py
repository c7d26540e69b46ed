"""Tags of templates: content rendered only under a grant, and links to other sites."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup, escape

from ..consent import proof
from ..errors import AddressError, UndeclaredHost
from ..policy.model import Policy
from ..policy.parts import IGNORED_IN_URLS, Service, host_of
from ..policy.ready_made import service_of_host
from ..storage.memory import BoundedCache, bounded_cache
from .context import PrivacyContext, privacy_context
from .current import current_consent
from .rendering import render
from .videos import players_of

# The tag ``{% consent "statistics" %}…{% else %}…{% endconsent %}``.


class ConsentTag(Extension):
    """Renders the part before ``{% else %}`` if the purpose is granted, otherwise the part after it.

    ``{% consent "media", service="video" %}`` requires a grant of that service too.
    """

    tags = {"consent"}  # noqa: RUF012 — Jinja requires a set

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        arguments = [parser.parse_expression()]
        if parser.stream.skip_if("comma"):
            parser.stream.expect("name:service")
            parser.stream.expect("assign")
            arguments.append(parser.parse_expression())
        body = parser.parse_statements(("name:else", "name:endconsent"))
        otherwise: list[nodes.Node] = []
        if next(parser.stream).value == "else":
            otherwise = parser.parse_statements(("name:endconsent",), drop_needle=True)
        test = self.call_method("_allows", arguments)
        return nodes.If(test, body, [], otherwise, lineno=line)

    def _allows(self, purpose: str, service: str | None = None) -> bool:
        return current_consent.allows(purpose, service)


# Links to other sites, marked for sighted visitors and for screen readers.

_LINK = Markup('<a class="mixamo-external" href="{}" rel="external noopener noreferrer">{}<span{}> ({})</span></a>')
_PLAIN = Markup('<a href="{}">{}</a>')


@bounded_cache(1024)
def checked_host(url: str, asked_by: str) -> str:
    """Return the host of an address, or the empty string for a path of this site. ``asked_by`` is named in the error.

    Raises :class:`AddressError` for any scheme except ``http`` and ``https``. Also raises it for an address in which a
    browser and ``urlsplit`` find different hosts: with a backslash, or like ``https:host`` and ``///host``.
    """
    address, host = IGNORED_IN_URLS.sub("", url), host_of(url)
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
    """Whether an address leads to another host, or is invalid. A Jinja test: ``{% if url is external %}``."""
    try:
        host = checked_host(url, "external")
    except AddressError:
        return True
    return bool(host) and not privacy_context().is_own_host(host)


def is_web_address(text: str) -> bool:
    """Whether a text is the address of a web page and nothing else. A Jinja test for texts that the site declares."""
    if not text.startswith(("https://", "http://")) or any(map(str.isspace, text)):
        return False
    try:
        return bool(checked_host(text, "web_address"))
    except AddressError:
        return False


def external_link(url: str, text: str | None = None) -> Markup:
    """Return a link, with the notice of promise 30 if it leads to another site.

    A Jinja filter: ``{{ url|external_link("Their site") }}``. Raises :class:`AddressError` for an address that is not a
    web address, such as ``javascript:``.
    """
    host = checked_host(url, "external_link")
    label = text if text is not None else host + urlsplit(url).path.rstrip("/")
    if not is_external(url):
        return _PLAIN.format(url, label)
    t = privacy_context().language
    note = t("another site, with a privacy policy of its own")
    lang = Markup(' lang="{}" dir="{}"').format(note.lang, t.dir)
    return _LINK.format(url, label, lang, note.text)


# A mail address or a web address within escaped HTML, without the punctuation that ends a sentence.
_CONTACT = re.compile(r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)|https?://[^\s<>&“”]+[^\s<>&“”.,;:!?)]")


def with_links(text: Any) -> Markup:
    """Return a text in which every mail address and web address is a link. A Jinja filter."""

    def link(match: re.Match[str]) -> str:
        found = match[0]
        if match["mail"]:
            return Markup('<a href="mailto:{}">{}</a>').format(quote(found, safe="@"), found)
        return external_link(found, found) if is_web_address(found) else found

    return Markup(_CONTACT.sub(link, str(escape(text))))  # noqa: S704 — escaped before the links are added


def add_filters(environment: Environment) -> None:
    """Add the extension's filters and tests to an environment."""
    environment.filters["external_link"] = external_link
    environment.filters["with_links"] = with_links
    environment.tests["external"] = is_external
    environment.tests["web_address"] = is_web_address


# Scripts, style sheets, frames and Google's tag.

_EMPTY = Markup()
_GOOGLE = "https://www.googletagmanager.com/gtag/js?id="
_SIGNALS = ("analytics_storage", "ad_storage", "ad_user_data", "ad_personalization")


class GatedTags:
    """The tags of one policy: a tag if its purpose and service are granted, otherwise the empty string."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.service_of = BoundedCache(self._service_of, 1024)
        self.player_of = BoundedCache(self._player_of, 1024)

    def script(self, url: str, purpose: str, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "script"):
            return _EMPTY
        return Markup("<script{}></script>").format(tag_attributes({"src": url, "nonce": ctx.nonce, **attributes}))

    def style(self, url: str, purpose: str, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "style"):
            return _EMPTY
        values = {"rel": "stylesheet", "href": url, "nonce": ctx.nonce, **attributes}
        return Markup("<link{}>").format(tag_attributes(values))

    def embed(
        self, url: str, purpose: str | None, title: str | None, attributes: dict[str, Any], slot: dict[str, str]
    ) -> Markup:
        """Return the frame, or the reason why it is not loaded, with a button that grants only its service.

        ``slot`` has the values of the template that replaces the frame.
        """
        ctx = privacy_context()
        address = self.player_of(url, purpose)
        service = self.service_of(checked_host(address, "privacy.embed"), purpose, "frame")
        title = title if title is not None else ctx.language.of(service.title, self._policy.language).text
        anchor = f"mixamo-embed-{sha256(url.encode()).hexdigest()[:8]}"
        if ctx.allows(service.purpose) and service.id in ctx.consent.services:
            values: dict[str, Any] = {"src": address, "title": title, "id": anchor, "class": "mixamo-embed-frame"}
            values |= {"loading": "lazy", "allowfullscreen": address != url}
            sheet = {"rel": "stylesheet", "href": slot["stylesheet"], "nonce": ctx.nonce}
            link = Markup("<link{}>").format(tag_attributes(sheet)) if slot["stylesheet"] else _EMPTY
            return link + Markup("<iframe{}></iframe>").format(tag_attributes(values | attributes))
        shown_text, t = proof.embed(self._policy, service, ctx.language), ctx.language
        why = proof.why_withheld(service, t)
        context = {"t": t, "title": title, "service": service, "why": why, "shown": shown_text.form_token, "anchor": anchor}
        page = render("embed.html", **context, **slot)
        return Markup(page)  # noqa: S704 — a rendered template

    def _player_of(self, url: str, purpose: str | None) -> str:
        """Return the first player of a video whose host the policy declares. Return other addresses as they are."""
        players = list(players_of(url))
        declared = (player for player in (*players, url) if self._policy.service_for(host_of(player), "frame", purpose))
        return next(declared, players[0] if players else url)

    def google_tag(self, tag_id: str, purpose: str | None, advertising: str | None, consent_mode: str) -> Markup:
        """Return Google's tag, after the script at ``consent_mode`` that sends Consent Mode's signals.

        The signals are attributes of that script, so no inline script is needed.
        """
        ctx, url = privacy_context(), _GOOGLE + quote(tag_id)
        if purpose is None:
            service = self._policy.service_for(host_of(url), "script")
            purpose = service.purpose if service is not None else "statistics"
        if not self._allows(ctx, url, purpose, "script"):
            return _EMPTY
        ads = advertising is not None and ctx.consent.allows(advertising)
        signals = {f"data-{name}": "granted" if ads or name == "analytics_storage" else "denied" for name in _SIGNALS}
        before = tag_attributes({"src": consent_mode, "nonce": ctx.nonce, "data-id": tag_id, **signals})
        tag = tag_attributes({"async_": True, "src": url, "nonce": ctx.nonce})
        return Markup("<script{}></script><script{}></script>").format(before, tag)

    def _allows(self, ctx: PrivacyContext, url: str, purpose: str, load: str) -> bool:
        allowed = ctx.allows(purpose)
        host = checked_host(url, f"privacy.{load}")
        if not host or ctx.is_own_host(host):
            return allowed
        return self.service_of(host, purpose, load).id in ctx.consent.services

    def _service_of(self, host: str, purpose: str | None, load: str) -> Service:
        """Return the first service, or that of this purpose, that declares the host. Raises :class:`UndeclaredHost`."""
        if purpose is not None:
            self._policy.purpose(purpose)
        service = self._policy.service_for(host, load, purpose)
        if service is None:
            raise UndeclaredHost(host, purpose, load, service_of_host(host, load))
        return service


def tag_attributes(values: dict[str, Any]) -> Markup:
    """Return HTML attributes. True writes a bare attribute, False and None omit it, ``data_x`` becomes ``data-x``."""
    attributes = Markup()
    for name, value in values.items():
        if value is not None and value is not False:
            name = name if name.startswith("data-") else name.rstrip("_").replace("_", "-")
            attributes += Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
    return attributes
