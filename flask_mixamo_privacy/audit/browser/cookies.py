"""What is stored, against what is declared to be: whether at all, for how long, and as what."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from ...policy.period import Period
from ...policy.policy import Cookie
from ...storage.moments import DAY
from .evidence import Evidence, Written
from .finding import Told

_WHERE = {
    "http": "a cookie in an answer of {}",
    "js": "a cookie that a script sets, on a page of {}",
    "local": "an entry of local storage, of {}",
    "session": "an entry of session storage, of {}",
    "idb": "a database in IndexedDB, of {}",
    "cache": "a cache of Cache Storage, of {}",
    "worker": "a service worker, of {}",
}
_SLACK = DAY  # seconds: a month is no exact number of days


def cookies(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for written in evidence.written:
        cookie = policy.cookie(written.name, written.kind)
        if cookie is None:
            yield Told("used-not-declared", written.name, written.place, _where(written, evidence.host), "cookies")
            continue
        if longer := _longer(written, cookie):
            key = f"cookies.{cookie.name}.lifetime"
            yield Told("lifetime-longer-than-declared", cookie.name, written.place, longer, key)
        for what, says in _mismatches(written, cookie, evidence.root):
            yield Told("flag-mismatch", cookie.name, written.place, says, f"cookies.{cookie.name}.{what}")


def _where(written: Written, own: str) -> str:
    said = _WHERE[written.kind].format("this site" if written.host == own else written.host)
    return f"{said[0].upper()}{said[1:]}."


def _longer(written: Written, cookie: Cookie) -> str:
    """How much longer it lives than it is said to, or ""."""
    if not written.is_cookie:
        stays = written.kind != "session" and cookie.lifetime == "session"
        return f"Declared to end with the browser; it is in {written.kind} storage, which stays." if stays else ""
    if written.seconds is None:
        return ""
    days = written.seconds / DAY
    if cookie.lifetime == "session":
        return f"Declared to end with the browser; set for {_days(days)}."
    most = Period.parse(cookie.lifetime).days
    return f"Declared for {cookie.lifetime}; set for {_days(days)}." if written.seconds > most * DAY + _SLACK else ""


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.1f} hours"


def _mismatches(written: Written, cookie: Cookie, root: str) -> Iterator[tuple[str, str]]:
    party = "third" if written.third else "first"
    if party != cookie.party:
        yield "party", f'Declared with party = "{cookie.party}"; {written.host} sets it, which is {party} party here.'
    if not written.is_cookie:
        return
    if written.kind == "js" and cookie.kind == "http":
        yield "kind", 'Declared with kind = "http"; a script sets it, so that every script can read it.'
    if written.path not in (cookie.path, root if cookie.path == "/" else cookie.path) and not written.third:
        yield (
            "path",
            f'Declared with path = "{cookie.path}"; it has the path {written.path}, where no withdrawal deletes it.',
        )
    if written.https and not written.secure:
        yield "name", "It lacks Secure, although the site is served over HTTPS."
