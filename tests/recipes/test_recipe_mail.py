"""The recipe for mail without a mail server."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from support.applications import Browser

pytestmark = pytest.mark.recipes


def test_a_mail_is_written_to_a_folder(recipe):
    """A request by a form of the extension leaves a file with its mail."""
    page = recipe("mail")
    app = page.app("shop")
    assert Browser(app).open("/privacy/requests").status_code == 200
    mail = EmailMessage()
    mail["Message-ID"] = "<1@shop.example>"
    with app.app_context():
        app.config["PRIVACY_SEND"](mail)
    assert [path.name for path in (page.folder / "instance" / "mails").iterdir()] == ["1@shop.example.eml"]
