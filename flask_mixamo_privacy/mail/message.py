"""A message as it is read: never believed, never more of it than is needed, and never an error."""

from __future__ import annotations

import codecs
import contextlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import getaddresses
from html import unescape

# HTML of a mail as the text that a plain mail would have had.

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


LARGEST = 8 * 1024 * 1024  # bytes that are parsed; of a larger message the headers alone
_LARGEST_HEAD = 256 * 1024
_MOST_PARTS = 100  # boundaries named, before a message is taken for one that is made to keep a parser busy,
_MOST_SEPARATORS = 2000  # and lines that could separate parts
_LONGEST_HEADER = 8192  # characters
_LONGEST_TEXT = 100_000
_NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape")

#: What begins and ends a quoted string or a comment, what a backslash keeps from doing so, and what lies between.
_punctuation = re.compile(r"\\.?|[\"()]|[^\\\"()]+", re.DOTALL)

#: The first lines of what Outlook quotes, and the last line that telephones write.
_from = re.compile(r"[*\s]*(?:from|von|de|da|van|från|fra|od|lähettäjä|от|від|发件人|差出人)[*\s]*[:：]", re.IGNORECASE)
_sent = re.compile(
    r"[*\s]*(?:sent|date|gesendet|datum|envoyé|enviado|enviada|inviato|verzonden|skickat|sendt|wysłano|lähetetty|"
    r"отправлено|надіслано|发送时间|送信日時)[*\s]*[:：]",
    re.IGNORECASE,
)
_device = re.compile(
    r"(?:sent (?:from|with|via)|get outlook for|von meinem|gesendet (?:von|mit)|envoyé (?:de|depuis)|"
    r"enviado (?:desde|do|de)|inviato da|verzonden (?:vanaf|met)|skickat från|sendt fra|wysłan[eo] z|"
    r"отправлено с|надіслано з)\b"
    r"(?:[^@?!.,;]|\.(?=\S)){0,80}",
    re.IGNORECASE,
)
_dated = re.compile(r"\d|^\s*(?:on|am|le|el|il|em|op|den|w dniu)\b", re.IGNORECASE)  # a line that says when

#: Of a message whose parts are not looked at.
_heads = BytesHeaderParser(policy=default)


@dataclass(frozen=True)
class ParsedMessage:
    """A message, and what kept it from being read whole; empty where nothing did."""

    message: EmailMessage
    fault: str = ""
    is_cut: bool = False  # whether there is more of it than was read


def read(raw: bytes) -> ParsedMessage:
    """The message in these bytes; whatever they are, there is one."""
    if len(raw) > LARGEST:
        return _heads_of(raw, f"It has {len(raw) // (1024 * 1024)} MB, of which the headers were read.")
    if len(re.findall(rb"boundary\s*=", raw, re.IGNORECASE)) > _MOST_PARTS or raw.count(b"\n--") > _MOST_SEPARATORS:
        return _heads_of(raw, "It has too many parts; its headers were read.")
    try:
        message = message_from_bytes(raw, policy=default)
    except Exception:  # RecursionError among others: the parser's own faults are many
        return _heads_of(raw, "Its parts could not be read; its headers were.")
    return ParsedMessage(message, " ".join(filter(None, (_broken(message), _garbled(message, raw)))))


def _heads_of(raw: bytes, fault: str) -> ParsedMessage:
    try:
        end = re.search(rb"\r?\n\r?\n", raw[:LARGEST])
        return ParsedMessage(_heads.parsebytes(raw[: min(end.start() if end else LARGEST, _LARGEST_HEAD)]), fault, True)
    except Exception:
        return ParsedMessage(EmailMessage(policy=default), "Nothing of it could be read.", True)


def _broken(message: EmailMessage) -> str:
    """What is wrong with how a message is built."""
    try:
        defects = [type(defect).__name__ for part in message.walk() for defect in part.defects]
    except Exception:
        return "Its parts could not be gone through."
    if not list(message.raw_items()):
        return "It has no headers."
    return f"It is not built as a mail should be: {', '.join(sorted(set(defects)))}." if defects else ""


def _garbled(message: Message, raw: bytes) -> str:
    """What makes its text doubtful, although it was read as well as it can be."""
    said = []
    if b"\0" in raw or any("\0" in text for text in texts(message)):
        said.append("It has null bytes.")
    with contextlib.suppress(Exception):  # said by _broken already
        named = {
            str(part.get_content_charset() or "utf-8") for part in message.walk() if part.get_content_maintype() == "text"
        }
        said += [f"Its charset {name[:40]!r} is unknown." for name in sorted(named) if not _is_known(name)][:3]
    return " ".join(said)


def headers(message: Message, name: str) -> list[str]:
    """Every header of this name, decoded as well as it can be."""
    return [_decoded(value) for value in undecoded(message, name)]


def undecoded(message: Message, name: str) -> list[str]:
    """Every header of this name, its encoded words as they stand: what they spell is text, and never punctuation."""
    found = [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
    return [printable_header(value[:_LONGEST_HEADER]) for value in found]


def header(message: Message, name: str) -> str:
    """The first header of this name, or nothing."""
    return next(iter(headers(message, name)), "")


def _decoded(value: str) -> str:
    value = printable_header(value)
    if "=?" not in value:
        return value
    try:
        return _without_surrogates(str(make_header(_chunk(*chunk) for chunk in decode_header(value))))
    except Exception:  # broken Base64
        return value


def _chunk(data: str | bytes, charset: str | None) -> tuple[str, str | None]:
    """A part of a header; in a charset that nobody knows its ASCII letters at least are what they look like."""
    if isinstance(data, str):
        return data, None
    if charset is None:
        return data.decode("raw-unicode-escape", "replace"), None  # as the parser has put it
    charset = charset.partition("*")[0]  # a language may follow (RFC 2231 5)
    return data.decode(charset if _is_known(charset) else "latin-1", "replace"), "utf-8"


def _is_known(charset: str) -> bool:
    """Whether text can be in it. What is made for host names and program code is none, and slow on a long text."""
    try:
        b"x".decode(charset)
        return codecs.lookup(charset).name.replace("_", "-") not in _NO_CHARSETS
    except (LookupError, ValueError):
        return False


def printable_header(value: str) -> str:
    """A value on one line, its bytes read as UTF-8, and nothing in it that cannot be written down again."""
    value = re.sub(r"[\r\n]+[ \t]*", " ", value)
    # Bytes that no charset was named for are UTF-8 today (RFC 6532), and anything else is not worth an error.
    with contextlib.suppress(UnicodeEncodeError):
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _without_surrogates(value)


def _without_surrogates(value: str) -> str:
    """UTF-7 and other charsets can spell half a character, which no file, database or terminal takes."""
    return value.encode("utf-8", "replace").decode()


def addresses(message: Message, *names: str) -> list[str]:
    """The mail addresses in these headers, in lower case, each once."""
    try:
        found = getaddresses([value for name in names for value in undecoded(message, name)])
    except Exception:
        return []
    return list(dict.fromkeys(address.strip().lower() for _, address in found if "@" in address))


def sender(message: Message) -> str:
    """The address that the From names beyond doubt, or nothing: for more than one, and for what readers may take apart
    in another way than the server did that vouches for it."""
    found, values = addresses(message, "From"), undecoded(message, "From")
    if len(found) != 1 or len(values) != 1:
        return ""
    bare, is_whole = unquoted(values[0])
    named = bare.partition("<")[2].partition(">")[0] if "<" in bare else bare
    is_plain = bare.count("<") <= 1 and named.strip().lower() == found[0]
    return found[0] if is_whole and is_plain else ""


def unquoted(value: str) -> tuple[str, bool]:
    """A header without its comments, and its quoted strings as one character (RFC 5322 3.2); whether each had its end."""
    said: list[str] = []
    depth, is_quoted, is_whole = 0, False, True
    for piece in _punctuation.findall(value):
        if piece == '"' and not depth:
            said.append("" if is_quoted else "_")
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif piece == "(":
            depth += 1
        elif piece == ")":
            said.append("" if depth > 1 else " ")
            is_whole, depth = is_whole and depth > 0, max(0, depth - 1)
        elif not depth:
            said.append(piece)
    return "".join(said), is_whole and not depth and not is_quoted


def texts(message: Message) -> tuple[str, str]:
    """What a message says as text: of its plain parts, else of its HTML; and what its HTML says beside plain parts."""
    plain, html = _texts(message, "text/plain"), as_text(_texts(message, "text/html"))
    return (plain, html) if plain.strip() else (html, "")


def _texts(message: Message, kind: str) -> str:
    found: list[str] = []
    with contextlib.suppress(Exception):  # what was found until then is better than nothing
        for part in message.walk():
            if part.get_content_type() == kind and (part is message or not _is_attached(part)):
                found.append(_content(part))
    return "\n".join(found)[:_LONGEST_TEXT]


def _is_attached(part: Message) -> bool:
    """A name alone does not make a part one: mail programs name what they show, too."""
    return header(part, "Content-Disposition").partition(";")[0].strip().lower() == "attachment"


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    said = payload[: 4 * _LONGEST_TEXT].decode(charset if _is_known(charset) else "latin-1", "replace")
    return _without_surrogates(said)


def split_quoted(said: str) -> tuple[str, str]:
    """A text's lines without those that are marked as quoted, and those."""
    lines = said.splitlines()
    quoted = [line for line in lines if line.lstrip().startswith(">")]
    return "\n".join(line for line in lines if not line.lstrip().startswith(">")), "\n".join(quoted)


def reply_text(said: str) -> str:
    """What somebody wrote, without what is quoted and without the signature."""
    own: list[str] = []
    lines = said.splitlines()
    for at, line in enumerate(lines):
        if line.rstrip() == "--" or (own and (line.startswith(("-----", "_____", "> ")) or _is_head(lines[at : at + 3]))):
            break
        if not line.lstrip().startswith(">"):
            own.append(line)
    while own and (not own[-1].strip() or own[-1].rstrip().endswith(":") or _device.fullmatch(own[-1].strip())):
        last = own.pop()  # "On Friday Ada wrote:"
        if last.rstrip().endswith(":") and own and "@" in own[-1] + last and _dated.search(own[-1]):
            own.pop()
    return "\n".join(own).strip()


def _is_head(lines: list[str]) -> bool:
    """Whether a quotation begins as Outlook's do: with who wrote it, and then when."""
    return _from.match(lines[0]) is not None and any(map(_sent.match, lines[1:]))
