"""Parsing of received messages.

The content is untrusted: sizes are limited, and no function raises because of a message.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import Compat32
from email.utils import getaddresses
from inspect import signature

from .markup import as_text

LARGEST = 8 * 1024 * 1024  # bytes; of a larger message only the headers are parsed
_LARGEST_HEAD = 256 * 1024
# A message with more could keep the parser busy on purpose, so only its headers are parsed.
_MOST_PARTS = 100  # declared boundaries, and messages in messages
_MOST_SEPARATORS = 2000  # lines that could separate parts
_MOST_HEADERS = 1000  # of a message; one of a large provider has about 60
_LONGEST_STRUCTURE = 4000  # characters of an unfolded header about the structure; RFC 5322, 2.1.1 allows 998 in a line
_LONGEST_ENCODED = 4000  # characters of a header with encoded words that are decoded, in quadratic time
_LONGEST_HEADER = 8192  # characters of any other header that are read
_MOST_ADDRESS_HEADERS = 50  # that are searched for addresses
_LONGEST_ADDRESSES = 4000  # characters of one of them; the search takes quadratic time
_LONGEST_TEXT = 100_000
_NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape")

# Newer versions of Python read no address beside a display name with an @ and no quotes, which many programs send.
# :func:`sender` compares what was read with the header itself.
_LENIENT = {"strict": False} if "strict" in signature(getaddresses).parameters else {}

#: The tokens of a structured header: an escaped character, a quotation mark, a parenthesis, or text between them.
_punctuation = re.compile(r"\\.?|[\"()]|[^\\\"()]+", re.DOTALL)

#: The first lines of a quotation by Outlook, and the signature line of a phone.
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
_dated = re.compile(r"\d|^\s*(?:on|am|le|el|il|em|op|den|w dniu)\b", re.IGNORECASE)  # a line with a date

#: The beginnings of parts: a declared boundary, and a message in a message.
_part = re.compile(rb"boundary\s{0,9}=|^content-type:\s{0,9}message/", re.IGNORECASE | re.MULTILINE)
#: A header with its folded lines. The parser ends a line at a lone carriage return too.
_a_header = re.compile(rb"^[!-9;-~]+:[^\n]*\n?(?:[ \t][^\n]*\n?)*", re.MULTILINE)
_structure = re.compile(rb"^(?:content-[!-9;-~]*|mime-version):[^\n]*\n?(?:[ \t][^\n]*\n?)*", re.IGNORECASE | re.MULTILINE)


class _MailPolicy(Compat32):
    """Returns each header as a text on one line, without comments in a header about the structure.

    The newer policies of the standard library parse such a header again at each access, in quadratic time.
    """

    def header_fetch_parse(self, name: str, value: str) -> str:
        value = printable_header(str(value)[:_LONGEST_HEADER])
        if "(" not in value or not name.lower().startswith("content-"):
            return value
        return _without_comments(value)


def _without_comments(value: str) -> str:
    """Return a header without its comments, which may be nested (RFC 5322, 3.2.2). Quoted strings stay."""
    parts: list[str] = []
    depth, is_quoted = 0, False
    for symbol in _punctuation.findall(value):
        is_quoted ^= symbol == '"' and not depth
        depth += 0 if is_quoted else {"(": 1, ")": -1}.get(symbol, 0)
        if depth <= 0 and (is_quoted or symbol != ")"):
            parts.append(symbol)
        depth = max(0, depth)
    return "".join(parts).strip()


_policy = _MailPolicy()

#: Parses the headers alone, for a message whose parts are not parsed.
_heads = BytesHeaderParser(policy=_policy)


@dataclass(frozen=True)
class ParsedMessage:
    """A message and the fault found while parsing it, which is empty if there was none."""

    message: Message
    fault: str = ""
    is_cut: bool = False  # whether a part of the message was not parsed


def read(raw: bytes) -> ParsedMessage:
    """Parse a message. Any bytes result in a message."""
    if len(raw) > LARGEST:
        return _headers_only(raw, f"It has {len(raw) // (1024 * 1024)} MB; only its headers were read.")
    if fault := _excess(raw):
        return _headers_only(raw, f"It has {fault}; only its headers were read.")
    try:
        message = message_from_bytes(raw, policy=_policy)
    except Exception:  # The standard library's parser raises many errors for malformed mail, also RecursionError.
        return _headers_only(raw, "Its parts could not be parsed; only its headers were read.")
    return ParsedMessage(message, " ".join(filter(None, (_structure_fault(message), _text_fault(message, raw)))))


def _excess(raw: bytes) -> str:
    """Return what a message has too much of for the parser, or an empty text. Takes linear time."""
    lines = _with_line_feeds(raw)
    if sum(1 for _ in _part.finditer(lines)) > _MOST_PARTS or lines.count(b"\n--") > _MOST_SEPARATORS:
        return "too many parts"
    lengths = [len(found[0]) for found in _a_header.finditer(lines.partition(b"\n\n")[0])]
    if len(lengths) > _MOST_HEADERS:
        return "too many headers"
    if max(lengths, default=0) > _LONGEST_HEADER or any(
        len(found[0]) > _LONGEST_STRUCTURE for found in _structure.finditer(lines)
    ):
        return "a header that is too long"
    return ""


def _with_line_feeds(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw


def _headers_only(raw: bytes, fault: str) -> ParsedMessage:
    """Parse the headers of a message, without those that are too many or too long."""
    head = _with_line_feeds(raw[:_LARGEST_HEAD]).partition(b"\n\n")[0]
    found = (header[0] for header in _a_header.finditer(head))
    kept = [header for header in found if len(header) <= _LONGEST_STRUCTURE or not _structure.match(header)]
    try:
        return ParsedMessage(_heads.parsebytes(b"".join(kept[:_MOST_HEADERS])), fault, True)
    except Exception:
        return ParsedMessage(Message(_policy), "Neither its parts nor its headers could be read.", True)


def _structure_fault(message: Message) -> str:
    """Return what is wrong with the structure of a message, or an empty text."""
    try:
        defects = [type(defect).__name__ for part in message.walk() for defect in part.defects]
    except Exception:
        return "Its parts could not be listed."
    if not list(message.raw_items()):
        return "It has no headers."
    return f"Its structure is malformed: {', '.join(sorted(set(defects)))}." if defects else ""


def _text_fault(message: Message, raw: bytes) -> str:
    """Return why the decoded text may be wrong, or an empty text."""
    faults = []
    if b"\0" in raw or any("\0" in text for text in texts(message)):
        faults.append("It has null bytes.")
    with contextlib.suppress(Exception):  # _structure_fault reports it
        charsets = {
            str(part.get_content_charset() or "utf-8") for part in message.walk() if part.get_content_maintype() == "text"
        }
        faults += [f"Its charset {name[:40]!r} is unknown." for name in sorted(charsets) if not _is_known(name)][:3]
    return " ".join(faults)


def headers(message: Message, name: str) -> list[str]:
    """Return the decoded value of every header of this name."""
    return [_decoded(value) for value in undecoded(message, name)]


def undecoded(message: Message, name: str) -> list[str]:
    """Return every header of this name with its encoded words as sent.

    Decoded text could otherwise be mistaken for the punctuation of an address or a result.
    """
    values = [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
    return [printable_header(value[:_LONGEST_HEADER]) for value in values]


def header(message: Message, name: str) -> str:
    """Return the first header of this name, decoded, or an empty text."""
    return next(iter(headers(message, name)), "")


def _decoded(value: str) -> str:
    value = printable_header(value)
    if "=?" not in value:
        return value
    try:
        return _without_surrogates(str(make_header(_chunk(*chunk) for chunk in decode_header(value[:_LONGEST_ENCODED]))))
    except Exception:  # broken Base64
        return value


def _chunk(data: str | bytes, charset: str | None) -> tuple[str, str | None]:
    """Decode a part of a header. With an unknown charset, its ASCII letters still count."""
    if isinstance(data, str):
        return data, None
    if charset is None:
        return data.decode("raw-unicode-escape", "replace"), None  # the parser's own encoding of it
    charset = charset.partition("*")[0]  # a language tag may follow; RFC 2231, 5
    return data.decode(charset if _is_known(charset) else "latin-1", "replace"), "utf-8"


def _is_known(charset: str) -> bool:
    """Return whether a charset is one of text.

    Python's codecs for host names and program code are excluded: they are no charsets of mail, and slow on a long text.
    """
    try:
        b"x".decode(charset)
        return codecs.lookup(charset).name.replace("_", "-") not in _NO_CHARSETS
    except (LookupError, ValueError):
        return False


def printable_header(value: str) -> str:
    """Return a header's value on one line, without characters that cannot be encoded."""
    value = re.sub(r"[\r\n]+[ \t]*", " ", value)
    # Bytes without a declared charset are UTF-8; RFC 6532. Other bytes are replaced, because no header may raise.
    with contextlib.suppress(UnicodeEncodeError):
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _without_surrogates(value)


def _without_surrogates(value: str) -> str:
    """Replace lone surrogates. UTF-7 can encode them, but no file, database or terminal accepts them."""
    return value.encode("utf-8", "replace").decode()


def addresses(message: Message, *names: str) -> list[str]:
    """Return the mail addresses in these headers, in lower case and without duplicates."""
    try:
        values = [value[:_LONGEST_ADDRESSES] for name in names for value in undecoded(message, name)]
        pairs = getaddresses(values[:_MOST_ADDRESS_HEADERS], **_LENIENT)
    except Exception:
        return []
    return list(dict.fromkeys(address.strip().lower() for _, address in pairs if "@" in address))


def sender(message: Message) -> str:
    """Return the address in the From header, or an empty text if it is ambiguous.

    A header with several addresses is ambiguous, and one that the authenticating server may have parsed differently.
    """
    senders, values = addresses(message, "From"), undecoded(message, "From")
    if len(senders) != 1 or len(values) != 1:
        return ""
    bare, is_balanced = unquoted(values[0])
    address = bare.partition("<")[2].partition(">")[0] if "<" in bare else bare
    is_plain = bare.count("<") <= 1 and address.strip().lower() == senders[0]
    return senders[0] if is_balanced and is_plain else ""


def unquoted(value: str) -> tuple[str, bool]:
    """Return a header without comments, with each quoted string as one character, and whether each of them is closed.

    The syntax is that of RFC 5322, 3.2.
    """
    parts: list[str] = []
    depth, is_quoted, is_balanced = 0, False, True
    for symbol in _punctuation.findall(value):
        if symbol == '"' and not depth:
            parts.append("" if is_quoted else "_")
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif symbol == "(":
            depth += 1
        elif symbol == ")":
            parts.append("" if depth > 1 else " ")
            is_balanced, depth = is_balanced and depth > 0, max(0, depth - 1)
        elif not depth:
            parts.append(symbol)
    return "".join(parts), is_balanced and not depth and not is_quoted


def texts(message: Message) -> tuple[str, str]:
    """Return the text of a message and its alternative text.

    The text is that of the plain parts, with the HTML's as the alternative. Without plain parts it is the HTML's.
    """
    plain, html = _joined_parts(message, "text/plain"), as_text(_joined_parts(message, "text/html"))
    return (plain, html) if plain.strip() else (html, "")


def _joined_parts(message: Message, kind: str) -> str:
    contents: list[str] = []
    with contextlib.suppress(Exception):  # use the parts before the faulty one
        for part in message.walk():
            if part.get_content_type() == kind and (part is message or not _is_attached(part)):
                contents.append(_content(part))
    return "\n".join(contents)[:_LONGEST_TEXT]


def _is_attached(part: Message) -> bool:
    """Return whether a part is an attachment. A file name does not make it one, because inline parts have names too."""
    return header(part, "Content-Disposition").partition(";")[0].strip().lower() == "attachment"


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    text = payload[: 4 * _LONGEST_TEXT].decode(charset if _is_known(charset) else "latin-1", "replace")
    return _without_surrogates(text)


def split_quoted(text: str) -> tuple[str, str]:
    """Split a text into its own lines and the lines that are marked as quoted."""
    lines = text.splitlines()
    quoted = [line for line in lines if line.lstrip().startswith(">")]
    return "\n".join(line for line in lines if not line.lstrip().startswith(">")), "\n".join(quoted)


def reply_text(text: str) -> str:
    """Return the sender's own text, without quotations and the signature."""
    own: list[str] = []
    lines = text.splitlines()
    for index, line in enumerate(lines):
        next_lines = lines[index : index + 3]
        if line.rstrip() == "--" or (
            own and (line.startswith(("-----", "_____", "> ")) or _begins_outlook_quotation(next_lines))
        ):
            break
        if not line.lstrip().startswith(">"):
            own.append(line)
    while own and (not own[-1].strip() or own[-1].rstrip().endswith(":") or _device.fullmatch(own[-1].strip())):
        last = own.pop()  # "On Friday Ada wrote:"
        if last.rstrip().endswith(":") and own and "@" in own[-1] + last and _dated.search(own[-1]):
            own.pop()
    return "\n".join(own).strip()


def _begins_outlook_quotation(lines: list[str]) -> bool:
    """Return whether these lines begin a quotation by Outlook: a From line, then a line with the date."""
    return _from.match(lines[0]) is not None and any(map(_sent.match, lines[1:]))
