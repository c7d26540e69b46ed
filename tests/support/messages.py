"""Incoming messages for the tests of the inbox."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from typing import Any

from flask_mixamo_privacy.mail.classifier import InboxConfig, classify
from flask_mixamo_privacy.mail.unsubscribe import UnsubscribeToken

TOKEN = "abcde" * 9
DECODED = UnsubscribeToken("key", "00" * 16, "00" * 4)
INBOX = InboxConfig("unsubscribe@shop.example", "privacy@shop.example", {TOKEN: DECODED}.get)

PASSED = "mx.shop.example; dmarc=pass (p=REJECT) header.from=mail.example; spf=pass smtp.mailfrom=mail.example"
FAILED = "mx.shop.example; dmarc=fail header.from=mail.example; spf=fail smtp.mailfrom=mail.example"


def letter(subject: str | None = "unsubscribe", body: str = "", **headers: str | None) -> bytes:
    """Build a mail from an authenticated sender. A header of None is left out."""
    values_by_header = {
        "From": "Ada <ada@mail.example>",
        "To": "unsubscribe@shop.example",
        "Message-ID": "<1@mail.example>",
        "Authentication-Results": PASSED,
        "Subject": subject,
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in values_by_header.items() if value is not None)
    return f"{head}\r\n{body}".encode()


def decided(raw: bytes, config: InboxConfig = INBOX) -> Any:
    return classify(message_from_bytes(raw, policy=default), config)


def action(subject: str | None = "unsubscribe", body: str = "", **headers: str | None) -> str:
    return str(decided(letter(subject, body, **headers)).action)


def report(kind: str = "abuse", original: str = "", **fields: str) -> bytes:
    """Build a feedback report as mail providers send it."""
    extra_fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    parts = (
        "This is an email abuse report.",
        f"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\nUser-Agent: FBL/1\r\n{extra_fields}",
        f"Content-Type: message/rfc822\r\n\r\nFrom: shop@shop.example\r\nSubject: News\r\n{original}\r\nHello",
    )
    body = "".join(
        f"\r\n--b\r\n{'Content-Type: text/plain' if at == 0 else ''}\r\n{part}\r\n".replace("\r\n\r\nContent", "\r\nContent")
        for at, part in enumerate(parts)
    )
    return (
        "From: feedback@provider.example\r\nTo: fbl@shop.example\r\nSubject: report\r\nAuto-Submitted: auto-generated\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n{body}--b--\r\n"
    ).encode()
