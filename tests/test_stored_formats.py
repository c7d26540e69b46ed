"""Stored formats: what browsers, ledgers, mails and databases already contain keeps its exact bytes.

``stored_formats.json`` has every cookie, token, receipt, log line and database row of a fixed story. If it changes, data
stored by earlier versions can no longer be read, so the change needs a migration.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from conftest import choose

HERE = Path(__file__).parent
GOLDEN = HERE / "stored_formats.json"
#: The shop's declaration of the day on which the story began. Later ones may ask for more.
SHOP = HERE / "support" / "stored_formats.toml"
KEYS = {"old": "the secret of last year", "new": "the secret of this year"}
RANDOM_ID = re.compile(r'"id": ?"[\w-]{12}[0-9a-f]{8}"')
FORM = "<form method=post>{{ privacy.notice(point) }}{{ privacy.opt_in('newsletter') }}</form>"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each random draw a function of its length and its position among draws of that length; fix operator and machine."""
    draws: Counter[int] = Counter()

    def token_bytes(nbytes: int = 32) -> bytes:
        draws[nbytes] += 1
        digest = hashlib.sha512(f"{nbytes}.{draws[nbytes]}".encode()).digest()
        return bytes(itertools.islice(itertools.cycle(digest), nbytes))

    monkeypatch.setattr("secrets.token_bytes", token_bytes)
    monkeypatch.setenv("LOGNAME", "operator")
    monkeypatch.setattr("socket.gethostname", lambda: "machine")


def hidden(html: str) -> dict[str, str]:
    """Return the hidden fields of the last form of a page."""
    tags = re.findall(r"<input[^>]*>", html.rpartition("<form")[2])
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
    return {each["name"]: unescape(each["value"]) for each in inputs if each.get("type") == "hidden"}


def cookies(client: Any) -> dict[str, str]:
    return {cookie.key: cookie.value for cookie in client._cookies.values()}


def rows(folder: Path) -> dict[str, Any]:
    """Return every row of every database, and its columns."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            ).fetchall():
                cursor = connection.execute(f'SELECT * FROM "{table}"')
                names = [column[0] for column in cursor.description]
                lines = [json.dumps(dict(zip(names, row, strict=True)), default=repr) for row in cursor]
                lines = [re.sub(r'"[^"]*\.events"', '"….events"', RANDOM_ID.sub('"id": "…"', line)) for line in lines]
                found[f"{path.stem}.{table}"] = {"columns": names, "rows": [json.loads(line) for line in sorted(lines)]}
    return found


def log_lines(folder: Path) -> list[str]:
    """Return the lines of the log, without the random ids of events."""
    lines = [line for path in sorted(folder.rglob("*.events")) for line in path.read_text().splitlines()]
    return [RANDOM_ID.sub('"id":"…"', line) for line in lines]


def story(tiny: Any, folder: Path, clock: Any) -> dict[str, Any]:
    """One visitor accepts, signs up, asks and withdraws; another refuses; a third is a child. Then the day ends."""
    declaration = Path(shutil.copy(SHOP, folder))
    site = tiny(
        PRIVACY_POLICY=str(declaration),
        PRIVACY_KEYS=KEYS,
        PRIVACY_SEND=lambda mail: None,
        PRIVACY_BASE_URL="https://shop.example",
        PRIVACY_CONFIRM_OPT_INS="never",
    )
    for point in ("newsletter", "feedback"):
        view = site.privacy.collects(point)(lambda point=point: site_page(point))
        site.app.add_url_rule(f"/{point}", point, view, methods=["GET", "POST"])
    found: dict[str, Any] = {}
    ada = site.visitor(
        User_Agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Accept_Language="en"
    )
    ada.get("/")
    choose(ada, "accept_all", shown=hidden(ada.get("/privacy/consent").text)["shown"])
    ada.get("/other?email=ada@shop.example", headers={"Referer": "https://search.example/?q=1"})
    ada.get("/theme/dark")
    found["consenting cookies"] = cookies(ada)
    found["receipt"] = ada.get("/privacy/receipt").json
    found["state"] = ada.get("/privacy/state.json").json
    birth = {
        "privacy_opt_in": "newsletter",
        "privacy_birth_day": "1",
        "privacy_birth_month": "1",
        "privacy_birth_year": "1990",
    }
    form = hidden(ada.get("/newsletter").text)
    assert ada.post("/newsletter", data={**form, **birth, "email": "Ada@Shop.example"}).status_code == 200
    assert ada.post("/feedback", data={**hidden(ada.get("/feedback").text), "message": "Hi"}).status_code == 200
    with site.app.app_context():
        found["unsubscribe"] = site.privacy.unsubscribe_url("ada@shop.example")
        site.privacy.opt_out("bob@shop.example")
    ada.post("/privacy/requests", data={"kind": "access", "email": "ada@shop.example"})
    grace = site.visitor()
    choose(grace, "reject_all")
    found["refusing cookies"] = cookies(grace)
    child = site.visitor()
    child.post(
        "/newsletter",
        data={**hidden(child.get("/newsletter").text), **birth, "privacy_birth_year": "2020", "email": "kid@shop.example"},
    )
    found["a child's cookies"] = cookies(child)
    found["log"] = log_lines(site.folder)
    assert site.cli("load").exit_code == 0
    found["events"] = rows(site.folder)["privacy-events.events"]
    clock.shift(60)
    choose(ada, "reject_all")
    found["cookies after a withdrawal"] = cookies(ada)
    assert site.cli("erase", "--subject", "ada@shop.example").exit_code == 0
    assert site.cli("policy", "freeze", "--date", "2026-11-25").exit_code == 0
    frozen = (declaration.parent / "privacy-versions" / "2026-11-25.json").read_bytes()
    found["frozen version, SHA-256"] = hashlib.sha256(frozen).hexdigest()
    found["ledger head"] = site.cli("ledger", "head").output.strip()
    found["ledger verify"] = site.cli("ledger", "verify").exit_code
    found["databases"] = rows(site.folder)
    found["refusals"] = {path.name: path.read_text() for path in site.folder.rglob("refusals/*")}
    clock.shift(86400)
    assert site.cli("ledger", "verify").exit_code == 0
    found["sealed refusals"] = rows(site.folder)["privacy-ledger.entries"]["rows"][-1]
    return found


def site_page(point: str) -> str:
    from flask import render_template_string, request

    return "thanks" if request.method == "POST" else render_template_string(FORM, point=point)


def test_what_is_stored_keeps_its_exact_bytes(tiny: Any, clock: Any, counted: None, tmp_path: Path) -> None:
    """Cookies, tokens, receipts, log lines and rows equal those that are already in browsers and databases."""
    found = json.dumps(story(tiny, tmp_path, clock), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (tmp_path / "found.json").write_text(found)
    assert found == GOLDEN.read_text(), f"compare {GOLDEN} with {tmp_path / 'found.json'}"
