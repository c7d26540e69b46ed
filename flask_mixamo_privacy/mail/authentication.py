"""Whether the receiving server says that a mail comes from where its From says (RFC 8601)."""

from __future__ import annotations

import re
from email.message import Message

from .reading import sender, undecoded, unquoted

_result = re.compile(r"^\s*(dmarc|dkim|spf)\s*=\s*(\w+)", re.IGNORECASE)
_domain = re.compile(r"(?:header\.from|header\.d|header\.i|smtp\.mailfrom)\s*=\s*(?:[^\s;]*@)?([\w.-]+)", re.IGNORECASE)


def verdict(message: Message, server: str | None) -> bool | None:
    """True where the From is authenticated, False where it is not, None where the server says nothing.

    ``server`` is the name under which it writes its results; what a sender wrote under another name is not looked at.
    Without it the topmost header is believed, which is the one that was put on last.
    """
    found = [unquoted(value) for value in undecoded(message, "Authentication-Results")]
    if server is not None:
        found = [(value, is_whole) for value, is_whole in found if _server_of(value) == server.lower()]
    if not found:
        return None if server is None else False
    value, is_whole = found[0]
    host = sender(message).rpartition("@")[2]
    return bool(host) and is_whole and _says(value, host)


def _server_of(value: str) -> str:
    return value.partition(";")[0].split(" ")[0].strip().lower() if value.strip() else ""


def _says(value: str, host: str) -> bool:
    """DMARC decides where there is one; else a signature or an envelope of just this host."""
    results: dict[str, list[tuple[bool, str]]] = {}
    for part in value.split(";")[1:]:
        if found := _result.match(part):
            named = _domain.search(part)
            results.setdefault(found[1].lower(), []).append((found[2].lower() == "pass", named[1].lower() if named else ""))
    if dmarc := results.get("dmarc"):
        mine = [passed for passed, domain in dmarc if domain in ("", host)]
        return bool(mine) and all(mine)
    return any(passed and _is_of(domain, host) for way in ("dkim", "spf") for passed, domain in results.get(way, ()))


def _is_of(domain: str, host: str) -> bool:
    """Whether who speaks for a domain may speak for a host: for itself and what is below it."""
    return "." in domain and (host == domain or host.endswith("." + domain))
