"""Headers that leave as they are, with no encoded words around what a mail program parses.

Python's ``email.policy`` takes a header that it does not know for free text. A value without a space at the right place
then leaves as encoded words, which RFC 2047, section 5, forbids in a structured header. Mail programs do not decode them, so
they show no button to unsubscribe and no thread. The older policy ``compat32`` encodes an address together with its name.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import Message
from email.policy import EmailPolicy, Policy
from email.utils import formataddr, getaddresses
from urllib.parse import quote, urlsplit

from ..storage.keys import with_ascii_host

_LONGEST_LINE = 78  # characters; RFC 5322, 2.1.1
_LONGEST_WORD = 900  # characters; a line has 998 at most, and begins with the header's name

#: The headers that Python writes well. It encodes a long Message-ID only in older versions.
_KNOWN = frozenset(HeaderRegistry().registry) - {"message-id"}
_ADDRESSES = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc"})


class WholeHeader(UnstructuredHeader):
    """A header without encoded words. A line ends only at a space of the value."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header's lines. A word that is longer than a line has a line of its own."""
        lines = [f"{self.name}:"]  # type: ignore[attr-defined]
        for position, word in enumerate(str(self).split()):
            # The first word stays beside the name, because some mail servers reject a line without content.
            if position and len(lines[-1]) + 1 + len(word) > _LONGEST_LINE:
                lines.append("")
            lines[-1] += f" {word}"
        return policy.linesep.join(lines) + policy.linesep


_registry = HeaderRegistry(default_class=WholeHeader, use_default_map=False)


def whole_header(name: str, value: str) -> str:
    """Return a header's value as a text that an ``EmailMessage`` under this name sends whole."""
    return _registry(name, value)


def set_headers(message: Message, headers: Mapping[str, str]) -> None:
    """Replace headers of a message by these. Each one is sent whole."""
    for name, value in headers.items():
        del message[name]
        message[name] = whole_header(name, value)


def url_in_ascii(url: str) -> str:
    """Return a URL with its host in IDNA and the rest percent-encoded. Octets that are encoded already stay."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an invalid host
        return url
    host, colon, port = parts.netloc.partition(":")
    netloc = parts.netloc if parts.netloc.isascii() else f"{with_ascii_host(host)}{colon}{port}"
    path, query, fragment = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in parts[2:])
    return parts._replace(netloc=netloc, path=path, query=query, fragment=fragment).geturl()


def keep_structured_whole(message: Message) -> None:
    """Let each structured header of a message and its parts leave readable. A header that Python can only encode stays.

    A header of a text that was parsed under a policy without refolding keeps its lines.
    """
    for part in message.walk():
        for name in {name.lower(): name for name, value in part.raw_items() if not _keeps_lines(part, value)}.values():
            values: list[str] = part.get_all(name, [])
            readable = [text for value in values if (text := _readable(part, name, value)) is not None]
            if len(readable) == len(values) and any(map(operator.is_not, readable, values)):
                del part[name]
                for text in readable:
                    part[name] = text


def _keeps_lines(part: Message, value: object) -> bool:
    """Whether a value is a line of a parsed text. A program that sets a header stores an object instead."""
    return getattr(part.policy, "refold_source", "") == "none" and not hasattr(value, "fold")


def _readable(part: Message, name: str, value: str) -> str | None:
    """Return the value, or another that leaves readable, or None if there is none."""
    if name.lower() in _ADDRESSES:
        return value if getattr(part.policy, "utf8", False) else _with_encoded_names(value)
    text = _with_ascii_urls(value) if name.lower().startswith("list-") else value
    if name.lower() in _KNOWN or not isinstance(part.policy, EmailPolicy):
        return text
    can_leave = text.isascii() and all(len(word) <= _LONGEST_WORD for word in text.split())
    return whole_header(name, text) if can_leave else None


def _with_ascii_urls(text: str) -> str:
    return text if str(text).isascii() else _URL.sub(lambda url: f"<{url_in_ascii(url[1])}>", str(text))


_URL = re.compile("<([a-z]+:[^<>]*)>", re.IGNORECASE)


def _with_encoded_names(text: str) -> str | None:
    """Return a list of addresses in ASCII, with encoded words only in the names."""
    if str(text).isascii():
        return text
    pairs = [(name, with_ascii_host(address)) for name, address in getaddresses([str(text)])]
    return ", ".join(map(formataddr, pairs)) if all(address and address.isascii() for _, address in pairs) else None
