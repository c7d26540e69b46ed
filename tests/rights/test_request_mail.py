"""Mail by SMTP, with a real server on loopback."""

import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

pytestmark = pytest.mark.usefixtures("clock")


class Inbox:
    def __init__(self):
        self.mails, self.logins = [], []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"

    def login(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss")


@pytest.fixture
def mail_server():
    """Starts a mail server with these options; returns its inbox and its port."""
    started = []

    def start(**options):
        inbox = Inbox()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = Controller(
            inbox, hostname="127.0.0.1", port=port, authenticator=inbox.login, auth_require_tls=False, **options
        )
        controller.start()
        started.append(controller)
        return inbox, port

    yield start
    for controller in started:
        controller.stop()


def test_promise_32_the_link_arrives_by_smtp(people, mail_server):
    """The confirmation arrives from the policy's contact at the normalised address, marked as automatic, and its link
    works."""
    inbox, port = mail_server()
    site = people(PRIVACY_SMTP_URL=f"smtp://127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask("access", "  Ada@Shop.Example ")
    assert site.process().output == "1 link sent.\n"
    ((to, mail),) = inbox.mails
    assert (to, mail["From"], mail["Auto-Submitted"]) == (
        ["ada@shop.example"],
        "Shop <privacy@shop.example>",
        "auto-generated",
    )
    assert site.site.visitor().post(site.link(mail)).status_code == 200


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_mail_server_may_require_a_password(people, mail_server):
    """The password in the URL is percent-decoded."""
    inbox, port = mail_server(auth_required=True)
    site = people(PRIVACY_SMTP_URL=f"smtp://post:p%40ss@127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask()
    assert site.process().exit_code == 0 and inbox.logins == [(b"post", b"p@ss")] and len(inbox.mails) == 1


def test_a_mail_server_without_encryption_receives_no_mail_if_tls_is_required(people, mail_server):
    """With smtps:// no mail is sent in plain text."""
    inbox, port = mail_server()
    site = people(PRIVACY_SMTP_URL=f"smtps://127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask()
    assert "The mail could not be sent: SSLError" in site.process().output and inbox.mails == []


def test_an_unreachable_mail_server_is_reported(people):
    """The failure is reported, and the request stays open."""
    site = people(PRIVACY_SMTP_URL="smtp://127.0.0.1:9", PRIVACY_SEND=None)
    site.ask()
    outcome = site.process()
    assert outcome.exit_code == 1 and "The mail could not be sent: ConnectionRefusedError" in outcome.output
    assert site.rights.request_store.find(1).state == "open"


def test_promise_32_the_link_arrives_at_a_name_beyond_ascii(people, mail_server):
    """A server that accepts UTF-8 (RFC 6531) receives the address as it is, and no part of it encoded."""
    inbox, port = mail_server(enable_SMTPUTF8=True)
    site = people(PRIVACY_SMTP_URL=f"smtp://127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask("access", "Jörg@Bücher.example")
    assert site.process().output == "1 link sent.\n"
    ((to, mail),) = inbox.mails
    assert to == ["jörg@xn--bcher-kva.example"] and mail["To"] == to[0]


def test_a_mail_server_without_utf8_is_named(people, mail_server):
    """The error names the extension that is missing, and no address."""
    _inbox, port = mail_server(enable_SMTPUTF8=False)
    site = people(PRIVACY_SMTP_URL=f"smtp://127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask("access", "jörg@shop.example")
    assert site.process().output == (
        "0 links sent.\nRequest 1: The mail could not be sent: the name in the address has letters beyond ASCII, and the mail "
        "server does not accept them. Set PRIVACY_SMTP_URL to a server with SMTPUTF8 (RFC 6531).\n"
    )


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a..b", ".a", "a.", "a(b", "a;b", "a:b", "ä..b", '"a,b"', "a[b", "a\\b"])
def test_promise_32_the_link_arrives_at_a_name_in_quotes(people, mail_server, name):
    """A name that RFC 5322 allows only in quotes gets them, and stays one recipient."""
    inbox, port = mail_server(enable_SMTPUTF8=True)
    site = people(PRIVACY_SMTP_URL=f"smtp://127.0.0.1:{port}", PRIVACY_SEND=None)
    site.ask("access", f"{name}@shop.example")
    assert site.process().output == "1 link sent.\n"
    ((to, mail),) = inbox.mails
    assert len(to) == 1 and [address.domain for address in mail["To"].addresses] == ["shop.example"]
