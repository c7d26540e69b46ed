"""Targets that are requests of this site's own pages: forms of visitors, forms of staff, and a visitor's own data."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import sqlalchemy as sa
from flask import Flask, Request
from flask_login import LoginManager

from conftest import Tiny
from flask_mixamo_privacy import acceptance_required
from flask_mixamo_privacy.policy.parts import Contact, Requests
from flask_mixamo_privacy.rights.request_store import KINDS
from support.form_site import add_form, policy
from support.fuzz.mutation import LONGEST, mutated
from support.fuzz.requests import open_page
from support.fuzz.texts import CANARY, Target
from support.login_site import Person
from support.people_site import Account, People, settle

_OWN = {"Sec_Fetch_Site": "same-origin", "Origin": "http://localhost", "Content_Type": "application/x-www-form-urlencoded"}
_FOREIGN = _OWN | {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"}
_LICENCE, _FILE = "/privacy/licence/licence", "/file"
_FORMS = (
    "acceptance=yes&version=0123&next=%2Ffile",
    "acceptance=yes&shown=abc.notice.en.0123&email=ada%40mail.example&privacy_birth_year=2001&next=//evil.example",
    "choice=save&purpose=statistics&service=a&shown=abc.banner.en.0123&next=%2Fother",
    f"kind=access&email={CANARY}&message=a&name=Ada",
    "kind=delete&email=ada%2B1%40mail.example&confirm=1",
    "privacy_opt_in=marketing&old_enough=1&privacy_birth_day=1&privacy_birth_month=2&privacy_birth_year=1999&shown=",
    '{"kind": "access", "email": "ada@mail.example", "message": ["a"]}',
    '{"csp-report": {"effective-directive": "img-src", "blocked-uri": "https://a.example", "document-uri": "http://localhost/a"}}',
)
_POSTS = (
    *(
        _LICENCE,
        "/privacy/consent",
        "/privacy/requests",
        "/privacy/me/erase",
        "/privacy/csp-report",
        "/privacy/unsubscribe/a",
    ),
    *("/privacy/requests/confirm/a", "/privacy/requests/answer/a", "/registration", "/newsletter", "/pictures", "/account"),
)
_ACTS = (
    "act=answer&identity=showed+a+passport&text=Done.&field=name&value=Augusta",
    "act=answer&identity=passport&field=email&value=augusta%40new.example",
    "act=answer&identity=passport&field=password_hash&value=known",
    "act=refuse&identity=passport&text=No.",
    "act=extend&text=Much+to+do.",
)
_PAGES = ("reports?window=", "reports?period=", "reports/pages.csv?window=", "reports/", "health?format=", "requests/staff/")


class Office:
    """A site with forms, a licence, people and staff. Limits of requests are off."""

    def __init__(self, folder: Path) -> None:
        declared = policy(site="Shop", contact=Contact("Shop", "privacy@shop.example"), requests=Requests())
        config: dict[str, Any] = {
            "PRIVACY_POLICY": declared,
            "PRIVACY_CSP": "report-only",
            "PRIVACY_SEND": lambda mail: None,
        }
        self.people: People = settle(
            lambda **values: Tiny(folder, **values), folder, **config, PRIVACY_STAFF=lambda user, need: True
        )
        self.app: Flask = self.people.site.app
        LoginManager(self.app).request_loader(_staff)
        for point in declared.collection:
            add_form(self.people.site, point.id, ("marketing",))
        self.people.site.view(_FILE, acceptance_required("licence", text="You may use it.")(lambda: "the file"))
        self.requests = self.people.rights.requests
        self.requests.network_limit.require = lambda *_: None
        self.people.add("ada@shop.example")
        self.number = 0

    def open_request(self, chance: int) -> int:
        """Return the number of an open request, which is a new one if the last one is closed."""
        if not self.people.rows(Account):
            self.people.add("ada@shop.example", only=Account)
        if not self.number or self.requests.request_store.find(self.number).state not in ("open", "verified"):
            about = {"locale": "en", "base": "http://localhost", "source": "form"}
            self.number = self.requests.open(KINDS[chance % len(KINDS)], "ada@shop.example", "Please.", **about)
        return self.number

    def state(self) -> tuple[str, int]:
        """Return what a post from another site must not change."""
        asked = self.requests.request_store.find(self.number)
        return asked.state, asked.extended

    def hashes(self) -> set[str]:
        """Return the passwords of all accounts, at least of one."""
        with self.people.engine.connect() as connection:
            return set(connection.scalars(sa.select(Account.password_hash)))


def _staff(request: Request) -> Person | None:
    return Person("ann") if "X-Staff" in request.headers else None


def targets(folder: Path) -> tuple[Target, ...]:
    """Return the targets of a new site in this folder."""
    (folder / "office").mkdir()
    office = Office(folder / "office")

    def own_forms(text: str) -> None:
        """A form of this site breaks no page and leads to no other site. Only a yes accepts a licence."""
        path, body = _POSTS[len(text) % len(_POSTS)], _body(text)
        kind = "application/json" if text.startswith("{") else _OWN["Content_Type"]
        _, found, _ = open_page(office.app, path, "POST", body, **_OWN | {"Content_Type": kind, "X_Staff": "ann"})
        _check_location(found)
        _, found, _ = open_page(office.app, _LICENCE, "POST", body, **_OWN)
        _check_location(found)
        if "acceptance" not in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True):
            assert not _cookies(found, "privacy_licence"), f"accepted without a yes: {text[:300]}"
        assert open_page(office.app, _LICENCE, "POST", body, **_FOREIGN)[0] in (403, 413)

    def staff(text: str) -> None:
        """A form of staff changes no password, and a form of another site or of a visitor changes nothing."""
        path, body, sender = f"/privacy/requests/staff/{office.open_request(len(text))}", _body(text), len(text) % 4
        before = office.state()
        if sender == 0:
            assert open_page(office.app, path, "POST", body, **_FOREIGN, X_Staff="ann")[0] in (403, 413)
            assert office.state() == before, "a form of another site was carried out"
        elif sender == 1:
            assert open_page(office.app, path, "POST", body, **_OWN)[0] in (401, 413)
            assert office.state() == before, "a form of a visitor was carried out"
            asked = _PAGES[len(text) // 4 % len(_PAGES)] + quote(text[:300], errors="replace")
            open_page(office.app, f"/privacy/{asked}", X_Staff="ann", Accept="text/html")
        else:
            open_page(office.app, path, "POST", body, **_OWN, X_Staff="ann")
            assert "known" not in office.hashes(), "a password was changed"

    def own_data(text: str) -> None:
        """A forged cookie or address shows no stored data, opens no download, and breaks no page."""
        for page in ("me", "me.json", "receipt"):
            asked = f"/privacy/{page}?withdrawn={quote(text[:50], errors='replace')}&erased="
            _, _, content = open_page(office.app, asked, Cookie=text, Accept=text[:200])
            assert page != "me.json" or json.loads(content)["stored"] is False
        assert open_page(office.app, _FILE, Cookie=text)[0] == 302
        status, _, _ = open_page(office.app, "/privacy/me/erase", "POST", b"", Cookie=text, Origin="null")
        assert status == 303

    cookies = ["privacy_consent=a.b.c; privacy_visitor=x", "privacy_licence=licence=0123.a.b; privacy_choices=e30.a", "a=b"]
    return (
        _of("own_forms", 3, _FORMS, own_forms, requests=3),
        _of("staff", 2, _ACTS, staff, requests=3),
        _of("own_data", 3, cookies, own_data, requests=5),
    )


def _body(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")[:LONGEST]


def _cookies(found: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in found if key == "Set-Cookie" and value.startswith(f"{name}=")]


def _check_location(found: list[tuple[str, str]]) -> None:
    for name, value in found:
        if name == "Location":
            assert urlsplit(urljoin("http://localhost/", value)).netloc == "localhost", f"leads to another site: {value}"


def _of(name: str, share: int, seeds: Sequence[str], run: Any, requests: int) -> Target:
    def make(chance: random.Random) -> str:
        return mutated(chance, seeds)

    return Target(name, share, make, run, requests)
