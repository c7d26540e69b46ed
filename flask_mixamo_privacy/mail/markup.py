"""HTML of received mail, converted to plain text in linear time."""

from __future__ import annotations

import re
from html import unescape

# Any sender can write hostile HTML, so each pattern is bounded and the conversion takes linear time.
_tag = re.compile(r"<!--|<[!?][^<>]{0,2000}>|<(/?)([a-z][a-z0-9]*+)([^<>]{0,2000}+)>", re.IGNORECASE)
_href = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']?(https?://[^\s\"'>]+)", re.IGNORECASE)
_long_number = re.compile(r"&#[0-9]{9,}")  # no character has one, and Python refuses to convert 4,300 digits
_HIDDEN = ("style", "script", "title")
_block = re.compile(
    "address|article|blockquote|body|br|center|dd|div|dl|dt|footer|form|h[1-6]|head|header|hr|li|main|ol|p|pre|section|table|"
    "td|th|tr|ul"
)


def as_text(html: str) -> str:
    """Return the text with one line per block.

    A line within ``<blockquote>`` begins with ``>``, and contains the URLs of its links.
    """
    parts: list[str] = []
    depth = position = 0
    while tag := _tag.search(html, position):
        parts.append(_visible(html[position : tag.start()]))
        closes, name, position = bool(tag[1]), (tag[2] or "").lower(), tag.end()
        if name == "blockquote":
            depth = max(0, depth - 1 if closes else depth + 1)
        if _block.fullmatch(name):
            parts.append("\n> " if depth else "\n")
        elif name == "a" and depth and (link := _href.search(tag[3])):
            parts.append(f"{_visible(link[1])} ")
        elif (name in _HIDDEN and not closes) or tag[0] == "<!--":
            position = _end_of_hidden(html, f"</{name}" if name else "-->", position)
    parts.append(_visible(html[position:]))
    return "".join(parts).strip()


def _end_of_hidden(html: str, end: str, start: int) -> int:
    """Return the position after hidden content. Content that is not closed extends to the end of the text."""
    match = re.compile(re.escape(end), re.IGNORECASE).search(html, start)
    return match.end() if match else len(html)


def _visible(text: str) -> str:
    """Return text between tags, with each run of white space as one space."""
    return re.sub(r"\s+", " ", unescape(_long_number.sub("\ufffd", text)))
