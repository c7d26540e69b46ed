"""The example shop: its storage, and visitors' actions in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from example_site import create_app

ADA = "ada.lovelace@people.example"
BORN = {f"privacy_birth_{part}": number for part, number in {"day": "10", "month": "12", "year": "1985"}.items()}


def open_shop(folder: Path, **config: Any) -> Any:
    """Return the example site with all its files in one folder."""
    databases = {f"PRIVACY_{n.upper()}_URL": f"sqlite:///{folder}/{n}.sqlite" for n in ("events", "ledger", "database")}
    databases["SHOP_DATABASE_URL"] = f"sqlite:///{folder}/shop.sqlite"
    folders = {
        "PRIVACY_LOG_DIR": str(folder / "log"),
        "PRIVACY_ASSETS_DIR": str(folder / "assets"),
        "PRIVACY_MAIL_ASIDE": str(folder / "aside"),
    }
    return create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test"} | databases | folders | config)


def command(shop: Any, *arguments: str, code: int = 0, **options: Any) -> str:
    """Return the output of a command of the shop, such as ``privacy check``."""
    outcome = shop.test_cli_runner().invoke(args=arguments, **options)
    assert outcome.exit_code == code, outcome.output
    return str(outcome.output)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def fill(page: Any, path: str, button: str, **fields: str) -> None:
    """Open a page, fill in its form, and submit it."""
    page.goto(path)
    for label, value in fields.items():
        page.locator(f"main [name={label}]").fill(value)
    press(page, button)


def sign_up(page: Any, email: str = ADA) -> None:
    """Create a login and fill in the account."""
    fill(page, "/register", "Register", email=email, password="difference engine")
    fill(page, "/account/profile", "Keep it", name="Ada", software="An analytical engine")


def buy(page: Any, email: str = ADA) -> None:
    fill(page, "/animations/walk/order", "Order for €12", name="Ada", email=email, address="1 Engine Lane")


def post(page: Any, text: str = "It walks like nobody else.") -> None:
    """Post a review and tick the acknowledgement."""
    page.goto("/animations/walk")
    page.get_by_label("Your review").fill(text)
    page.get_by_label("The name to show with it").fill("Ada")
    page.get_by_label("I know that everybody can read").check()
    press(page, "Post it")


def path_to_confirm(mail: Any) -> str:
    """Return the path of the link in a mail that confirms an address."""
    found = re.search(r"https?://[^/\s]+(/privacy/requests/confirm/\S+)", mail.get_content())
    assert found is not None
    return found[1]


def opt_in(page: Any, email: str = ADA, **born: str) -> None:
    fill(page, "/newsletter", "Sign up", email=email, **BORN | born)
