"""Mutated mail, and whether a message has a reason for an opt-out."""

from __future__ import annotations

import random
import re

from flask_mixamo_privacy.mail.inbox import classify_parsed
from flask_mixamo_privacy.mail.message import read
from support.messages import INBOX, TOKEN, letter, report

_NESTED = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(30))

#: Mail of every kind. No mail of the first half asks for anything.
SEEDS = (
    letter("Hello", "How are you?\r\n\r\n> Fine\r\n-- \r\nAda", To="privacy@shop.example"),
    letter("Re: News", "Thanks!", In_Reply_To=f"<{TOKEN}.0123456789abcdef@shop.example>", To="privacy@shop.example"),
    letter("=?utf-8?b?SGVsbG8=?= =?iso-8859-1?q?J=FCrgen?=", "Gr\u00fc\u00dfe", Content_Type="text/plain; charset=latin-1"),
    letter("Automatic reply: News", "I am away.", Auto_Submitted="auto-replied", X_Auto_Response_Suppress="All"),
    letter("Undelivered", "x", Return_Path="<>", Content_Type="multipart/report; report-type=delivery-status; boundary=b"),
    letter(
        "Hi",
        "<p>Hello <b>there</b></p>",
        Content_Type="text/html; charset=utf-8",
        Content_Transfer_Encoding="quoted-printable",
    ),
    letter("Hi", "SGVsbG8gdGhlcmU=", Content_Transfer_Encoding="base64", Content_Type='text/plain; charset="utf-8"'),
    letter("Nested", f"--b\r\n{_NESTED}", Content_Type="multipart/mixed; boundary=b", MIME_Version="1.0"),
    letter("Apple", "Sent by a program.", X_Apple_Unmarked="true", Auto_Submitted="auto-replied"),
    letter("unsubscribe", "unsubscribe"),
    letter("Re: News unsubscribe", "Hello", In_Reply_To=f"<{TOKEN}.0123456789abcdef@shop.example>"),
    letter("unsubscribe", "Apple Mail sent this", X_Apple_Unsubscribe="true", Auto_Submitted="auto-replied"),
    letter("x", "y", To=f"unsubscribe+{TOKEN}@shop.example", Auto_Submitted="auto-replied"),
    report("abuse", "To: ada@mail.example\r\n", Original_Rcpt_To="ada@mail.example"),
    report("auth-failure", "To: ada@mail.example\r\n", Original_Rcpt_To="ada@mail.example"),
    letter("delete my data", "unsubscribe me", To="privacy@shop.example"),
)

_CHARSETS = (b"utf-8", b"x-none", b"utf-16", b"utf-7", b"idna", b"punycode", b"rot13", b"\xff", b"unicode_escape", b"")
_INSERTED = (
    b"\0", b"\r", b"\n", b"\r\n\r\n", b"\xff\xfe", b"=?", b"?=", b"=?utf-8?b?", b"<", b">", b"(", b'"', b"@", b":", b";", b"--b\r\n", b"--b--", b"=",
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"Subject: \r\n", b"From: a, b <c@d.e>\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: uuencode\r\n", b"To: (((((((((\r\n", b"Content-Disposition: \0\r\n",
)  # fmt: skip


def mutated(chance: random.Random) -> bytes:
    """Return a randomly mutated message."""
    raw = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 8)):
        at, to = sorted((chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)))
        match chance.randrange(8):
            case 0:
                raw[at:at] = chance.choice(_INSERTED)
            case 1:
                del raw[at : min(to, at + 40)]
            case 2:
                raw[at:at] = raw[at : min(to, at + 60)] * chance.randint(1, 4)
            case 3 if raw:
                raw[at % len(raw)] = chance.randrange(256)
            case 4:
                other = chance.choice(SEEDS)
                raw[at:to] = other[chance.randrange(len(other)) :][: to - at + 20]
            case 5:
                lines = bytes(raw).split(b"\r\n")
                chance.shuffle(lines)
                raw = bytearray(b"\r\n".join(lines))
            case 6:
                raw = bytearray(re.sub(rb"charset=\S+", b"charset=" + chance.choice(_CHARSETS), bytes(raw)))
            case _:
                raw = bytearray(bytes(raw).replace(b"unsubscribe", chance.choice((b"", b"un subscribe", b"subscribe")), 3))
    return bytes(raw)


def has_a_reason(raw: bytes) -> bool:
    """Return whether the word, a token or a feedback report is in the message, without the code under test."""
    text = re.sub(rb"=?\r?\n[ \t]*|[\x00-\x1f\x7f-\xff\"]|\?=\s*=\?[\w-]+\?\w\?", b"", raw).lower()
    return any(sign in text for sign in (b"unsubscribe", TOKEN.encode(), b"feedback-report"))


def run(number: int, seed: int = 8) -> dict[str, int]:
    """Classify this many messages and return how often each action was chosen. Raise if an opt-out has no reason."""
    chance, counted = random.Random(seed), {"act": 0, "ask": 0, "ignore": 0}  # noqa: S311 — invented data needs no secret
    for _ in range(number):
        raw = mutated(chance)
        verdict, _ = classify_parsed(read(raw), INBOX)
        counted[verdict.action] += 1
        assert verdict.action != "act" or has_a_reason(raw), raw
    return counted
