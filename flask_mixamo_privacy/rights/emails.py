"""E-mails to a person about their request, in the language of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..i18n.language import Language, stored_language
from .request_store import SubjectRequest


@dataclass(frozen=True)
class Email:
    """An e-mail: recipient, subject, text and language."""

    to: str
    subject: str
    text: str
    lang: str


#: Sends an e-mail, or raises :class:`MailError`.
SendEmail = Callable[[Email], None]


def kind_of(kind: str, t: Language) -> str:
    """Return the kind of a request in a few words."""
    return {
        "access": t("See what is stored about me"),
        "correct": t("Have something corrected"),
        "delete": t("Have it deleted"),
        "restrict": t("Have its use restricted"),
        "object": t("Object to its use"),
    }[kind].text


def confirmation_email(site: str, request: SubjectRequest, link: str, until: str, new_address: str = "") -> Email:
    """Return the e-mail with the confirmation link, which shows that the address is the person's own.

    It names the new address if the request is to correct an address.
    """
    t = stored_language(request.locale)
    kind = kind_of(request.kind, t) + (f": {new_address}" if new_address else "")
    text = confirmation_text(t, site, kind, link, until, request.number)
    return Email(request.email, t("Please confirm your request to %(site)s", site=site).text, text, t.code)


def confirmation_text(t: Language, site: str, kind: str, link: str, until: str, number: int = 0) -> str:
    """Return the text of an e-mail with a link that confirms a request, or an opt-in, which has no number."""
    lines = (
        t("Somebody, probably you, asked %(site)s for this: %(kind)s", site=site, kind=kind),
        t("Its number is %(number)s.", number=number) if number else "",
        t("To confirm that it was you, open this page and press the button. It works once:"),
        link,
        t("It works until %(date)s.", date=t.date(until)),
        t("If it was not you, do nothing, and nothing will be done."),
    )
    return _joined(lines)


def extension_email(site: str, request: SubjectRequest) -> Email:
    """Return the e-mail with the new deadline and its reason (GDPR art. 12(3))."""
    t = stored_language(request.locale)
    subject = t("Your request %(number)s to %(site)s takes longer", number=request.number, site=site).text
    until, reason = t.date(request.due), request.reason
    text = t("We need more time, and answer by %(date)s. The reason: %(reason)s", date=until, reason=reason)
    return _email(request, subject, [text], t)


def answer_email(site: str, request: SubjectRequest, answer: Mapping[str, Any], link: str, until: str) -> Email:
    """Return the e-mail with the answer, and the link to the data if there is one."""
    t = stored_language(request.locale)
    lines = [t("You asked for this on %(date)s: %(kind)s", date=t.date(request.opened[:10]), kind=kind_of(request.kind, t))]
    lines += answer_text(answer, t)
    if link:
        lines += [t("You can read it here until %(date)s:", date=t.date(until)), link]  # type: ignore[list-item]
    subject = t("Your request %(number)s to %(site)s is answered", number=request.number, site=site).text
    return _email(request, subject, lines, t)


def answer_text(answer: Mapping[str, Any], t: Language) -> list[Any]:
    """Return an answer as sentences.

    They list each store's result, the retained fields with their reasons, the uncovered stores, and the archives' expiry.
    """
    return [sentence for sentence in _sentences(answer, t) if sentence]


def _sentences(answer: Mapping[str, Any], t: Language) -> Iterator[Any]:
    if answer.get("refused"):
        yield t("We cannot do what you asked for. The reason: %(reason)s", reason=answer["refused"])
        yield t("You may complain to a data protection authority, or go to court.")
    yield answer.get("text", "")
    for store in answer.get("stores", ()):
        yield _store_result(store, t)
        for field in store.get("kept", ()):
            yield _retained_field(field, t)
    if names := answer.get("not_covered"):
        yield t("Not done by this answer: %(names)s.", names=t.names(names))
    if until := answer.get("archives"):
        yield t("Archives may hold copies until %(date)s. If one is restored, this is done again.", date=t.date(until))


def _store_result(store: Mapping[str, Any], t: Language) -> str:
    counts = (
        t("%(number)s deleted", number=store["deleted"]) if store.get("deleted") else "",
        t("%(number)s made anonymous", number=store["anonymised"]) if store.get("anonymised") else "",
        t("%(number)s corrected", number=store["corrected"]) if store.get("corrected") else "",
        t("%(number)s found", number=store["found"]) if store.get("found") else "",
    )
    return f"{store['store']}: " + (", ".join(str(count) for count in counts if count) or t("nothing to do").text)


def _retained_field(field: Mapping[str, str], t: Language) -> Any:
    name, reason = field["what"], field["why"]
    if not field["until"]:
        return t("Kept: %(what)s. The reason: %(reason)s", what=name, reason=reason)
    return t("Kept: %(what)s, until %(date)s. The reason: %(reason)s", what=name, date=t.date(field["until"]), reason=reason)


def _email(request: SubjectRequest, subject: str, lines: Any, t: Language) -> Email:
    return Email(request.email, subject, _joined(lines), t.code)


def _joined(lines: Any) -> str:
    return "\n\n".join(text for line in lines if (text := str(line))) + "\n"
