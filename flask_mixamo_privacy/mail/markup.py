"""HTML of a mail as the text that a plain mail would have had."""

from __future__ import annotations

import re
from html import unescape

# Each look at a character is the last one, however the text is made: mail comes from anybody.
_tag = re.compile(r"<!--|<[!?][^<>]{0,2000}>|<(/?)([a-z][a-z0-9]*)([^<>]{0,2000})>", re.IGNORECASE)
_href = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']?(https?://[^\s\"'>]+)", re.IGNORECASE)
_UNSEEN = ("style", "script", "title")
_block = re.compile(
    "address|article|blockquote|body|br|center|dd|div|dl|dt|footer|form|h[1-6]|head|header|hr|li|main|ol|p|pre|section|table|"
    "td|th|tr|ul"
)


def as_text(html: str) -> str:
    """A line for each block; what is quoted, as ``<blockquote>``, behind a ``>``, and there where its links lead."""
    said: list[str] = []
    depth = at = 0
    while tag := _tag.search(html, at):
        said.append(_shown(html[at : tag.start()]))
        closes, name, at = bool(tag[1]), (tag[2] or "").lower(), tag.end()
        if name == "blockquote":
            depth = max(0, depth - 1 if closes else depth + 1)
        if _block.fullmatch(name):
            said.append("\n> " if depth else "\n")
        elif name == "a" and depth and (link := _href.search(tag[3])):
            said.append(f"{unescape(link[1])} ")
        elif (name in _UNSEEN and not closes) or tag[0] == "<!--":
            at = _after(html, f"</{name}" if name else "-->", at)
    said.append(_shown(html[at:]))
    return "".join(said).strip()


def _after(html: str, end: str, start: int) -> int:
    """Where what nobody sees has ended: with the text, where it never does."""
    found = re.compile(re.escape(end), re.IGNORECASE).search(html, start)
    return found.end() if found else len(html)


def _shown(text: str) -> str:
    """Text between tags, in which a new line is but a space."""
    return re.sub(r"\s+", " ", unescape(text))
