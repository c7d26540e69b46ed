"""Classification of received messages.

docs/mail.md lists the rules in order, each with its reason and source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

from ..storage.keys import email_of
from .message import addresses, header, headers, reply_text, sender, split_quoted, texts
from .phrases import (
    NO_WORDS,
    is_unsubscribe,
    mentions_unsubscribe,
    requested_right,
    starts_or_ends_with_unsubscribe,
    stripped,
)
from .provenance import (
    OPT_OUT_TYPES,
    FeedbackReport,
    automatic_cause,
    is_authenticated,
    is_bounce,
    is_of_apple_mail,
    report_of,
    wants_no_answer,
)
from .unsubscribe import UnsubscribeToken

# The verdicts. ``action`` is the word in the command's output.


@dataclass(frozen=True)
class OptOut:
    """Opt a person out: by the token, or without a token by the address."""

    reason: str
    token: UnsubscribeToken | None = None
    address: str = ""
    source: str = "mail"
    requested_right: str = ""  # the kind of a request that is opened too

    action = "act"


@dataclass(frozen=True)
class NeedsReview:
    """Open a request for staff to decide. ``answer`` is whether the sender gets the link that confirms the request."""

    reason: str
    requested_right: str = "object"
    answer: bool = False
    address: str = ""

    action = "ask"


@dataclass(frozen=True)
class Ignore:
    """Do nothing."""

    reason: str
    asks_for_nothing: bool = False  # a part of the message that was not read may still ask for something

    action = "ignore"


Verdict = OptOut | NeedsReview | Ignore


_RECIPIENTS = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To")
_message_id = re.compile(r"<?([a-z2-7]{45})\.[0-9a-f]{16}(\.word)?@", re.IGNORECASE)
_unsubscribe_link = re.compile(r"/unsubscribe/([a-z2-7]{45})\b", re.IGNORECASE)


@dataclass(frozen=True)
class InboxConfig:
    """The site's mail addresses, its reader of tokens, and the receiving server's name in Authentication-Results.

    ``own_words`` are the texts of the button "Unsubscribe" in the site's own catalogues.
    """

    unsubscribe: str = ""
    contact: str = ""
    read_token: Callable[[str], UnsubscribeToken | None] = lambda token: None
    server: str | None = None
    own_words: frozenset[str] = NO_WORDS

    def is_own_host(self, host: str) -> bool:
        return host in {address.rpartition("@")[2].lower() for address in (self.unsubscribe, self.contact) if address}


NO_INBOX = InboxConfig()


@dataclass(frozen=True)
class _Mail:
    """The properties of a message that the rules use."""

    subject: str  # without prefixes
    body: str
    alternative: str  # the text of the HTML, if the message has plain text too
    sender: str
    is_reply: bool
    is_forward: bool
    answers_subject_with_word: bool  # the subject of our mail contained a word for "unsubscribe"
    token: UnsubscribeToken | None
    authenticated: bool | None
    requested_right: str
    is_to_unsubscribe: bool
    quotes_us: bool  # it quotes a mailing of ours, whose footer contains the word
    own_words: frozenset[str]

    @property
    def mentions(self) -> bool:
        """Whether the sender's own text mentions an opt-out."""
        bodies = (self.body, self.alternative)
        own_texts = (split_quoted(text)[0] if self.quotes_us else text for text in bodies)
        return any(mentions_unsubscribe(text, self.own_words) for text in (self.subject, *own_texts))


def classify(message: Message, config: InboxConfig = NO_INBOX) -> Verdict:
    """Classify a message. Changes nothing, and never raises."""
    report = report_of(message)
    if report is not None:
        return _of_report(report, config, is_authenticated(message, config.server))
    if is_bounce(message):
        return Ignore("a bounce, or a mail with an empty return path")
    token = _token_in_address(addresses(message, *_RECIPIENTS), config)
    if token is not None:
        return OptOut("a signed address", token, source="mail address")
    if is_of_apple_mail(message):
        return _of_apple(_properties(message, config))
    if cause := automatic_cause(message):
        return Ignore(f"automatic or bulk mail: {cause}")
    return _of_person(_properties(message, config), wants_no_answer(message))


def _of_report(report: FeedbackReport, config: InboxConfig, authenticated: bool | None) -> Verdict:
    """Classify a feedback report. Only recipients of our mail have a token; anyone can write an address into a report."""
    if report.kind not in OPT_OUT_TYPES:
        return Ignore(f"a feedback report of the type {report.kind[:40] or 'none'}, which is not an opt-out")
    token = next(filter(None, map(config.read_token, report.candidates)), None)
    if token is None and report.recipient and config.server is not None and not authenticated:
        reason = f"a feedback report of the type {report.kind}, from a sender who is not authenticated"
        return NeedsReview(reason, address=report.recipient)
    if token is not None or report.recipient:
        return OptOut(f"a feedback report of the type {report.kind}", token, report.recipient, source="feedback report")
    return NeedsReview("a feedback report that does not name the person")


def _of_apple(mail: _Mail) -> Verdict:
    """Classify an opt-out by Apple Mail's button.

    The sender counts unless the receiving server found it forged, because only Apple Mail marks mail like this.
    """
    if not mail.mentions:
        return NeedsReview("an opt-out by a mail program, without the word", address=mail.sender)
    if mail.token is not None or (mail.sender and mail.authenticated is not False):
        return OptOut("an opt-out by a mail program", mail.token, mail.sender, source="mail program")
    return NeedsReview("an opt-out by a mail program, from a sender who is not authenticated", address=mail.sender)


def _of_person(mail: _Mail, wants_silence: bool) -> Verdict:
    cause = "" if mail.is_forward else _unambiguous_cause(mail)
    if cause and (mail.token is not None or (mail.authenticated and mail.sender)):
        return OptOut(cause, mail.token, mail.sender, requested_right=mail.requested_right)
    if mail.requested_right:
        may_answer = bool(mail.sender) and mail.authenticated is not False and not wants_silence
        reason = f"asks for a request of the kind {mail.requested_right}"
        return NeedsReview(reason, mail.requested_right, may_answer, mail.sender)
    if cause:
        return NeedsReview(f"{cause}, from a sender who is not authenticated", address=mail.sender)
    if mail.mentions:
        return NeedsReview("mentions the word, with an unclear meaning", address=mail.sender)
    if mail.is_to_unsubscribe:
        return NeedsReview("sent to the unsubscribe address, without the word", address=mail.sender)
    if any(mentions_unsubscribe(text, mail.own_words) for text in (mail.body, mail.alternative)):
        return Ignore("the word is only in the quoted footer of our own mail", asks_for_nothing=True)
    return Ignore("does not mention unsubscribing, and asks for nothing", asks_for_nothing=True)


def _unambiguous_cause(mail: _Mail) -> str:
    """Return why a mail is certainly an opt-out, or an empty text."""
    own = mail.own_words
    if is_unsubscribe(mail.subject, own):
        return "the subject is the word"
    if mail.is_reply and not mail.answers_subject_with_word and starts_or_ends_with_unsubscribe(mail.subject, own):
        return "a reply that adds the word to the subject"
    answers_by_text = not mail.subject or (mail.is_reply and not mentions_unsubscribe(mail.subject, own))
    if answers_by_text and is_unsubscribe(reply_text(mail.body), own):
        return "the text is the word"
    return ""


def _properties(message: Message, config: InboxConfig) -> _Mail:
    subject, is_reply, is_forward = stripped(header(message, "Subject"))
    answered = [*headers(message, "In-Reply-To"), *headers(message, "References")]
    own_ids = [match for value in answered for match in _message_id.finditer(value)]
    token = next(filter(None, (config.read_token(match[1]) for match in own_ids)), None)
    (body, alternative), recipients = texts(message), addresses(message, *_RECIPIENTS)
    unsubscribe, contact = config.unsubscribe.lower(), config.contact.lower()
    return _Mail(
        subject=subject,
        body=body,
        alternative=alternative,
        sender=email_of(sender(message)),
        is_reply=is_reply or token is not None or _answers_us(answered, config),
        is_forward=is_forward,
        answers_subject_with_word=any(match[2] for match in own_ids),
        token=token,
        authenticated=is_authenticated(message, config.server),
        requested_right=requested_right(subject, reply_text(body)) if contact in recipients else "",
        is_to_unsubscribe=unsubscribe in recipients and unsubscribe != contact,
        quotes_us=token is not None or any(_has_own_link(split_quoted(text)[1], config) for text in (body, alternative)),
        own_words=config.own_words,
    )


def _has_own_link(quoted: str, config: InboxConfig) -> bool:
    return any(config.read_token(match[1]) for match in _unsubscribe_link.finditer(quoted))


def _answers_us(answered: list[str], config: InboxConfig) -> bool:
    hosts = re.findall(r"@([\w.-]+)", " ".join(answered))
    return any(config.is_own_host(host.lower()) for host in hosts)


def _token_in_address(recipients: list[str], config: InboxConfig) -> UnsubscribeToken | None:
    for address in recipients:
        if token := config.read_token(address.rpartition("@")[0].rpartition("+")[2]):
            return token
    return None
