"""The tutorial, as a reader follows it: its files in an empty folder, its commands, and clicks in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.recipes import Recipe, free_port

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(600)]


class Reader(Recipe):
    """A reader who does what each section states, with this Python instead of the environment that the first one installs."""

    def __init__(self, folder: Path, browser: Any) -> None:
        super().__init__("../tutorial", folder)
        self.browser, self.outputs = browser, dict[str, str]()

    def follow(self, *names: str) -> None:
        """Run the page's commands of these names, in its order."""
        for command in self.commands():
            if any(f" {name}" in command for name in names):
                self.outputs[command.split("privacy ")[1].split(" --")[0]] = self.run(command, codes=(0, 1))

    def edit(self) -> None:
        """Change the site's name in the declaration, and add the contact, the service and the video."""
        path, home = self.folder / "privacy.toml", self.folder / "templates/home.html"
        tables = re.findall(r"^```toml\n(.+?)^```", self.text, re.MULTILINE | re.DOTALL)
        declared = path.read_text(encoding="utf-8").replace('"this site"', '"My shop"')
        path.write_text("\n".join([declared, *tables]), encoding="utf-8")
        (line,) = re.findall(r"^\{\{ privacy\.embed.+$", self.text, re.MULTILINE)
        home.write_text(home.read_text(encoding="utf-8").replace("</p>", f"</p>\n{line}"), encoding="utf-8")

    @contextmanager
    def serving(self) -> Iterator[Any]:
        """Serve the site, and open it in a browser."""
        port = free_port()
        with self.running(f"flask --app shop run --port {port}", port):
            context = self.browser.new_context(base_url=f"http://127.0.0.1:{port}")
            yield context.new_page()
            context.close()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Reader:
    """A reader who has visited the site, declared it, published the policy and invented visitors."""
    one = Reader(tmp_path_factory.mktemp("shop"), chromium)
    with one.serving() as page:
        page.goto("/")
        one.outputs["asked"] = page.inner_text("main")
        page.get_by_role("button", name="Accept all").click()
        page.get_by_role("button", name="Accept all").wait_for(state="detached")
        page.goto("/")
        one.outputs["accepted"] = page.inner_text("main")
    one.follow("privacy init")
    one.edit()
    one.follow("privacy policy freeze", "privacy check", "privacy demo-data", "privacy report")
    return one


def test_the_page_counts_a_visitor_only_after_accept_all(reader: Reader) -> None:
    """The first pages that a reader sees state the decision."""
    assert "You are not counted." in reader.outputs["asked"]
    assert "You are counted." in reader.outputs["accepted"]


def test_the_check_has_no_findings(reader: Reader) -> None:
    """The declaration that the tutorial makes is complete and published."""
    assert reader.outputs["check"] == "No findings.\n"


def test_the_numbers_are_in_the_report_and_on_the_dashboard(reader: Reader) -> None:
    """Staff read what the invented visitors did, after the login of the tutorial."""
    assert "Page views" in reader.outputs["report"]
    with reader.serving() as page:
        page.goto("/login")
        page.get_by_label("Password").fill("tutorial")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name="Reports").first.click()
        assert "Visits" in page.inner_text("main, body")


def test_the_policy_page_names_the_site_and_its_owner(reader: Reader) -> None:
    """The page at /privacy/ is the version that the reader published."""
    with reader.serving() as page:
        page.goto("/privacy/")
        text = page.inner_text("body")
    assert [name for name in ("My shop", "My Shop Ltd", "YouTube") if name not in text] == []


def test_the_video_waits_for_the_visitor(reader: Reader) -> None:
    """The page has a placeholder, and the frame once the visitor has pressed its button."""
    with reader.serving() as page:
        page.goto("/")
        assert (page.locator("iframe").count(), "is not loaded yet" in page.inner_text("main")) == (0, True)
        page.get_by_role("button", name="Allow and load").click()
        page.locator("iframe[src*='youtube-nocookie']").wait_for(state="attached")


def test_the_audit_is_green(reader: Reader) -> None:
    """The site does what its policy states, in every state of a visitor."""
    reader.follow("privacy audit")
    assert "No findings" in reader.outputs["audit"]
