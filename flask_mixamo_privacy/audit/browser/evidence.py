"""Evidence: what the browser recorded, as plain facts with their places. The rules read it without a browser."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ...policy.model import Policy
from ...policy.parts import without_port


@dataclass(frozen=True, order=True)
class Visited:
    """The place of a fact: the page, the visitor's state at that time, and the login."""

    route: str  # path and query
    state: str
    login: str = ""  # "" for an anonymous visitor

    def __str__(self) -> str:
        return f"{self.route} ({self.state}{f', signed in as {self.login}' if self.login else ''})"


@dataclass(frozen=True)
class StoredItem:
    """An item stored on the device: a cookie, or an entry of a storage."""

    place: Visited
    kind: str  # as in privacy.toml: http, js, local, session, idb, cache or worker
    name: str
    host: str  # of the page or response that stored it
    third_party: bool = False  # by the Public Suffix List
    seconds: float | None = None  # lifetime of a cookie; None for a session cookie
    path: str = "/"
    secure: bool = False
    https: bool = False  # whether it was set over HTTPS

    @property
    def is_cookie(self) -> bool:
        return self.kind in ("http", "js")

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it another item: where a browser stores it, its name, and the domain of the third party, if any."""
        return "cookie" if self.is_cookie else self.kind, self.name, owner_of(self.host) if self.third_party else ""


@dataclass(frozen=True)
class RequestMade:
    """A request of any kind that a page made: script, image, beacon, frame, worker or socket."""

    place: Visited
    url: str
    host: str  # with its port, unless it is the scheme's default port
    third_party: bool
    load: str  # as in privacy.toml: script, style, image, font, frame, connect, media; or prefetch; "" for the page itself
    refused: bool = False  # by the browser, because of a Content-Security-Policy
    inside: str = ""  # host of the third-party frame that made the request, if any
    referrer: str = ""


@dataclass(frozen=True)
class RemainingItem:
    """An item that is still on the device after a withdrawal, and the page that stored it."""

    place: Visited
    kind: str
    name: str


@dataclass(frozen=True)
class Link:
    """A link to another site."""

    href: str
    noticed: bool  # whether its text, title or description states that it leads to another site
    rel: tuple[str, ...] = ()


@dataclass(frozen=True)
class Button:
    """A button as rendered."""

    area: float  # square pixels
    font: float  # pixels
    contrast: float  # of its text and the background behind it, 1 to 21 (WCAG 2)
    fill: float  # contrast of its own surface and its surroundings, 1 to 21
    order: int  # position in the Tab order; -1 if the Tab key cannot reach it
    in_view: bool


@dataclass(frozen=True)
class BannerFacts:
    """The two buttons of the banner; None for a missing one."""

    accept: Button | None
    reject: Button | None


@dataclass(frozen=True)
class PageFacts:
    """A page as rendered."""

    place: Visited
    status: int
    html: bool
    text: int = 0  # readable characters
    settings_link: bool = False
    links: tuple[Link, ...] = ()
    ticked: tuple[str, ...] = ()  # purposes and sign-ups whose box is pre-ticked
    banner: BannerFacts | None = None


@dataclass(frozen=True)
class Barrier:
    """An accessibility violation that axe-core reports."""

    place: Visited
    rule: str
    message: str
    target: str  # a selector


@dataclass(frozen=True)
class NoScriptPage:
    """A page without JavaScript, and whether a visitor can reject there."""

    place: Visited
    text: int  # readable characters
    can_reject: bool | None = None  # None if it was not tried


@dataclass
class Evidence:
    """All facts that one audit recorded."""

    host: str = ""
    root: str = ""  # the path below which the app is mounted
    names: tuple[str, ...] = ()  # other hosts of the site, from its settings
    stored: list[StoredItem] = field(default_factory=list)
    requests: list[RequestMade] = field(default_factory=list)
    remaining: list[RemainingItem] = field(default_factory=list)
    pages: list[PageFacts] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    no_script_pages: list[NoScriptPage] = field(default_factory=list)
    audit_logins: Mapping[str, str] = field(default_factory=dict)  # mail addresses by login
    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)  # optional purposes by state


# States: the decisions that a visitor can have made. Each is audited in its own browser context.

UNASKED, REJECTED, ACCEPTED, WITHDRAWN, GPC = "no choice", "rejected", "accepted", "withdrawn", "gpc"


@dataclass(frozen=True)
class State:
    """A decision, and the purposes that it grants."""

    name: str
    granted: frozenset[str]  # optional purposes
    choice: str = ""  # the button pressed: accept_all, reject_all or save
    gpc: bool = False
    then: State | None = None  # the state in which the same visitor continues


def states_of(policy: Policy) -> list[State]:
    """Return every state that the policy allows, starting with the undecided visitor."""
    every, none = frozenset(purpose.id for purpose in policy.optional), frozenset[str]()
    unasked, gpc = State(UNASKED, none), State(GPC, none, gpc=True)
    if not every:
        return [unasked, gpc]
    withdrawn = State(WITHDRAWN, none, "reject_all")
    alone = [State(f"only {name}", frozenset({name}), "save") for name in sorted(every)] if len(every) > 1 else []
    return [unasked, State(REJECTED, none, "reject_all"), State(ACCEPTED, every, "accept_all", then=withdrawn), *alone, gpc]


def state_order(name: str) -> tuple[int, str]:
    """Return the sort key of a state in reports."""
    order = (UNASKED, REJECTED, ACCEPTED, WITHDRAWN)
    return (order.index(name) if name in order else len(order) + (name == GPC), name)


def flat(states: list[State]) -> list[State]:
    """Return the states, each followed by its next state."""
    return [one for state in states for one in (state, state.then) if one is not None]


# First and third parties, by the Public Suffix List.


def is_third_party(host: str, *own: str) -> bool:
    """Return whether a host has another registrable domain than each of ``own``. Ports do not count."""
    return bool(host) and _registrable_domain(_name(host)) not in {_registrable_domain(_name(one)) for one in own}


def owner_of(host: str) -> str:
    """Return the registrable domain of a host, which one company has."""
    return _registrable_domain(_name(host))


def has_public_suffix(name: str) -> bool:
    """Return whether a name ends in a public suffix or an example domain (RFC 2606), unlike ``3.4.min.js``."""
    return name.rpartition(".")[2].lower() in ("example", "test", "invalid") or bool(_suffixes(False).privatesuffix(name))


def _name(host: str) -> str:
    return without_port(host).strip("[]")


@lru_cache(maxsize=1024)
def _registrable_domain(name: str) -> str:
    """Return the registrable domain; an IP address, a single label or a public suffix is returned unchanged."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _suffixes().privatesuffix(name) or name
    return name


@lru_cache(maxsize=2)
def _suffixes(accept_unknown: bool = True) -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=accept_unknown)
