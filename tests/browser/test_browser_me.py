"""The page of data stored about a visitor, in a real browser:

with and without scripts, on a small phone, and with axe-core.
"""

import pytest

from support.axe import faults

pytestmark = pytest.mark.browser


@pytest.fixture
def enter(tiny, serve, open_browser):
    """Return a function that opens the page of a visitor who accepted in the banner and viewed two pages."""

    def build(**options):
        site = tiny(PRIVACY_KEYS={"test": "sixteen characters or more"})
        url = serve(site.app)
        page = open_browser(**options)
        page.goto(url)
        page.click(".mixamo-ask [value=accept_all]")
        page.wait_for_selector(".mixamo-ask", state="detached")
        page.goto(f"{url}/other")
        page.goto(f"{url}/privacy/me")
        return site, page

    return build


@pytest.mark.parametrize("scripts", [True, False])
def test_promise_18_everything_is_erased_after_a_confirmation(enter, scripts):
    """The button asks once more and then erases everything. The refusal cookie identifies no visitor."""
    site, page = enter(java_script_enabled=scripts)
    assert page.get_by_text("/other").count() == 1
    for _ in ("the page", "the confirmation"):
        page.get_by_role("button", name="Erase everything").click()
    assert page.get_by_role("status").inner_text() == "Everything that was recorded about you here has been erased."
    names = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert set(names) == {"privacy_consent"} and names["privacy_consent"].startswith("r.")
    assert site.events() == []


def test_a_receipt_is_downloaded_from_the_page(enter):
    """The receipt downloads as a file that the command verifies."""
    site, page = enter()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the receipt").click()
    assert download.value.suggested_filename.startswith("privacy-receipt-")
    assert site.cli("receipt", "verify", str(download.value.path())).exit_code == 0


@pytest.mark.parametrize("options", [{"locale": "ar"}, {"color_scheme": "dark"}, {}], ids=["right to left", "dark", "light"])
def test_the_page_fits_a_small_phone_and_a_screen_reader(enter, options):
    """Nothing overflows at 320 pixels, and axe-core finds no violation."""
    page = enter(viewport={"width": 320, "height": 568}, **options)[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert faults(page) == []
