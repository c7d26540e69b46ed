"""Screenshots for the documentation, taken of the example site. Run ``python -m docs.screenshots [folder]``."""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from example_site import create_app, privacy
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.audit.browser.crawl import audit
from flask_mixamo_privacy.audit.browser.launch import SYSTEMS, chromium_arguments
from flask_mixamo_privacy.audit.browser.report import as_html
from tests import bad_site
from tests.support.styled_site import SHEETS, style

IMAGES = Path(__file__).parent / "images"

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 320, "height": 568}

#: Viewport and colour scheme, by the suffix of a picture's name.
LOOKS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": WIDE},
    "320": {"viewport": PHONE, "device_scale_factor": 1.5},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
}

#: The page of each picture, by the prefix of its name, and whether the banner is on it.
PAGES = {
    "banner": ("/", True),
    "settings": ("/privacy/consent", False),
    "home": ("/", False),
    "catalogue": ("/animations", False),
    "animation": ("/animations/cartwheel", False),
    "requests": ("/privacy/requests", False),
    "order": ("/animations/walk/order", False),
    "newsletter": ("/newsletter", False),
    "film": ("/animations/walk/film", False),
    "for-you": ("/for-you", False),
}

#: The front page for staff, and the pages on which they see requests.
STAFF = {
    "staff-front": "/privacy/staff",
    "staff-requests": "/privacy/requests/staff",
    "staff-request": "/privacy/requests/staff/1",
}


#: The extension's pages with screenshots in several languages.
TRANSLATED = {"policy": "/privacy/", "settings": "/privacy/consent", "versions": "/privacy/versions/2026-12-01#what-changed"}
LANGUAGES = {"en": "en-GB", "de": "de-DE", "ar": "ar"}

#: Screenshots of the reports with demo data, each with the element at its top.
REPORTS = {
    "reports-wide": (LOOKS["wide"], "h1"),
    "reports-interest": (LOOKS["wide"], ".mixamo-of-pages"),
    "reports-movement": (LOOKS["wide"], ".mixamo-of-movement"),
    "reports-320": (LOOKS["320"], "h1"),
    "reports-movement-320": (LOOKS["320"], ".mixamo-of-movement"),
    "reports-dark": (LOOKS["dark"], ".mixamo-of-movement"),
    "reports-rtl": (LOOKS["wide"] | {"locale": "ar"}, ".mixamo-of-pages"),
}


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES, help="folder for the PNG files")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with launched_browser() as browser:
        take_themes(browser, folder)
    with served() as (app, url), launched_browser() as browser:
        for name, (path, asking) in PAGES.items():
            for look, options in LOOKS.items():
                with visit(browser, url + path, asking, **options) as page:
                    take(page, folder / f"{name}-{look}.png")
        with visit(browser, url, True, viewport=WIDE, locale="ar") as page:
            page.evaluate("document.documentElement.dir = 'rtl'")
            take(page, folder / "banner-rtl.png")
        for look, options in (LOOKS | {"ar-320": LOOKS["320"] | {"locale": "ar"}}).items():
            with visit(browser, url, False, answer="accept_all", **options) as page:
                for path in ("/animations", "/animations/cartwheel", "/privacy/me"):
                    page.goto(url + path, wait_until="networkidle")
                take(page, folder / f"me-{look}.png")
        for name, path in TRANSLATED.items():
            for code, locale in LANGUAGES.items():
                for look in ("wide", "320"):
                    with visit(browser, url + path, False, locale=locale, **LOOKS[look]) as page:
                        take(page, folder / f"{name}-{code}-{look}.png")
        assert app.test_cli_runner().invoke(args=["privacy", "demo-data", "--yes", "--yes"]).exit_code == 0
        for name, (options, top) in REPORTS.items():
            with visit(browser, f"{url}/login?next=/privacy/reports", False, **options) as page:
                show_reports(page, top)
                take(page, folder / f"{name}.png")
        take_staff_pages(browser, url, folder)
        take_audit_report(browser, folder)
        take_licence(browser, url, folder)
        take_unsubscribing(app, browser, url, folder)


def take_themes(browser: Browser, folder: Path) -> None:
    """Photograph the banner's layouts, the settings dialog, and the settings in sites with well-known style sheets."""
    for layout in ("bar", "card", "sheet"):
        with served(PRIVACY_BANNER=layout) as (_, url):
            for look, options in LOOKS.items():
                with visit(browser, url, True, **options) as page:
                    take(page, folder / f"theming-{layout}-{look}.png")
                    if layout == "bar":
                        page.locator(".mixamo-ask").get_by_role("button", name="Settings").click()
                        page.get_by_role("dialog").wait_for()
                        take(page, folder / f"theming-dialog-{look}.png")
    for name in SHEETS:
        with tempfile.TemporaryDirectory() as temporary:
            app = Flask(name, instance_path=temporary)
            app.config.update({"SECRET_KEY": "not a secret, a picture", "PRIVACY_LOADER": False})
            Privacy(app)
            style(app, Path(temporary), name)
            with served_app(app) as url, visit(browser, f"{url}/privacy/consent", True, viewport=WIDE) as page:
                take(page, folder / f"theming-{name.lower()}-wide.png")


def take_staff_pages(browser: Browser, url: str, folder: Path) -> None:
    """Photograph the staff pages, after a visitor has sent a request."""
    with visit(browser, f"{url}/privacy/requests", False, viewport=WIDE) as page:
        page.get_by_label("Get a copy of my data").check()
        page.get_by_label("E-mail address").fill("ada@people.example")
        page.get_by_role("button", name="Send the request").click()
    for look, options in LOOKS.items():
        with visit(browser, f"{url}/login", False, **options) as page:
            sign_in(page, "staff")
            for name, path in STAFF.items():
                page.goto(url + path)
                take(page, folder / f"{name}-{look}.png")


def take_licence(browser: Browser, url: str, folder: Path) -> None:
    """Photograph the licence of a download, and the reviews of an animation."""
    for look, options in LOOKS.items():
        with visit(browser, f"{url}/login?next=/animations/walk/download", False, **options) as page:
            sign_in(page, "customer")
            take(page, folder / f"licence-{look}.png")
    with visit(browser, f"{url}/animations/walk", False, viewport=WIDE) as page:
        page.get_by_label("Your review").fill("A customer's opinion of the clip.")
        page.get_by_label("The name to show with it").fill("A name")
        page.get_by_label("I know that everybody can read").check()
        page.get_by_role("button", name="Post it").click()
    for look, options in LOOKS.items():
        with visit(browser, f"{url}/animations/walk", False, **options) as page:
            page.locator("#reviews").evaluate("part => scrollTo(0, part.getBoundingClientRect().top + scrollY - 24)")
            take(page, folder / f"reviews-{look}.png")


def take_unsubscribing(app: Flask, browser: Browser, url: str, folder: Path) -> None:
    """Photograph the page behind a newsletter's unsubscribe link."""
    with app.app_context():
        path = urlsplit(privacy.unsubscribe_url("ada@people.example")).path
    for look, options in LOOKS.items():
        with visit(browser, url + path, False, **options) as page:
            take(page, folder / f"unsubscribe-{look}.png")


def take_audit_report(browser: Browser, folder: Path) -> None:
    """Photograph the audit report of the tests' bad site, because the shop has no findings: its top, and one finding."""
    with tempfile.TemporaryDirectory() as temporary:
        report = audit(bad_site.create_app(Path(temporary)), offline=True, pictures=True)
    page = browser.new_page(viewport=WIDE)
    page.set_content(as_html(report))
    take(page, folder / "audit-report.png")
    page.get_by_role("heading", name="reject-harder-than-accept").evaluate("at => at.scrollIntoView()")
    take(page, folder / "audit-finding.png")
    page.close()


@contextmanager
def served(**config: Any) -> Iterator[tuple[Flask, str]]:
    """Serve the example site on a free loopback port. All its files are in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        databases = {
            f"PRIVACY_{name}_URL": f"sqlite:///{temporary}/{name}.sqlite" for name in ("EVENTS", "LEDGER", "DATABASE")
        }
        databases["SHOP_DATABASE_URL"] = f"sqlite:///{temporary}/shop.sqlite"
        places = {"PRIVACY_LOG_DIR": f"{temporary}/log", "PRIVACY_ASSETS_DIR": f"{temporary}/assets"}
        places |= {"PRIVACY_BASE_URL": "https://pacework.example"}
        app = create_app({"SECRET_KEY": "not a secret, a picture", "PRIVACY_LOADER": False, **databases, **places, **config})
        with served_app(app) as url:
            yield app, url


@contextmanager
def served_app(app: Flask) -> Iterator[str]:
    """Serve an app on a free loopback port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def launched_browser(*switches: str) -> Iterator[Browser]:
    """Launch the system's Chromium, or Playwright's own."""
    path = next(filter(None, map(shutil.which, SYSTEMS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*chromium_arguments(), *switches])
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, url: str, asking: bool, answer: str = "reject_all", **options: Any) -> Iterator[Page]:
    """Open a page in a new browser context. Answer the banner first unless ``asking``."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(url, wait_until="networkidle")
    if not asking and page.locator(".mixamo-ask").count():
        decide(page, answer)
    yield page
    context.close()


def decide(page: Page, answer: str) -> None:
    """Answer the banner, and wait for the page that may follow."""
    page.locator(f".mixamo-ask button[value={answer}]").click()
    page.locator(".mixamo-ask").wait_for(state="detached")
    page.wait_for_timeout(200)
    page.wait_for_load_state("networkidle")


def sign_in(page: Page, name: str) -> None:
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill("demo")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_load_state("networkidle")


def show_reports(page: Page, top: str) -> None:
    """Sign in as the shop's staff, and scroll to an element of the reports."""
    sign_in(page, "staff")
    page.locator(".mixamo-reports").wait_for()
    page.locator(top).first.evaluate("part => scrollTo(0, part.getBoundingClientRect().top + scrollY - 24)")


def take(page: Page, path: Path) -> None:
    """Save a screenshot of the viewport, or of the whole page if its end is of interest."""
    whole = ("settings-320", "order-320", "newsletter-320", "licence-320", "me-")
    page.screenshot(path=path, full_page=path.stem.startswith(whole))
    click.echo(f"{path}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
