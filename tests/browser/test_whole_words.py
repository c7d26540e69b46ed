"""Words of headings, buttons, labels and table headers: with large text on the smallest phone, none breaks without a hyphen."""

import pytest

from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, SHIPPED
from flask_mixamo_privacy.policy.ready_made import PURPOSES, ready_made
from flask_mixamo_privacy.policy.toml import START, read
from support.browsers import with_text_size
from support.every_page import PUBLIC, STAFF, every_page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

#: The words that stand in several lines although no hyphen is there. A line of Chinese or Japanese may end anywhere.
BROKEN = """() => [...document.querySelectorAll(
  ":is(.mixamo-page, #mixamo-place, .mixamo-embed, .mixamo-about, .mixamo-choice, .mixamo-birth, .mixamo-ways) :is(h1, h2, h3, " +
  "button, .mixamo-button, label, legend, summary, strong, th, dt, caption, nav a, .mixamo-links a, .mixamo-ways a)")]
  .filter(e => e.checkVisibility()).flatMap(e => {
    const found = [], texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), range = document.createRange()
    const line = (node, place, which) => { // of a letter; the first one behind a soft hyphen has the hyphen's box too
      range.setStart(node, place)
      range.setEnd(node, place + 1)
      return Math.round([...range.getClientRects()].at(which).bottom) }
    for (let node = texts.nextNode(); node; node = texts.nextNode())
      for (const { 0: word, index } of node.data.matchAll(/[^\\s\\u00ad\\u2010\\u2013\\/@.-]+/g))
        if (line(node, index, -1) !== line(node, index + word.length - 1, 0) && !/[\\u3040-\\u9fff]/.test(word))
          found.push(`${e.tagName.toLowerCase()}: ${word}`)
    return found })"""


@pytest.fixture(scope="module")
def large(chromium):
    """Return a browser whose user has doubled the size of text."""
    browser = with_text_size(chromium, 200)
    yield browser
    browser.close()


@pytest.fixture
def in_each_language(serve, large):
    """Return a function that yields each language with a page of a site, on the smallest phone."""

    def pages(site, path):
        url = serve(site.app)
        for code in SHIPPED:
            page = large.new_page(base_url=url, locale=code, viewport={"width": 320, "height": 568})
            page.goto(path)
            yield code, page
            page.close()

    return pages


@pytest.mark.parametrize("code", SHIPPED)
def test_no_word_breaks_without_a_hyphen(tiny, serve, large, code):
    """At 320 pixels and a text of 200 %, a long word has soft hyphens, and the browser shows the one at which it breaks."""
    site = every_page(tiny, PRIVACY_SEND=lambda mail: None, PRIVACY_BASE_URL="https://site.example")
    context = large.new_context(base_url=serve(site.app), locale=code, viewport={"width": 320, "height": 568})
    page, broken = context.new_page(), {}
    for path in (*PUBLIC, *(("/enter/ann", *STAFF) if code in FULLY_TRANSLATED else ())):
        page.goto(path)
        if words := page.evaluate(BROKEN):
            broken[path] = words
    context.close()
    assert broken == {}


@pytest.mark.parametrize("layout", ["bar", "card", "sheet"])
def test_no_word_of_the_banner_breaks_without_a_hyphen(tiny, serve, large, layout):
    """In each layout, the answers have room for their longest word in every language."""
    url, broken = serve(tiny(PRIVACY_BANNER=layout).app), {}
    for code in SHIPPED:
        page = large.new_page(base_url=url, locale=code, viewport={"width": 320, "height": 568})
        page.goto("/other")
        if words := page.evaluate(BROKEN):
            broken[code] = words
        page.close()
    assert broken == {}


def test_the_title_of_the_dialog_stands_beside_its_close_button(tiny, in_each_language):
    """With large text on the smallest phone too, no line holds only the button, and no word of the title breaks."""
    wrong = {}
    for code, page in in_each_language(tiny(), "/other"):
        page.locator(".mixamo-ask [form]").click()
        page.locator("dialog:modal h1").wait_for()
        button, title = (page.locator(f"dialog {part}").bounding_box() for part in (".mixamo-close", "h1"))
        broken = [word for word in page.evaluate(BROKEN) if word.startswith("h1")]
        if title["y"] >= button["y"] + button["height"] / 2 or broken:
            wrong[code] = (button, title, broken)
    assert wrong == {}


def test_no_word_of_a_ready_made_purpose_breaks_without_a_hyphen(tiny, in_each_language, tmp_path):
    """The title of each purpose that a ready-made service may have fits the settings page in every language."""
    used = {entry.service["purpose"]: name for name, entry in ready_made().items()}
    tables = "".join(f'\n[[services]]\nuse = "{used[purpose]}"\n' for purpose in PURPOSES)
    (tmp_path / "privacy.toml").write_text(START.read_text(encoding="utf-8") + tables, encoding="utf-8")
    broken = {}
    for code, page in in_each_language(tiny(PRIVACY_POLICY=read(tmp_path / "privacy.toml")), "/privacy/consent"):
        if words := page.evaluate(BROKEN):
            broken[code] = words
    assert broken == {}
