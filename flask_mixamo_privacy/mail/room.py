"""The mail room of one site: what may leave, with which headers, and how often something was held back."""

from __future__ import annotations

import secrets
from collections import Counter
from email.headerregistry import Address
from email.utils import format_datetime, make_msgid
from urllib.parse import quote

from ..config import Settings
from ..keys import Keys
from ..ledger import Ledger
from ..rights.moments import now
from ..rights.subjects import email_of
from .choices import EVERYTHING
from .decision import Decision, checked
from .label import Label
from .marketing import IsMinor, Marketing
from .words import at_an_end

_LONGEST_NAME = 64  # characters before the @ of an address (RFC 5321 4.5.3.1.1)


class Room:
    """Building it touches no disk."""

    def __init__(self, settings: Settings, ledger: Ledger, keys: Keys, is_minor: IsMinor) -> None:
        policy = settings.policy
        self.marketing = Marketing(settings.rights_url, ledger, keys, policy, is_minor)
        self.held_back: Counter[str] = Counter()  # in this process, by reason
        self.unsubscribe = policy.marketing.unsubscribe if policy.marketing else ""
        self.contact = policy.contact.email if policy.contact else ""
        self.sender = settings.mail_from or self.contact or self.unsubscribe
        self._name = policy.site
        self.pages = settings.url_prefix

    def may_mail(self, address: str, mail_class: object, reference: object = None, list_name: str | None = None) -> Decision:
        """Decide at this moment; raises :class:`MailClassError` for a mail that does not say what it is."""
        if checked(mail_class, reference) == "marketing":
            return self._counted(self.marketing.may_mail(address, list_name))
        return self._counted(Decision(bool(email_of(address)), str(mail_class) if email_of(address) else "no-address"))

    def link(self, address: str, list_name: str, base: str) -> str:
        """The address of the page where somebody unsubscribes."""
        return f"{base}{self.pages}/unsubscribe/{self.marketing.tokens.make(address, list_name)}"

    def headers(self, address: str, list_name: str, base: str) -> dict[str, str]:
        """``List-Unsubscribe`` (RFC 2369) and ``List-Unsubscribe-Post`` (RFC 8058).

        The address of the page is an https one in any case: RFC 8058 knows no other.
        """
        ways = [f"<{self.link(address, list_name, 'https://' + base.partition('://')[2])}>"]
        name, _, host = self.unsubscribe.rpartition("@")
        plus = f"{name}+{self.marketing.tokens.make(address, list_name)}"
        if name and len(plus) <= _LONGEST_NAME:
            ways.append(f"<mailto:{quote(plus, safe='+')}@{host}?subject=unsubscribe>")
        return {"List-Unsubscribe": ", ".join(ways), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}

    def message_id(self, address: str, list_name: str, subject: str) -> str:
        """A Message-ID by which the reply to a mail tells whose it is.

        Its last part is kept from replies that add nothing: a subject of ours that has the word itself.
        """
        own = ".word" if at_an_end(subject) else ""
        token = self.marketing.tokens.make(address, list_name)
        return f"<{token}.{secrets.token_hex(8)}{own}@{self.sender.rpartition('@')[2]}>"

    def dressing(self, address: str, label: Label, subject: str, base: str) -> dict[str, str]:
        """The headers by which a mail that is about to leave can be stopped; none for what is no marketing."""
        if label.mail_class != "marketing":
            return {}
        list_name = label.list or EVERYTHING
        return self.headers(address, list_name, base) | {"Message-ID": self.message_id(address, list_name, subject)}

    def stationery(self) -> dict[str, str]:
        """The headers that every mail of ours has."""
        sender = str(Address(self._name, addr_spec=self.sender)) if self.sender else ""
        made = make_msgid(domain=self.sender.rpartition("@")[2] or None)
        return {"From": sender, "Date": format_datetime(now()), "Message-ID": made}

    def _counted(self, decision: Decision) -> Decision:
        if not decision:
            self.held_back[decision.reason] += 1
        return decision
