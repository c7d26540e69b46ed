"""Targets that are functions of a text: each raises AssertionError if it finds a fault."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from flask_mixamo_privacy.consent.proof import NoReceipt, altered_fields, read_receipt
from flask_mixamo_privacy.errors import PolicyError, PrivacyError
from flask_mixamo_privacy.mail.inbox import classify_parsed
from flask_mixamo_privacy.mail.message import read
from flask_mixamo_privacy.mail.unsubscribe import UnsubscribeTokens
from flask_mixamo_privacy.policy import toml
from flask_mixamo_privacy.policy.parts import host_of
from flask_mixamo_privacy.storage.keys import KeyRing, normalise_subject
from flask_mixamo_privacy.tracking.scrub import network_of, scrub_path, scrub_text, split_referrer
from flask_mixamo_privacy.web.http import local_path
from support import mail_fuzz
from support.fuzz.mutation import LONGEST, mutated, pumped
from support.messages import INBOX, TOKEN, letter

#: Personal data that inputs contain. No event may.
CANARY = "canary.person@mail.example"


@dataclass(frozen=True)
class Target:
    """A parser of outside input: how inputs are made, and a function that raises if one of them causes a fault."""

    name: str
    share: int  # of all inputs
    make: Callable[[random.Random], str | bytes]
    run: Callable[..., None]
    requests: int = 1  # that one input makes at most; each has the same time


def of_texts(name: str, share: int, seeds: Sequence[str], run: Callable[[str], None]) -> Target:
    return Target(name, share, lambda chance: mutated(chance, seeds), run)


def paths(text: str) -> None:
    """A scrubbed path has no mail address, is bounded, and is stable."""
    scrubbed = scrub_path.__wrapped__("/" + text)
    assert "@" not in scrubbed and len(scrubbed) <= 200
    assert CANARY not in scrub_text(text) and len(scrub_text(text)) <= 200
    previous, referrer = split_referrer.__wrapped__(text, "shop.example")
    assert not (previous and referrer) and "@" not in referrer
    network_of.__wrapped__(text)


def next_page(text: str) -> None:
    """The page after a decision is on this site."""
    target = local_path(text)
    assert target is None or urlsplit(urljoin("https://shop.example/a", target)).netloc == "shop.example"
    assert "\n" not in host_of(text)


def mail(raw: bytes) -> None:
    """A mail without the word, a token or a feedback report opts no person out."""
    verdict, _ = classify_parsed(read(raw), INBOX)
    assert verdict.action != "act" or mail_fuzz.has_a_reason(raw)


_HEADERS = (
    *("From", "To", "Cc", "Subject", "References", "In-Reply-To", "Message-ID", "Return-Path", "Authentication-Results"),
    *("Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "Auto-Submitted", "List-Unsubscribe", "Sender"),
)
_VALUES = (
    *("Ada <ada@mail.example>", '"a" <b@c.example>, d: e;', "multipart/mixed; boundary=b", 'text/html; charset="utf-8"'),
    *(
        "=?utf-8?q?a?= =?utf-8?b?YQ==?=",
        "<a@b> <c@d>",
        "mx.example; dmarc=pass (a) header.from=b",
        "attachment; filename*0*=a",
    ),
)
_BODIES = (
    *(
        "<p>Hello <b>there</b> &amp; <a href='https://shop.example/'>x</a><blockquote>",
        "--b\r\nContent-Type: text/plain\r\n\r\nx",
    ),
    *("> On Friday Ada wrote:\n> unsubscribe\n--\nSent from my phone", "please remove my data from your list"),
)


def mutated_mail(chance: random.Random) -> bytes:
    """Return a mutated message, or in every third case one with a mutated header or body of up to 8 KB."""
    if chance.random() < 0.67:
        return mail_fuzz.mutated(chance)
    body, kind = chance.choice(_BODIES), chance.choice(("text/plain", "text/html", "multipart/mixed; boundary=b"))
    name, value = chance.choice(_HEADERS), ""
    if chance.random() < 0.5:
        body = pumped(chance, mutated(chance, _BODIES)).replace("\ud800", "\ufffd")
    else:
        value = pumped(chance, mutated(chance, _VALUES))
    mail = letter("Hi", body, **{"Content-Type": kind, "To": "privacy@shop.example"}) if not value else letter("Hi", body)
    extra = f"{name}: {value}\r\n".encode("utf-8", "surrogatepass") if value else b""
    return (extra + mail)[:LONGEST]


_FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108 — a folder in memory, in which each run makes its own
_KEYS = KeyRing({"k": "a secret of the fuzzer, which is long enough"}, str(_FOLDER / "keys"))
_TOKENS = UnsubscribeTokens(_KEYS)


def declaration(text: str) -> None:
    """A declaration is a policy, or each of its problems has a line."""
    path = _FOLDER / "privacy.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        toml.read(path)
    except PolicyError as error:
        assert error.problems


def token(text: str) -> None:
    """A forged token or receipt is not valid."""
    assert _TOKENS.read(text) is None
    normalise_subject(text)
    with suppress(NoReceipt, PrivacyError):
        assert altered_fields(read_receipt(text.encode("utf-8", "replace")), _KEYS)


def remove_files() -> None:
    """Delete the files of the targets."""
    for path in _FOLDER.iterdir():
        path.unlink()
    _FOLDER.rmdir()


_SUPPORT = Path(__file__).parents[1]
_PATHS = [
    line[1:]
    for name in ("innocent_paths.txt", "personal_paths.txt")
    for line in (_SUPPORT / name).read_text(encoding="utf-8").splitlines()
    if line.startswith("/")
]
_URLS = (
    "/a?b=c#d",
    "//evil.example",
    "/\\evil.example",
    "https://shop.example/a",
    "https://evil.example:80@shop.example/",
    "/a/../b",
)
_RECEIPT = '{"schema_version": "flask-mixamo-privacy receipt 1", "record_id": "a", "purposes": [], "events": [], "signature": {"key": "k", "fields": {}, "value": "00"}}'
_DECLARATION = toml.START.read_text(encoding="utf-8")

TEXTS = (
    of_texts("paths", 30, [*_PATHS, CANARY, f"u/{CANARY}", "https://other.example/a/ada%40mail.example?q=1"], paths),
    of_texts("next", 15, _URLS, next_page),
    of_texts("tokens", 8, [TOKEN, "abcde=\n" * 9, f"https://shop.example/unsubscribe/{TOKEN}", _RECEIPT, CANARY], token),
    of_texts("toml", 2, [_DECLARATION[at : at + 1200] for at in range(0, len(_DECLARATION), 600)], declaration),
    Target("mail", 12, mutated_mail, mail),
)
