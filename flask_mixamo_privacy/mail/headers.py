"""Structured headers, which leave as they are.

Python's ``email.policy`` takes a header that it does not know for free text. A value without a space at the right place
then leaves as encoded words, which RFC 2047, section 5, forbids in a structured header. Mail programs do not decode them, so
they show no button to unsubscribe and no thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import Message
from email.policy import Policy

#: The headers with a structure that Python does not know, and Message-ID, which older versions of Python encode.
STRUCTURED = frozenset({
    "message-id", "in-reply-to", "references", "resent-message-id", "original-message-id", "content-id",  # RFC 5322
    "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-subscribe", "list-post", "list-owner", "list-archive",
    "list-id", "archived-at", "feedback-id", "return-path", "auto-submitted", "precedence", "content-language",
    "dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results", "authentication-results",
})  # fmt: skip

_LONGEST_LINE = 78  # characters; RFC 5322, 2.1.1


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


def keep_structured_whole(message: Message) -> None:
    """Replace each structured header in ASCII of a message and its parts, so that it is sent whole.

    A policy that refolds no line changes no such header, and neither does one of Python's older ``compat32``.
    """
    for part in message.walk():
        if getattr(part.policy, "refold_source", "none") != "none":
            for name in {name.lower(): name for name in part if name.lower() in STRUCTURED}.values():
                _keep_whole(part, name)


def _keep_whole(part: Message, name: str) -> None:
    values = [str(value) for value in part.get_all(name, ())]
    if all(value.isascii() for value in values):
        del part[name]
        for value in values:
            part[name] = whole_header(name, value)
