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
from ..policy.ready_made import services_of_host
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
_GOOGLE_HOST = "www.googletagmanager.com"
_GOOGLE = f"https://{_GOOGLE_HOST}/gtag/js?id="
_SIGNALS = ("analytics_storage", "ad_storage", "ad_user_data", "ad_personalization")


class GatedTags:
    """The tags of one policy: a tag if its purpose and services are granted, otherwise the empty string.

    Several services may declare one host. A load from it may reach any of these, so all must be granted, unless the template
    names the one it means.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.services_of = BoundedCache(self._services_of, 1024)
        self.player_of = BoundedCache(self._player_of, 1024)

    def script(self, url: str, purpose: str, service: str | None, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "script", service):
            return _EMPTY
        return Markup("<script{}></script>").format(tag_attributes({"src": url, "nonce": ctx.nonce, **attributes}))

    def style(self, url: str, purpose: str, service: str | None, attributes: dict[str, Any]) -> Markup:
        ctx = privacy_context()
        if not self._allows(ctx, url, purpose, "style", service):
            return _EMPTY
        values = {"rel": "stylesheet", "href": url, "nonce": ctx.nonce, **attributes}
        return Markup("<link{}>").format(tag_attributes(values))

    def embed(
        self,
        url: str,
        purpose: str | None,
        service_id: str | None,
        title: str | None,
        attributes: dict[str, Any],
        slot: dict[str, str],
    ) -> Markup:
        """Return the frame, or the reason why it is not loaded, with a button that grants only its service.

        If several services must be granted, the button grants the first one that is not, and the next page the next one.
        ``slot`` has the values of the template that replaces the frame.
        """
        ctx = privacy_context()
        address = self.player_of(url, purpose, service_id)
        services = self.services_of(checked_host(address, "privacy.embed"), purpose, "frame", service_id)
        withheld = [service for service in services if not _is_granted(ctx, service)]
        service = next(iter(withheld), services[0])
        title = title if title is not None else ctx.language.of(service.title, self._policy.language).text
        anchor = f"mixamo-embed-{sha256(url.encode()).hexdigest()[:8]}"
        if not withheld:
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

    def _player_of(self, url: str, purpose: str | None, service: str | None) -> str:
        """Return the first player of a video whose host the policy declares. Return other addresses as they are."""
        players = list(players_of(url))
        declared = (player for player in (*players, url) if self._declaring(host_of(player), purpose, "frame", service))
        return next(declared, players[0] if players else url)

    def google_tag(
        self, tag_id: str, purpose: str | None, service: str | None, advertising: str | None, consent_mode: str
    ) -> Markup:
        """Return Google's tag, after the script at ``consent_mode`` that sends Consent Mode's signals.

        The signals are attributes of that script, so no inline script is needed.
        """
        ctx, url = privacy_context(), _GOOGLE + quote(tag_id)
        product = "google-tag-manager" if tag_id.upper().startswith("GTM-") else "google-analytics"
        services = self.services_of(_GOOGLE_HOST, purpose, "script", service, product)
        if not all(_is_granted(ctx, one) for one in services):
            return _EMPTY
        ads = advertising is not None and ctx.consent.allows(advertising)
        signals = {f"data-{name}": "granted" if ads or name == "analytics_storage" else "denied" for name in _SIGNALS}
        before = tag_attributes({"src": consent_mode, "nonce": ctx.nonce, "data-id": tag_id, **signals})
        tag = tag_attributes({"async_": True, "src": url, "nonce": ctx.nonce})
        return Markup("<script{}></script><script{}></script>").format(before, tag)

    def _allows(self, ctx: PrivacyContext, url: str, purpose: str, load: str, service: str | None) -> bool:
        allowed = ctx.allows(purpose)
        host = checked_host(url, f"privacy.{load}")
        if not host or ctx.is_own_host(host):
            return (service is None or self._policy.service(service).id in ctx.consent.services) and allowed
        return all(one.id in ctx.consent.services for one in self.services_of(host, purpose, load, service))

    def _services_of(
        self, host: str, purpose: str | None, load: str, service: str | None = None, product: str | None = None
    ) -> tuple[Service, ...]:
        """Return the services that must be granted for a load. ``product`` is the ready-made service meant, if known.

        Raises :class:`UndeclaredHost`, :class:`UndeclaredPurpose` and :class:`UndeclaredService`.
        """
        if purpose is not None:
            self._policy.purpose(purpose)
        if service is not None:
            self._policy.service(service)
        if found := self._declaring(host, purpose, load, service):
            return tuple(one for one in found if product in (one.use, one.id)) or found
        raise UndeclaredHost(host, purpose, load, service, self._next_step(host, purpose, load, product))

    def _declaring(self, host: str, purpose: str | None, load: str, service: str | None) -> tuple[Service, ...]:
        found = self._policy.services_for(host, load, purpose)
        return found if service is None else tuple(one for one in found if one.id == service)

    def _next_step(self, host: str, purpose: str | None, load: str, product: str | None) -> str:
        """Return what to change for an undeclared load: an argument, a table of privacy.toml, or a new table."""
        if declared := self._policy.services_for(host, load):
            named = (f'service="{one.id}" and purpose="{one.purpose}"' for one in declared)
            return f"Pass the service that declares it: {', or '.join(named)}."
        if covering := self._policy.services_for(host, "", purpose) or self._policy.services_for(host):
            loads = ", ".join(f'"{kind}"' for kind in (*covering[0].loads, load))
            return f"In privacy.toml, write loads = [{loads}] into the table of the service {covering[0].id!r}."
        known = {one.id for one in self._policy.services}
        uses = [name for name in ([product] if product else services_of_host(host, load)) if name not in known]
        table = _use_table(uses, purpose) if uses else _own_table(host, purpose, load)
        return f"Load it from one of these, or add to privacy.toml:\n\n[[services]]\n{table}"


def _use_table(uses: list[str], purpose: str | None) -> str:
    others = f"  # or {', '.join(uses[1:])}" if uses[1:] else ""
    return f'use = "{uses[0]}"{others}\n' + (f'purpose = "{purpose}"\n' if purpose else "")


def _own_table(host: str, purpose: str | None, load: str) -> str:
    name = host.partition(":")[0].replace(".", "-")
    values = f'id = "{name}"\ntitle = "…"\npurpose = "{purpose or "…"}"\nhosts = ["{host}"]\n'
    return f'{values}loads = ["{load}"]\nlink = "https://…"\n'


def _is_granted(ctx: PrivacyContext, service: Service) -> bool:
    return ctx.allows(service.purpose) and service.id in ctx.consent.services


def tag_attributes(values: dict[str, Any]) -> Markup:
    """Return HTML attributes. True writes a bare attribute, False and None omit it, ``data_x`` becomes ``data-x``."""
    attributes = Markup()
    for name, value in values.items():
        if value is not None and value is not False:
            name = name if name.startswith("data-") else name.rstrip("_").replace("_", "-")
            attributes += Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
    return attributes
