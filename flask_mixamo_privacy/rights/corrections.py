"""Corrections: which fields staff may set, and the links without which no address is set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from unicodedata import normalize

from ..errors import RequestError
from ..policy.model import Policy
from ..storage.clock import timestamp
from ..storage.keys import is_email, normalise_subject
from .data_subjects import DataSubjects
from .request_mail import RequestMail
from .request_store import RequestStore, SubjectRequest
from .rows import holds_address, is_protected

#: What a mail server may read as an address, such as one with a name, or one of several.
_AN_ADDRESS = re.compile(r"\S@\S")


class Corrections:
    """Checks the changes of a correction before any store is changed."""

    def __init__(self, policy: Policy, request_store: RequestStore, data_subjects: DataSubjects, mail: RequestMail) -> None:
        self._policy = policy
        self._request_store = request_store
        self._data_subjects = data_subjects
        self._mail = mail

    @property
    def fields(self) -> list[str]:
        """The declared fields that may be corrected, in the policy's order.

        Credentials, rights and keys are not among them, because staff who set one could act as the person.
        """
        protected = self._data_subjects.stores.special_fields("protected")
        return [field.name for field in self._policy.fields if not (is_protected(field.name) or field.name in protected)]

    def check(self, request: SubjectRequest, changes: Mapping[str, str], base: str) -> dict[str, str]:
        """Return the changes with addresses in their one spelling. Raises :class:`RequestError` if one is not allowed.

        An address is allowed once a link to the old and one to the new address were opened. Missing links are sent.
        """
        allowed = self.fields
        for name in changes:
            if name not in allowed:
                hint = (
                    "Write it as the policy does, or declare it in [[fields]]. Passwords, tokens, roles and keys are never "
                    "corrected."
                )
                raise RequestError("The field to correct", name, ", ".join(sorted(allowed)) or "none", hint)
        addresses = {name: self._address(name, value) for name, value in changes.items() if self._is_address(name, value)}
        for address in dict.fromkeys(addresses.values()):
            self._require_links(request, address, base)
        return {**changes, **addresses}

    def _is_address(self, name: str, value: str) -> bool:
        is_subject = name in self._data_subjects.stores.special_fields("subject")
        return is_subject or holds_address(name) or _AN_ADDRESS.search(normalize("NFKC", value)) is not None

    def _address(self, name: str, value: str) -> str:
        address = normalise_subject(value)
        if not is_email(address):
            allowed = "a mail address, or a text without one"
            raise RequestError(f"The new value of {name}", value, allowed, "Ask the person for it.")
        return address

    def _require_links(self, request: SubjectRequest, new: str, base: str) -> None:
        """Raise unless the holders of both addresses agreed to the new one, and send the links that are missing.

        The link that confirmed the request does not count for the old address, because its mail names no new one.
        """
        waiting = [address for address in (request.email, new) if not self._was_opened(request, address, new)]
        for address in waiting:
            self._mail.send_address_link(request, address, new, self._page(address, new), base)
        if waiting:
            hint = "Links are mailed. Answer again once the person has opened them, or refuse the request."
            raise RequestError(
                f"The new address of request {request.number}", new, "one to which both addresses agreed", hint
            )

    def _was_opened(self, request: SubjectRequest, address: str, new: str) -> bool:
        return self._request_store.has_link(request.number, f"opened {self._page(address, new)}", timestamp())

    def _page(self, address: str, new: str) -> str:
        """Return the name of the page by which the holder of one address agrees to the new one."""
        return self._data_subjects.pseudonymise(f"{address} {new}")[1][:32]
