"""E-mails to a person about their request, in the language of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..i18n.language import Language, LocalizedText
from ..policy.model import Policy
from ..policy.parts import in_words
from .request_schema import ERASED, UNCONFIRMED, UNSENT
from .request_store import SubjectRequest

# A sentence of the catalogues.
NOTHING_FOUND = "Nothing found under this address."


@dataclass(frozen=True)
class Email:
    """An e-mail: recipient, subject, text and language."""

    to: str
    subject: str
    text: str
    lang: str


#: Sends an e-mail, or raises :class:`MailError`.
SendEmail = Callable[[Email], None]


def kind_of(kind: str, t: Language) -> LocalizedText:
    """Return the kind of a request in a few words."""
    return {
        "access": t("Get a copy of my data"),
        "correct": t("Correct my data"),
        "delete": t("Delete my data"),
        "restrict": t("Restrict the use of my data"),
        "object": t("Object to the use of my data"),
    }[kind]


def confirmation_email(
    t: Language, site: str, request: SubjectRequest, link: str, until: str, new_address: str = ""
) -> Email:
    """Return the e-mail with the confirmation link, which shows that the address is the person's own.

    It names the new address if the request is to correct an address.
    """
    kind = f"{kind_of(request.kind, t)}{f': {new_address}' if new_address else ''}"
    first = t("%(site)s has received this request, made with your e-mail address: %(kind)s", site=site, kind=kind)
    lines = [first, t("The request number is %(number)s.", number=request.number)]
    text = _joined([*lines, *_link_lines(t, link, until)])
    return Email(request.email, t("Please confirm your request to %(site)s", site=site).text, text, t.code)


def sign_up_email(site: str, to: str, title: str, link: str, until: str, t: Language) -> Email:
    """Return the e-mail with the link that confirms an opt-in."""
    first = t("Your e-mail address was used to sign up at %(site)s: %(title)s", site=site, title=title)
    text = _joined([first, *_link_lines(t, link, until)])
    return Email(to, t("Please confirm your sign-up at %(site)s", site=site).text, text, t.code)


def _link_lines(t: Language, link: str, until: str) -> list[Any]:
    return [
        t("If this was you, open the link and press the button to confirm it. The link works once:"),
        link,
        t("It works until %(date)s.", date=t.date(until)),
        t("If this was not you, ignore this e-mail. Nothing will happen."),
    ]


def extension_email(t: Language, site: str, request: SubjectRequest) -> Email:
    """Return the e-mail with the new deadline and its reason (GDPR art. 12(3))."""
    subject = t("Your request %(number)s to %(site)s will take longer", number=request.number, site=site).text
    until, reason = t.date(request.due), request.reason
    text = t("We need more time, and will answer by %(date)s. Reason: %(reason)s", date=until, reason=reason)
    return _email(request, subject, [text], t)


def answer_email(
    t: Language,
    policy: Policy,
    request: SubjectRequest,
    answer: Mapping[str, Any],
    link: str,
    until: str,
    *,
    is_empty: bool = False,
) -> Email:
    """Return the e-mail with the answer, and the link to the data if there is one. ``is_empty`` is an access to no data."""
    date, kind = t.date(request.opened[:10]), kind_of(request.kind, t)
    lines: list[Any] = [t("Your request of %(date)s: %(kind)s", date=date, kind=kind), *answer_text(policy, answer, t)]
    if is_empty:
        lines.append(t(NOTHING_FOUND))
    if link:
        lines += [t("You can read the answer here until %(date)s:", date=t.date(until)), link]
    subject = t("The answer to your request %(number)s to %(site)s", number=request.number, site=policy.site).text
    return _email(request, subject, lines, t)


def answer_text(policy: Policy, answer: Mapping[str, Any], t: Language) -> list[Any]:
    """Return an answer as sentences.

    They list each store's result, the retained fields with their reasons, the uncovered stores, and the archives' expiry.
    """
    return [sentence for sentence in _sentences(policy, answer, t) if sentence]


def _sentences(policy: Policy, answer: Mapping[str, Any], t: Language) -> Iterator[Any]:
    if answer.get("refused"):
        yield t("We cannot do what you asked. Reason: %(reason)s", reason=answer["refused"])
        yield t("You can complain to a data protection authority, or go to court.")
    text = answer.get("text", "")
    yield t(text) if text in (ERASED, UNCONFIRMED, UNSENT) else text
    for store in answer.get("stores", ()):
        yield "" if "found" in store else _store_result(store, t)
        for field in store.get("kept", ()):
            yield _retained_field(policy, field, t)
    if names := answer.get("not_covered"):
        yield t("This answer does not cover: %(names)s.", names=t.names([in_words(name) for name in names]))
    if until := answer.get("archives"):
        yield t("Backups may contain copies until %(date)s. If we restore one, we delete them again.", date=t.date(until))


def _store_result(store: Mapping[str, Any], t: Language) -> str:
    counts = (
        t("%(number)s deleted", number=store["deleted"]) if store.get("deleted") else "",
        t("%(number)s made anonymous", number=store["anonymised"]) if store.get("anonymised") else "",
        t("%(number)s corrected", number=store["corrected"]) if store.get("corrected") else "",
    )
    result = t.names([count for count in counts if count]) or t("nothing found").text
    return f"{in_words(store['store'])}: {result}"


def _retained_field(policy: Policy, field: Mapping[str, str], t: Language) -> Any:
    table, _, name = field["what"].rpartition(".")
    titles = (t.of(each.title, policy.language).text for each in policy.fields if each.name == name)
    what = next(titles, in_words(name)) + (f" ({in_words(table)})" if table else "")
    if not field["until"]:
        return t("Kept: %(what)s. Reason: %(reason)s", what=what, reason=field["why"])
    until = t.date(field["until"])
    return t("Kept until %(date)s: %(what)s. Reason: %(reason)s", what=what, date=until, reason=field["why"])


def _email(request: SubjectRequest, subject: str, lines: Any, t: Language) -> Email:
    return Email(request.email, subject, _joined(lines), t.code)


def _joined(lines: Any) -> str:
    return "\n\n".join(text for line in lines if (text := str(line))) + "\n"
