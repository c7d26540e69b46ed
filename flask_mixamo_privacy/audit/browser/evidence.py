"""What a browser showed: plain facts, each with its place. Rules turn them into findings; no browser is needed for that."""

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
    """Where something was seen: the page, what the visitor had answered by then, and who was signed in."""

    route: str  # path and query
    state: str
    login: str = ""  # "" for nobody

    def __str__(self) -> str:
        return f"{self.route} ({self.state}{f', signed in as {self.login}' if self.login else ''})"


@dataclass(frozen=True)
class StoredItem:
    """Something that was put on the device: a cookie, or an entry of a storage."""

    place: Visited
    kind: str  # as in privacy.toml: http, js, local, session, idb, cache or worker
    name: str
    host: str  # whose page or answer put it there
    third: bool = False  # whether that is another site, by the Public Suffix List
    seconds: float | None = None  # of a cookie: how long it is to live; None ends with the browser
    path: str = "/"
    secure: bool = False
    https: bool = False  # whether it came over HTTPS

    @property
    def is_cookie(self) -> bool:
        return self.kind in ("http", "js")


@dataclass(frozen=True)
class RequestMade:
    """A request that a page made, of whatever kind: for a script, a picture, by a beacon, a frame, a worker, a socket."""

    place: Visited
    url: str
    host: str  # with its port, where it is not the scheme's own
    third: bool
    load: str  # as in privacy.toml: script, style, image, font, frame, connect, media; or prefetch; "" for the page itself
    refused: bool = False  # by the browser, because of a Content-Security-Policy
    inside: str = ""  # the other site's host whose frame asked, if one did
    referrer: str = ""


@dataclass(frozen=True)
class RemainingItem:
    """What was still on the device after the withdrawal's answer, and the page that had put it there."""

    place: Visited
    kind: str
    name: str


@dataclass(frozen=True)
class Link:
    """A link to another site."""

    href: str
    noticed: bool  # whether eyes and screen readers are told that it leads to another site
    rel: tuple[str, ...] = ()


@dataclass(frozen=True)
class Button:
    """A button as it is shown."""

    area: float  # square pixels
    font: float  # pixels
    contrast: float  # of its text with what lies behind it, 1 to 21 (WCAG 2)
    fill: float  # of its own surface with what lies around it, 1 to 21
    order: int  # its turn when one goes by the Tab key; -1 is never
    in_view: bool


@dataclass(frozen=True)
class BannerFacts:
    """The banner's two answers, where both are there."""

    accept: Button | None
    reject: Button | None


@dataclass(frozen=True)
class PageFacts:
    """A page as the browser showed it."""

    place: Visited
    status: int
    html: bool
    text: int = 0  # characters to be read
    settings_link: bool = False
    links: tuple[Link, ...] = ()
    ticked: tuple[str, ...] = ()  # purposes and sign-ups whose box was ticked beforehand
    banner: BannerFacts | None = None


@dataclass(frozen=True)
class Barrier:
    """Something that axe-core says keeps people out."""

    place: Visited
    rule: str
    says: str
    target: str  # a selector


@dataclass(frozen=True)
class Plain:
    """A page without JavaScript, and whether an answer could be given there."""

    place: Visited
    text: int
    answered: bool | None = None  # None where it was not tried


@dataclass
class Evidence:
    """Everything that one audit saw."""

    host: str = ""
    root: str = ""  # the path below which the app is mounted
    names: tuple[str, ...] = ()  # other hosts under which the settings say that the site is found
    written: list[StoredItem] = field(default_factory=list)
    asked: list[RequestMade] = field(default_factory=list)
    left: list[RemainingItem] = field(default_factory=list)
    pages: list[PageFacts] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    plain: list[Plain] = field(default_factory=list)
    audit_logins: Mapping[str, str] = field(default_factory=dict)  # by login, the mail address
    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by state, the optional purposes


# What a visitor may have answered: each is looked at in a browser of its own.

UNASKED, REJECTED, ACCEPTED, WITHDRAWN, GPC = "no choice", "rejected", "accepted", "withdrawn", "gpc"


@dataclass(frozen=True)
class State:
    """An answer, and what it allows."""

    name: str
    granted: frozenset[str]  # optional purposes
    choice: str = ""  # the button pressed: accept_all, reject_all or save
    gpc: bool = False
    then: State | None = None  # what the same visitor answers afterwards


def states_of(policy: Policy) -> list[State]:
    """Every answer that the policy leaves room for, the one not given first."""
    every, none = frozenset(purpose.id for purpose in policy.optional), frozenset[str]()
    unasked, gpc = State(UNASKED, none), State(GPC, none, gpc=True)
    if not every:
        return [unasked, gpc]
    withdrawn = State(WITHDRAWN, none, "reject_all")
    alone = [State(f"only {name}", frozenset({name}), "save") for name in sorted(every)] if len(every) > 1 else []
    return [unasked, State(REJECTED, none, "reject_all"), State(ACCEPTED, every, "accept_all", then=withdrawn), *alone, gpc]


def state_order(name: str) -> tuple[int, str]:
    """The order in which states are told."""
    order = (UNASKED, REJECTED, ACCEPTED, WITHDRAWN)
    return (order.index(name) if name in order else len(order) + (name == GPC), name)


def flat(states: list[State]) -> list[State]:
    """The states with those that follow them."""
    return [one for state in states for one in (state, state.then) if one is not None]


# Whose a host is: this site's, or another's, by the Public Suffix List.


def is_third(host: str, *own: str) -> bool:
    """Whether a host belongs to another site than all of ``own`` do. Ports make no other site."""
    return bool(host) and _site_of(_name(host)) not in {_site_of(_name(one)) for one in own}


def is_listed(name: str) -> bool:
    """Whether a name ends like one of the Internet, or like one that is kept for examples (RFC 2606): not ``3.4.min.js``."""
    return name.rpartition(".")[2].lower() in ("example", "test", "invalid") or bool(_list(False).privatesuffix(name))


def _name(host: str) -> str:
    return without_port(host).strip("[]")


@lru_cache(maxsize=1024)
def _site_of(name: str) -> str:
    """The domain that somebody registered; an address, a lone word or a public suffix stands for itself."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _list().privatesuffix(name) or name
    return name


@lru_cache(maxsize=2)
def _list(accept_unknown: bool = True) -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=accept_unknown)
