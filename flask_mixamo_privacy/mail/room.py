"""The mail room of one site: what may leave, with which headers, and how often something was held back."""

from __future__ import annotations

import secrets
from collections import Counter
from email.headerregistry import Address
from email.utils import format_datetime, make_msgid

from ..config import Settings
from ..ledger.ledger import Ledger
from ..storage.keys import Keys
from ..storage.moments import now
from ..storage.subjects import email_of
from .choices import EVERYTHING
from .decision import Decision, checked
from .label import Label
from .marketing import IsMinor, Marketing
from .tokens import UnsubscribeLinks
from .words import at_an_end


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
        self.links = UnsubscribeLinks(self.marketing.tokens, settings.url_prefix, self.unsubscribe)

    def may_mail(self, address: str, mail_class: object, reference: object = None, list_name: str | None = None) -> Decision:
        """Decide at this moment; raises :class:`MailClassError` for a mail that does not say what it is."""
        if checked(mail_class, reference) == "marketing":
            return self._counted(self.marketing.may_mail(address, list_name))
        return self._counted(Decision(bool(email_of(address)), str(mail_class) if email_of(address) else "no-address"))

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
        return self.links.headers(address, list_name, base) | {"Message-ID": self.message_id(address, list_name, subject)}

    def stationery(self) -> dict[str, str]:
        """The headers that every mail of ours has."""
        sender = str(Address(self._name, addr_spec=self.sender)) if self.sender else ""
        made = make_msgid(domain=self.sender.rpartition("@")[2] or None)
        return {"From": sender, "Date": format_datetime(now()), "Message-ID": made}

    def _counted(self, decision: Decision) -> Decision:
        if not decision:
            self.held_back[decision.reason] += 1
        return decision
