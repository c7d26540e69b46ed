"""Proof sheets: every page in every look, for a designer's eye. Run ``python -m docs.proofs FOLDER``.

The options take names or parts of names, separated by commas: ``--pages settings,me --looks 320 --languages ar``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from flask import Flask, render_template_string
from playwright.sync_api import Browser, Page

from docs.screenshots import PHONE, WIDE, decide, launched_browser, served, served_app, sign_in
from flask_mixamo_privacy import Privacy

#: Widths of the window by the first part of a look's name.
WIDTHS = {"1280": WIDE, "320": PHONE}

LAYOUTS = ("bar", "card", "sheet")


@dataclass(frozen=True)
class Look:
    """How a page is shown: options of the browser context, of the browser, and of the page."""

    options: dict[str, Any] = field(default_factory=dict)
    text: int = 100
    media: dict[str, Any] = field(default_factory=dict)


#: The looks by name, each in both widths.
LOOKS = {
    "light": Look(),
    "dark": Look({"color_scheme": "dark"}),
    "text200": Look(text=200),
    "forced": Look({"forced_colors": "active"}),
    "forced-dark": Look({"forced_colors": "active", "color_scheme": "dark"}),
    "print": Look(media={"media": "print"}),
}

LANGUAGES = {"en": "en-GB", "de": "de-DE", "ar": "ar"}


@dataclass(frozen=True)
class Proof:
    """A page: its path, who is signed in, whether the banner is on it, and an element to press first."""

    path: str
    user: str = ""
    asking: bool = False
    answer: str = "accept_all"
    press: str = ""


#: Pages of the example site, by name.
PROOFS = {
    "banner": Proof("/", asking=True),
    "dialog": Proof("/", asking=True, press=".mixamo-ask button:not([value])"),
    "settings": Proof("/privacy/consent"),
    "settings-saved": Proof("/privacy/consent", press="[value=save]"),
    "policy": Proof("/privacy/"),
    "version": Proof("/privacy/versions/2026-11-24"),
    "me": Proof("/privacy/me"),
    "me-refused": Proof("/privacy/me", answer="reject_all"),
    "requests": Proof("/privacy/requests"),
    "licence": Proof("/privacy/licence/licence"),
    "unknown": Proof("/privacy/requests/confirm/unknown"),
    "unsubscribe": Proof("/privacy/unsubscribe/unknown"),
    "forbidden": Proof("/privacy/reports"),
    "reports": Proof("/privacy/reports", "staff"),
    "staff": Proof("/privacy/staff", "staff"),
    "staff-requests": Proof("/privacy/requests/staff", "staff"),
    "staff-request": Proof("/privacy/requests/staff/1", "staff"),
    "home": Proof("/"),
    "register": Proof("/register"),
    "order": Proof("/animations/walk/order"),
    "basket": Proof("/basket"),
    "film": Proof("/animations/walk/film"),
    "for-you": Proof("/for-you"),
    "feedback": Proof("/feedback"),
    "newsletter": Proof("/newsletter"),
    "animation": Proof("/animations/walk"),
}

#: Pages of a site that has no layout of its own.
PLAIN = {
    "plain-banner": Proof("/", asking=True),
    "plain-settings": Proof("/privacy/consent"),
    "plain-policy": Proof("/privacy/"),
    "plain-me": Proof("/privacy/me"),
    "plain-requests": Proof("/privacy/requests"),
    "plain-forbidden": Proof("/privacy/reports"),
}


def main() -> None:
    """Take the chosen pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the PNG files")
    parser.add_argument("--layouts", default="bar", help="layouts of the banner, separated by commas")
    for name, choices in (("pages", [*PROOFS, *PLAIN]), ("looks", _looks()), ("languages", list(LANGUAGES))):
        parser.add_argument(f"--{name}", default="", help=f"parts of: {', '.join(choices)}")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for layout in filter(None, asked.layouts.split(",")):
        for site, proofs in ((demo_site, PROOFS), (plain_site, PLAIN)):
            chosen = {name: proofs[name] for name in _chosen(asked.pages, list(proofs))}
            if chosen:
                with site(**{} if layout == "bar" else {"PRIVACY_BANNER": layout}) as url:
                    take_all(url, chosen, asked, "" if layout == "bar" else f"-{layout}")


def _looks() -> list[str]:
    return [f"{width}-{look}" for width in WIDTHS for look in LOOKS]


def _chosen(parts: str, names: list[str]) -> list[str]:
    """Return the names that contain one of the parts; a part that is a whole name stands for this name alone."""
    wanted = [part for part in parts.split(",") if part]
    return [
        name for name in names if not wanted or any(part == name or (part not in names and part in name) for part in wanted)
    ]


def take_all(url: str, proofs: dict[str, Proof], asked: argparse.Namespace, layout: str) -> None:
    """Take each page in each chosen look and language. A larger text is the browser's own setting."""
    looks = _chosen(asked.looks, _looks())
    for text in (100, 200):
        of_text = [look for look in looks if LOOKS[look.partition("-")[2]].text == text]
        if of_text:
            with launched_browser(f"--blink-settings=defaultFontSize={16 * text // 100}") as browser:
                for look in of_text:
                    for code in _chosen(asked.languages, list(LANGUAGES)):
                        take_look(browser, url, proofs, look, code, asked.folder, layout)


def take_look(browser: Browser, url: str, proofs: dict[str, Proof], name: str, code: str, folder: Path, layout: str) -> None:
    """Take each page in one look and one language."""
    width, _, kind = name.partition("-")
    look = LOOKS[kind]
    for proof_name, proof in proofs.items():
        options = {"viewport": WIDTHS[width], "locale": LANGUAGES[code], **look.options}
        context = browser.new_context(**options)
        page = context.new_page()
        prepare(page, url, proof)
        page.emulate_media(**look.media)
        path = folder / f"{proof_name}{layout}-{name}-{code}.png"
        page.screenshot(path=path, full_page=not proof.asking)
        wide = page.evaluate("document.documentElement.scrollWidth") - WIDTHS[width]["width"]
        click.echo(f"{path}{f'  {wide} px too wide' if wide > 0 else ''}")
        context.close()


def prepare(page: Page, url: str, proof: Proof) -> None:
    """Decide, sign in and open the page of a proof."""
    if proof.user:
        page.goto(f"{url}/login")
        sign_in(page, proof.user)
    page.goto(url + proof.path, wait_until="networkidle")
    answer = page.locator(f".mixamo-ask button[value={proof.answer}]")
    if not proof.asking:
        if not answer.count():  # these pages have no banner
            page.goto(url, wait_until="networkidle")
        if answer.count():
            decide(page, proof.answer)
        page.goto(url + proof.path, wait_until="networkidle")
    if proof.press:
        page.locator(proof.press).first.click()
        page.wait_for_timeout(500)  # a press may load a page or open a dialog


@contextmanager
def demo_site(**config: Any) -> Iterator[str]:
    """Serve the example site with invented visitors and one data subject request."""
    with served(**config) as (app, url):
        assert (
            app.test_cli_runner().invoke(args=["privacy", "demo-data", "--visitors", "300", "--yes", "--yes"]).exit_code == 0
        )
        form = {"kind": "access", "email": "ada@people.example", "message": "What do you store about my downloads?"}
        app.test_client().post("/privacy/requests", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        yield url


@contextmanager
def plain_site(**config: Any) -> Iterator[str]:
    """Serve a site without a layout, with the built-in policy."""
    with tempfile.TemporaryDirectory() as folder:
        app = Flask("plain", instance_path=folder)
        app.config.update({"SECRET_KEY": "not a secret, a picture", "PRIVACY_LOADER": False, **config})
        Privacy(app)
        app.add_url_rule("/", "home", lambda: render_template_string(_PLAIN_PAGE))
        with served_app(app) as url:
            yield url


_PLAIN_PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>A page</title>
<body style="font: 1rem/1.5 system-ui">{{ privacy.banner() }}
<main style="max-width: 45rem; margin: auto"><h1>A page</h1><p>A site that has only the browser's own styles.</p></main>"""


if __name__ == "__main__":
    main()
