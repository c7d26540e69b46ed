"""The shop's mails: newsletter, receipts and password resets. Each mail names its class."""

from __future__ import annotations

import smtplib
from collections import Counter
from email.message import EmailMessage
from typing import TextIO

import click
import sqlalchemy as sa
from flask import Flask, current_app
from flask.cli import with_appcontext

from flask_mixamo_privacy.errors import MailError

from .database import session
from .extensions import privacy
from .models import Customer, Order, Subscriber

_LIST = "marketing"  # the list of the newsletter's form
_SEND_ERRORS = (OSError, smtplib.SMTPException)


def send_newsletter(subject: str, text: str) -> Counter[str]:
    """Send the newsletter to the subscribers to whom it may be sent. Count the results: "sent", or the reason why not."""
    with session() as open_session:
        addresses = open_session.scalars(sa.select(Subscriber.email).order_by(Subscriber.id)).all()
    return Counter(_newsletter(address, subject, text.strip()) for address in addresses)


def send_receipt(order: Order, clip: str) -> None:
    """Send the receipt of an order. It is sent after an opt-out too."""
    text = f"Thank you, {order.name}.\n\n{clip}: €{order.price}, {order.order}.\n"
    _send_service(order.email, f"Receipt of {order.order}", text, order.order, "purchase")


def send_password_link(customer: Customer, link: str) -> None:
    """Send the link to choose a new password."""
    text = f"Choose a new password within an hour:\n\n{link}\n\nIf it was not you who asked for it, do nothing.\n"
    _send_service(customer.email, "Your new password", text, f"account {customer.id}", "support")


def _newsletter(address: str, subject: str, text: str) -> str:
    """Send one mail, and return "sent" or the reason why not. Decide now, because the subscriber may have opted out."""
    if not (decision := privacy.may_mail(address, "marketing", list=_LIST)):
        return decision.reason
    link = privacy.unsubscribe_url(address, _LIST)
    mail = _mail(address, subject, f"{text}\n\nNo more of these: {link}\nOr reply with “unsubscribe” in the subject.\n")
    try:
        not_sent = _hand_over(mail, privacy.mail_class("marketing", list=_LIST), "marketing")
    except _SEND_ERRORS as error:
        current_app.logger.warning("The newsletter did not reach one address: %s", error)
        return "failed"
    return next((reason.decode() for _, reason in not_sent.values()), "sent")


def _send_service(to: str, subject: str, text: str, reference: str, purpose: str) -> None:
    """Send a service mail. Only log an error, so that the page is served if the mail server cannot be reached."""
    try:
        _hand_over(_mail(to, subject, text), privacy.mail_class("service", reference), purpose)
    except (MailError, *_SEND_ERRORS) as error:
        current_app.logger.warning("A mail was not sent: %s", error)


def _mail(to: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["To"], mail["Subject"] = to, subject
    mail.set_content(text)
    return mail


def _hand_over(mail: EmailMessage, headers: dict[str, str], purpose: str) -> dict[str, tuple[int, bytes]]:
    """Pass a mail to the mail provider, and record the disclosure. Return the recipients to whom it was not sent."""
    privacy.disclose("mail", {"email": mail["To"]}, purpose)
    for name, value in headers.items():
        mail[name] = value
    return privacy.send(mail)


@click.command("newsletter")
@click.argument("subject")
@click.option("--text", type=click.File(encoding="utf-8"), default="-", help="A file; standard input by default.")
@with_appcontext
def newsletter_command(subject: str, text: TextIO) -> None:
    """Send the newsletter to every subscriber who may receive it."""
    try:
        results = send_newsletter(subject, text.read())
    except MailError as error:
        raise click.ClickException(str(error)) from error
    for result, number in sorted(results.items()):
        click.echo(f"{result}: {number}")


def init_app(app: Flask) -> None:
    """Add ``flask newsletter``."""
    app.cli.add_command(newsletter_command)
