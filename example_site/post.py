"""The shop's post: the newsletter, receipts, and the way back into an account. Each mail says what it is."""

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

_LIST = "marketing"  # the one that the form of the newsletter signs up to
_FAULTS = (OSError, smtplib.SMTPException)


def send_newsletter(subject: str, text: str) -> Counter[str]:
    """Write to everybody on the list who may be written to now; gives how many were, and why others were not."""
    with session() as open_session:
        addresses = open_session.scalars(sa.select(Subscriber.email).order_by(Subscriber.id)).all()
    return Counter(_newsletter(address, subject, text.strip()) for address in addresses)


def send_receipt(order: Order, clip: str) -> None:
    """The receipt of an order, which arrives whatever its buyer thinks of newsletters."""
    text = f"Thank you, {order.name}.\n\n{clip}: €{order.price}, {order.order}.\n"
    _send_service(order.email, f"Receipt of {order.order}", text, order.order, "purchase")


def send_way_back(customer: Customer, link: str) -> None:
    """The link to choose a new password."""
    text = f"Choose a new password within an hour:\n\n{link}\n\nIf it was not you who asked for it, do nothing.\n"
    _send_service(customer.email, "Your new password", text, f"account {customer.id}", "support")


def _newsletter(address: str, subject: str, text: str) -> str:
    """Decided on as each mail leaves: between the sign-up and now lies whatever somebody has said since."""
    if not (decision := privacy.may_mail(address, "marketing", list=_LIST)):
        return decision.reason
    link = privacy.unsubscribe_url(address, _LIST)
    mail = _mail(address, subject, f"{text}\n\nNo more of these: {link}\nOr reply with “unsubscribe” in the subject.\n")
    try:
        held_back = _hand_over(mail, privacy.mail_class("marketing", list=_LIST), "marketing")
    except _FAULTS as error:
        current_app.logger.warning("The newsletter did not reach one address: %s", error)
        return "failed"
    return next((reason.decode() for _, reason in held_back.values()), "sent")


def _send_service(to: str, subject: str, text: str, reference: str, purpose: str) -> None:
    """Send what is no newsletter; that the post is away keeps no page from being served."""
    try:
        _hand_over(_mail(to, subject, text), privacy.mail_class("service", reference), purpose)
    except (MailError, *_FAULTS) as error:
        current_app.logger.warning("A mail was not sent: %s", error)


def _mail(to: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["To"], mail["Subject"] = to, subject
    mail.set_content(text)
    return mail


def _hand_over(mail: EmailMessage, label: dict[str, str], purpose: str) -> dict[str, tuple[int, bytes]]:
    """Give a mail to the company that delivers it; gives whom it was held back from."""
    privacy.disclose("mail", {"email": mail["To"]}, purpose)
    for name, value in label.items():
        mail[name] = value
    return privacy.send(mail)


@click.command("newsletter")
@click.argument("subject")
@click.option("--text", type=click.File(encoding="utf-8"), default="-", help="A file; the standard input by default.")
@with_appcontext
def newsletter_command(subject: str, text: TextIO) -> None:
    """Send the newsletter to everybody who wants it."""
    try:
        counted = send_newsletter(subject, text.read())
    except MailError as error:
        raise click.ClickException(str(error)) from error
    for what, number in sorted(counted.items()):
        click.echo(f"{what}: {number}")


def init_app(app: Flask) -> None:
    """Add ``flask newsletter``."""
    app.cli.add_command(newsletter_command)
