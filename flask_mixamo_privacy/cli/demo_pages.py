"""Pages as the invented visitors of ``flask privacy demo-data`` read them: links, and the forms that they may submit."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

_USUAL = 0.06  # how often a visitor submits a form that states no number


class Form(NamedTuple):
    """A form that the demo may submit: ``<form data-privacy-demo>``, or ``="0.4"`` for four visitors in ten.

    An input with that attribute is filled in with its value, in which ``{number}`` is the visitor's number.
    """

    chance: float
    action: str
    fields: list[tuple[str, str]]
    buttons: list[tuple[str, str]]


class Offer(NamedTuple):
    """A link that some visitors follow whatever its rank: ``<a data-privacy-demo="0.4">``."""

    chance: float
    path: str


class ParsedPage(HTMLParser):
    """The links within the site, the links to other sites, and the forms of a page."""

    def __init__(self, html: str, address: str, prefix: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.exits: list[str] = []
        self.forms: list[Form] = []
        self.offers: list[Offer] = []
        self._address, self._prefix = address, prefix
        self._form: Form | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in values:
            self._link(urljoin(self._address, values["href"]))
            if chance := values.get("data-privacy-demo"):
                self.offers.append(Offer(float(chance), values["href"]))
        elif tag == "form":
            often = float(values.get("data-privacy-demo") or _USUAL)
            self._form = Form(often, values.get("action", ""), [], []) if "data-privacy-demo" in values else None
        elif tag in ("input", "textarea", "button") and values.get("name"):
            self._field(tag, values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.forms.append(self._form)
            self._form = None

    def _field(self, tag: str, values: dict[str, str]) -> None:
        if self._form is not None:
            fields = self._form.buttons if tag == "button" else self._form.fields
            fields.append((values["name"], values.get("data-privacy-demo") or values.get("value", "")))

    def _link(self, address: str) -> None:
        target, current = urlsplit(address), urlsplit(self._address)
        if target.netloc != current.netloc:
            if target.scheme in ("http", "https"):
                self.exits.append(f"{target.scheme}://{target.netloc}{target.path}")
        elif not f"{target.path}/".startswith(f"{self._prefix}/"):
            path = f"{target.path}?{target.query}" if target.query else target.path
            if path not in self.links:
                self.links.append(path)
