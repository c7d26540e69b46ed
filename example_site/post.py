"""The shop's post: a newsletter, receipts, and the way back into an account. Each mail says what it is."""

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

from . import catalogue, records
from .extensions import privacy

_FAULTS = (OSError, smtplib.SMTPException)


def send_newsletter(subject: str, text: str) -> Counter[str]:
    """Write to everybody on the list who may be written to now; gives how many were, and were not for which reason."""
    with records.session() as session:
        addresses = list(session.scalars(sa.select(records.Subscription.email).order_by(records.Subscription.id)))
    return Counter(_newsletter(address, subject, text) for address in addresses)


def send_receipt(order: records.Order) -> None:
    """The receipt of an order: it arrives whatever its buyer wants of newsletters."""
    clip = catalogue.find(order.order)
    name = clip.name if clip else order.order
    text = f"Thank you, {order.name}.\n\nOrder {order.number}: {name}, €{order.price}.\n"
    _send(
        _mail(order.email, f"Receipt of order {order.number}", text), privacy.mail_class("service", f"order {order.number}")
    )


def send_way_back(customer: records.Customer, link: str) -> None:
    """The link to choose a new password."""
    text = f"Choose a new password within an hour:\n\n{link}\n\nIf it was not you who asked for it, do nothing.\n"
    _send(_mail(customer.email, "Your new password", text), privacy.mail_class("service", f"account {customer.id}"))


def _newsletter(address: str, subject: str, text: str) -> str:
    link = privacy.unsubscribe_url(address)
    mail = _mail(
        address, subject, f"{text.strip()}\n\n-- \nNo more of these: {link}\nOr reply with “unsubscribe” in the subject.\n"
    )
    try:
        held_back = privacy.send(_labelled(mail, privacy.mail_class("marketing")))
    except _FAULTS as error:
        current_app.logger.warning("The newsletter did not reach one address: %s", error)
        return "failed"
    return next((reason.decode() for _, reason in held_back.values()), "sent")


def _send(mail: EmailMessage, label: dict[str, str]) -> None:
    """Send what is no newsletter; that the post is away keeps no page from being served."""
    try:
        privacy.send(_labelled(mail, label))
    except (MailError, *_FAULTS) as error:
        current_app.logger.warning("A mail was not sent: %s", error)


def _mail(to: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["To"], mail["Subject"] = to, subject
    mail.set_content(text)
    return mail


def _labelled(mail: EmailMessage, label: dict[str, str]) -> EmailMessage:
    for name, value in label.items():
        mail[name] = value
    return mail


@click.command("newsletter")
@click.argument("subject")
@click.option(
    "--text", type=click.File(encoding="utf-8"), default="-", help="A file with the text; the standard input by default."
)
@with_appcontext
def newsletter_command(subject: str, text: TextIO) -> None:
    """Send the newsletter to everybody who wants it."""
    for what, number in sorted(send_newsletter(subject, text.read()).items()):
        click.echo(f"{what}: {number}")


def init_app(app: Flask) -> None:
    """Add ``flask newsletter``."""
    app.cli.add_command(newsletter_command)
