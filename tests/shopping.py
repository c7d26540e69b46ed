"""The example shop for tests that visit it: where it writes, and what people do there in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from example_site import create_app

ADA = "ada.lovelace@people.example"
BORN = {f"privacy_birth_{part}": number for part, number in {"day": "10", "month": "12", "year": "1985"}.items()}


def open_shop(folder: Path, **config: Any) -> Any:
    """The example site with everything it writes in a folder."""
    databases = {f"PRIVACY_{n.upper()}_URL": f"sqlite:///{folder}/{n}.sqlite" for n in ("events", "ledger", "database")}
    databases["SHOP_DATABASE_URL"] = f"sqlite:///{folder}/shop.sqlite"
    folders = {
        "PRIVACY_LOG_DIR": str(folder / "log"),
        "PRIVACY_ASSETS_DIR": str(folder / "assets"),
        "PRIVACY_MAIL_ASIDE": str(folder / "aside"),
    }
    return create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test"} | databases | folders | config)


def command(shop: Any, *arguments: str, code: int = 0, **options: Any) -> str:
    """What a command of the shop's prints, such as ``privacy check``."""
    outcome = shop.test_cli_runner().invoke(args=arguments, **options)
    assert outcome.exit_code == code, outcome.output
    return str(outcome.output)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def fill(page: Any, path: str, button: str, **fields: str) -> None:
    """Open a page, type into its form, and send it."""
    page.goto(path)
    for label, value in fields.items():
        page.locator(f"main [name={label}]").fill(value)
    press(page, button)


def sign_up(page: Any, email: str = ADA) -> None:
    """Make a login, and fill the account."""
    fill(page, "/register", "Register", email=email, password="difference engine")
    fill(page, "/account/profile", "Keep it", name="Ada", software="An analytical engine")


def buy(page: Any, email: str = ADA) -> None:
    fill(page, "/animations/walk/order", "Order for €12", name="Ada", email=email, address="1 Engine Lane")


def post(page: Any, said: str = "It walks like nobody else.") -> None:
    """Post a review, and say that one knows who reads it."""
    page.goto("/animations/walk")
    page.get_by_label("Your review").fill(said)
    page.get_by_label("The name to show with it").fill("Ada")
    page.get_by_label("I know that everybody can read").check()
    press(page, "Post it")


def opt_in(page: Any, email: str = ADA, **born: str) -> None:
    fill(page, "/newsletter", "Sign up", email=email, **BORN | born)
