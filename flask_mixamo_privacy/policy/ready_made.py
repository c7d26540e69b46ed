"""Ready-made services: what ``use = "youtube"`` in a ``[[services]]`` table stands for.

The files in ``services/`` hold facts about each service, with the pages that state them. These are the vendor's, and pages
of others where no page of the vendor was found. The files are read when a declaration first uses one. The declaration that
results is explicit: its hosts, companies and cookies are those of a declaration that spells them out. Fingerprints and
frozen versions therefore show a later change.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..i18n.language import Language, LocalizedText
from .parts import Banner, Period, Service
from .validation import is_period

if TYPE_CHECKING:
    from .model import Policy

FOLDER = Path(__file__).parent / "services"

#: Sentences of the catalogues: the descriptions of the purposes below.
LOADS = "Pages load this from other companies, which then learn that you are here."
RECORDS = "Other companies record what you do on this site."

#: The title and the description of each purpose that a ready-made service may have. They are sentences of the catalogues.
PURPOSES = {
    "media": ("Videos and sound", LOADS),
    "maps": ("Maps", LOADS),
    "fonts": ("Fonts and scripts", LOADS),
    "analytics": ("Statistics by other companies", RECORDS),
    "errors": ("Error reports", LOADS),
    "chat": ("Chat, bookings and forms", LOADS),
    "payment": ("Payment", LOADS),
    "security": ("Protection against bots", LOADS),
    "social": ("Social media and comments", LOADS),
    "advertising": ("Advertising", RECORDS),
}

#: The retention of a purpose whose services set no cookie with a lifetime: that of the decision itself.
_RETENTION = "6 months"


@dataclass(frozen=True)
class ReadyMade:
    """One ready-made service: the keys of its ``[[services]]`` table, those of its cookies, and its sources."""

    service: Mapping[str, Any]
    cookies: tuple[Mapping[str, Any], ...]
    sources: tuple[str, ...]  # pages and code of the vendor; the first one states hosts
    other_sources: tuple[str, ...]  # pages of others, for what no page of the vendor was found to state
    checked: str  # the day on which the pages were read

    @property
    def id(self) -> str:
        return str(self.service["id"])

    def covers(self, host: str, load: str = "") -> bool:
        """Return whether the service has a host, and the kind of load, if that is not empty."""
        hosts, loads = tuple(self.service["hosts"]), tuple(self.service["loads"])
        return Service(self.id, "", "", hosts, loads).covers(host, load)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        cookies = [dict(cookie) for cookie in self.cookies]
        pages = {"sources": list(self.sources), "other_sources": list(self.other_sources)}
        return {**self.service, "cookies": cookies, **pages, "checked": self.checked}


@cache
def ready_made() -> Mapping[str, ReadyMade]:
    """Return every ready-made service by its id."""
    found: dict[str, ReadyMade] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            found[name] = _entry(name, table)
    return found


def _entry(name: str, table: dict[str, Any]) -> ReadyMade:
    sources, other_sources = tuple(table.pop("sources")), tuple(table.pop("other_sources", ()))
    checked, cookies = table.pop("checked"), table.pop("cookies", [])
    for cookie in cookies:  # the vendor's page describes the cookie; no sentence of ours does so in every language
        cookie["description"] = cookie.pop("source", sources[0])
    values = ({"purpose": table["purpose"], "service": name} | cookie for cookie in cookies)
    return ReadyMade({"id": name, **table}, tuple(values), sources, other_sources, checked)


#: What an error states as allowed. The ids are too many for a message.
ANY_ID = "the id of a ready-made service"


def hint_on_names(name: str) -> str:
    """Return the next step for a name that no ready-made service has: ids that resemble it, and the command to list all."""
    import difflib  # only for an error

    near = difflib.get_close_matches(name, ready_made(), n=3, cutoff=0.6)
    similar = f"Similar ids: {', '.join(near)}. " if near else ""
    return f"{similar}List all ids with `flask privacy services`."


def services_of_host(host: str, load: str = "") -> list[str]:
    """Return the ids of the ready-made services with this host. A whole name precedes a pattern."""
    found = [entry for entry in ready_made().values() if entry.covers(host, load)]
    found.sort(key=lambda entry: host not in entry.service["hosts"])
    return [entry.id for entry in found]


def banner_text(policy: Policy, t: Language) -> LocalizedText:
    """Return the banner's text. The standard text continues with the purposes for which other companies are involved.

    Otherwise it would state that only the site's own cookies are used, and omit what the button "Accept all" grants.
    """
    text = t.of(policy.banner.text, policy.language)
    if policy.banner.text != Banner.text:
        return text
    titles: dict[str, list[str]] = {}
    for purpose in policy.optional:
        for sentence in dict.fromkeys(map(_about, (s for s in policy.services_of(purpose.id) if s.use or s.company))):
            titles.setdefault(t(sentence).text, []).append(t.of(purpose.title, policy.language).text)
    added = (f"{t.names(names)} – {description}" for description, names in titles.items())
    return LocalizedText(" ".join((text.text, *added)), text.lang, text.foreign)


def _about(service: Service) -> str:
    """Return the standard sentence on what a service does, whatever the site writes about the purpose that it has."""
    entry = ready_made().get(service.use) if service.use else None
    return PURPOSES[entry.service["purpose"]][1] if entry is not None else LOADS


# The expansion of a declaration.


def expand(tables: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return a declaration's tables with what each ``use`` stands for, and the problems of these.

    A key of the site's own table takes precedence. So does each key of a ``[[cookies]]`` table that changes a service's
    cookie. A purpose that the site does not declare is added.
    """
    services = tables.get("services")
    if not isinstance(services, list) or not any(isinstance(table, dict) and "use" in table for table in services):
        return tables, []
    expansion = _Expansion(tables)
    return expansion.tables(services), expansion.problems


class _Expansion:
    """The expansion of one declaration."""

    def __init__(self, tables: dict[str, Any]) -> None:
        site = tables.get("site")
        self._language = site.get("language", "en") if isinstance(site, dict) else "en"
        self._tables = tables
        self._cookies: dict[tuple[str, str], dict[str, Any]] = {}  # by name and party
        self.problems: list[Problem] = []

    def tables(self, services: list[Any]) -> dict[str, Any]:
        expanded = [self._service(table) if isinstance(table, dict) and "use" in table else table for table in services]
        kept = [table for table in expanded if table is not None]
        cookies = self._with_cookies()
        return self._tables | {"services": kept} | cookies | self._with_purposes(kept, cookies.get("cookies", []))

    def _service(self, table: dict[str, Any]) -> dict[str, Any] | None:
        """Return the whole table of a service. None if there is no such ready-made service."""
        use = table["use"]
        entry = ready_made().get(use) if isinstance(use, str) else None
        if entry is None:
            name = table.get("id") or use
            self.problems.append(Problem(f"services.{name}.use", use, ANY_ID, hint_on_names(str(use))))
            return None
        service = {**entry.service, **table}
        names = service.pop("cookies", None)
        for cookie in self._chosen(entry, names, f"services.{service['id']}.cookies"):
            self._add_cookie({**cookie, "purpose": service["purpose"], "service": service["id"]})
        return service

    def _chosen(self, entry: ReadyMade, names: object, key: str) -> Iterator[Mapping[str, Any]]:
        """Yield the cookies of a service that the site uses: all, or those that its key ``cookies`` names."""
        known = [cookie["name"] for cookie in entry.cookies]
        if names is not None and not (isinstance(names, list) and all(name in known for name in names)):
            hint = "Name the cookies of the ready-made service that this site uses, or leave the key out for all."
            self.problems.append(Problem(key, names, f"a list of {', '.join(known) or 'none'}", hint))
            return
        yield from (cookie for cookie in entry.cookies if names is None or cookie["name"] in names)

    def _add_cookie(self, cookie: dict[str, Any]) -> None:
        """Add a cookie. A name has one table for each party, so a cookie of two services of a purpose belongs to neither."""
        former = self._cookies.setdefault((cookie["name"], cookie["party"]), cookie)
        if former is not cookie and former["purpose"] == cookie["purpose"]:
            former.pop("service", None)

    def _with_cookies(self) -> dict[str, Any]:
        own = self._tables.get("cookies", [])
        if not isinstance(own, list):
            return {}
        merged = [self._merged(table) if isinstance(table, dict) else table for table in own]
        return {"cookies": [*merged, *self._cookies.values()]}

    def _merged(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return a cookie's table of the site, completed by the ready-made one that it changes."""
        for key, ready in self._cookies.items():
            if _changes(table, ready):
                del self._cookies[key]
                if table.get("purpose", ready["purpose"]) != ready["purpose"]:
                    ready.pop("service", None)
                return {**ready, **table}
        return table

    def _with_purposes(self, services: Iterable[Any], cookies: list[Any]) -> dict[str, Any]:
        """Return the purposes with those that only ready-made services have, in the order of their first use."""
        own = self._tables.get("purposes", [])
        if not isinstance(own, list):
            return {}
        known = [table.get("id") for table in own if isinstance(table, dict)]
        used = [table["purpose"] for table in services if isinstance(table, dict) and "use" in table]
        names = dict.fromkeys(name for name in used if isinstance(name, str))  # validation reports any other value
        added = [name for name in names if name in PURPOSES and name not in known]
        return {"purposes": [*own, *(self._purpose(name, cookies) for name in added)]}

    def _purpose(self, name: str, cookies: list[Any]) -> dict[str, Any]:
        stored = [table for table in cookies if isinstance(table, dict) and table.get("purpose") == name]
        periods = [str(table.get("lifetime")) for table in stored if is_period(str(table.get("lifetime")))]
        longest = max(periods, key=lambda text: Period.parse(text).days, default=_RETENTION)
        title, description = map(self._standard, PURPOSES[name])
        return {"id": name, "title": title, "description": description, "retention": longest}

    def _standard(self, text: str) -> str | dict[str, str]:
        """Return a sentence of the catalogues as a text of the declaration."""
        return text if self._language == "en" else {"en": text}


def _changes(table: dict[str, Any], ready: dict[str, Any]) -> bool:
    """Return whether a table of the site is about a cookie of a service, and not about one of its own with the same name.

    A table with another purpose is about the service's cookie only if both are of one party, so that browsers store one.
    """
    party = table.get("party")
    if table.get("name") != ready["name"] or party not in (None, ready["party"]):
        return False
    return table.get("purpose") in (None, ready["purpose"]) or (party or "first") == ready["party"]
