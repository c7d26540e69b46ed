"""The banner in a real browser: closing, keyboard focus, layout and appearance."""

from itertools import product

import pytest
from flask import render_template_string
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PHONE, DESK = {"width": 320, "height": 568}, {"width": 1280, "height": 800}

HEAD = """<!doctype html><html lang="{lang}" dir="{dir}"><meta charset="utf-8"><title>Page</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><body>
{{{{ privacy.banner() }}}}<main><h1>Page</h1>"""


def page_of(content, lang="en", dir="ltr"):
    return lambda: render_template_string(HEAD.format(lang=lang, dir=dir) + content)


LINKS = page_of("".join(f'<p><a href="#{n}">Link {n}</a> and <input aria-label="Field {n}"></p>' for n in range(25)))
TALL = page_of("".join(f'<p style="margin:0 0 90vh"><button>Button {n}</button></p>' for n in range(8)))


@pytest.fixture
def enter(serve, open_browser):
    """Return a function that opens a page of the site in a browser of its own."""

    def enter_site(site, path="/", **options):
        page = open_browser(base_url=serve(site.app), **options)
        page.goto(path)
        return page

    return enter_site


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def scripted(request):
    return {"java_script_enabled": request.param}


def banner(page):
    return page.locator(".mixamo-ask")


def button(page, name="Accept all"):
    return page.get_by_role("button", name=name, exact=True)


def reply(page, **answer):
    """Replace the server's response to the next decision."""
    page.route("**/privacy/consent", lambda route: route.fulfill(**answer) if answer else route.abort(), times=1)


def box(locator):
    """Return left, top, width and height of an element in the window."""
    return locator.evaluate("e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }")


def styles(locator, *names):
    return locator.evaluate("(e, names) => names.map(n => getComputedStyle(e)[n])", list(names))


# Closing: only after the server's response.


def test_banner_closes_only_after_the_response(tiny, enter):
    """The banner stays open until the server has confirmed the decision."""
    page, held = enter(tiny()), []
    page.route("**/privacy/consent", lambda route: held.append(route))
    with page.expect_request("**/privacy/consent"):
        button(page).click()
    expect(banner(page)).to_be_visible()
    held[0].continue_()
    expect(banner(page)).to_have_count(0)


def test_a_failed_grant_shows_a_message_and_can_be_retried(tiny, enter):
    """The banner shows the server's message and stays open until a decision succeeds."""
    page = enter(tiny())
    reply(page, status=503, json={"message": "Not now."})
    button(page).click()
    expect(page.get_by_role("alert")).to_have_text("Not now.")
    expect(banner(page)).to_be_visible()
    button(page).click()
    expect(banner(page)).to_have_count(0)


@pytest.mark.parametrize("answer", [{}, {"status": 502, "body": "<h1>Bad gateway</h1>"}], ids=["offline", "gateway"])
def test_an_unreachable_site_shows_a_message(tiny, enter, answer):
    """Without a response the banner shows the page's own message and stays open, and nothing is granted."""
    page = enter(tiny())
    reply(page, **answer)
    button(page).click()
    expect(page.get_by_role("alert")).to_have_text(page.locator(".mixamo-said").get_attribute("data-offline"))
    assert banner(page).is_visible() and page.context.cookies() == []


def test_an_unavailable_ledger_grants_nothing_and_shows_an_alert(tiny, enter, scripted):
    """A grant that cannot be recorded is answered with 503 and an alert, and sets no cookie."""
    site = tiny()
    (site.folder / "privacy-ledger.sqlite").mkdir()
    page = enter(site, **scripted)
    with page.expect_response("**/privacy/consent") as response:
        button(page).click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was granted")
    assert response.value.status == 503 and page.context.cookies() == []


def test_a_double_click_sends_one_decision(tiny, enter):
    """Two clicks on a button send one POST."""
    page, held = enter(tiny()), []
    page.route("**/privacy/consent", lambda route: held.append(route))
    button(page).dblclick()
    button(page, "Reject all").click()
    held[0].continue_()
    expect(banner(page)).to_have_count(0)
    assert len(held) == 1


def test_the_site_receives_an_event_for_a_decision(tiny, enter):
    """A ``privacy:change`` event on the document contains the purposes that are granted now."""
    page = enter(tiny())
    page.evaluate("() => document.addEventListener('privacy:change', e => window.heard = e.detail)")
    button(page, "Reject all").click()
    page.wait_for_function("window.heard")
    assert page.evaluate("heard.message") == "Your choice is saved."


# Keyboard, focus, screen readers.


def test_banner_takes_no_focus_and_is_first_in_tab_order(tiny, enter, scripted):
    """The banner does not move the focus when the page loads, and its three buttons are the first tab stops."""
    page = enter(tiny(), **scripted)
    assert page.evaluate("document.activeElement === document.body")
    for name in ("Accept all", "Reject all", "Settings"):
        page.keyboard.press("Tab")
        expect(button(page, name)).to_be_focused()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_decision_by_keyboard_moves_focus_to_the_content(tiny, enter, key):
    """If nothing had the focus before the banner, the focus moves to the beginning of the page's content."""
    page = enter(tiny())
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Other")).to_be_focused()


def test_a_decision_by_keyboard_restores_the_focus(tiny, enter):
    """The element that had the focus before the banner gets it back, and the page does not scroll."""
    site = tiny()
    site.view("/links", LINKS)
    page = enter(site, "/links", viewport=PHONE)
    page.get_by_label("Field 12").focus()
    where = page.evaluate("scrollY")
    button(page).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Field 12")).to_be_focused()
    assert page.evaluate("scrollY") == where > 0


def test_the_decision_is_announced_to_screen_readers(tiny, enter):
    """A status message announces to screen readers that the choice is saved."""
    page = enter(tiny())
    button(page).click()
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")


def test_banner_is_not_modal(tiny, enter, scripted):
    """The page below the banner can be used while the banner is open."""
    page = enter(tiny(), **scripted)
    page.get_by_role("link", name="Other").click()
    expect(page).to_have_url("/other")
    assert page.locator("dialog, [aria-modal], [inert]").count() == 0


@pytest.mark.parametrize(
    ("viewport", "content"), [(PHONE, LINKS), (DESK, TALL)], ids=["many on a phone", "far apart on a desk"]
)
@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_banner_never_covers_the_focused_element(tiny, enter, scripted, viewport, content, key):
    """On a long page, every element that receives the focus is visible and not behind the banner."""
    site = tiny()
    site.view("/long", content)
    page = enter(site, "/long", viewport=viewport, **scripted)
    _, top, _, _ = box(banner(page))
    for _ in range(page.locator("main a, main input, main button").count() + 3):
        page.keyboard.press(key)
        _, y, _, height = box(page.locator(":focus"))
        assert page.locator(".mixamo-ask :focus").count() or -1 <= y <= top - height + 1


# Appearance.


def test_the_answers_are_equally_visible(tiny, enter, scripted):
    """The two answers have one size, one font and one colour, and stand in one row. The settings are quieter than both."""
    page = enter(tiny(), **scripted)
    names = ("font", "color", "backgroundColor", "border", "borderRadius", "padding", "opacity")
    looks = [(*styles(one, *names), *map(round, box(one)[1:])) for one in banner(page).get_by_role("button").all()]
    assert len(looks) == 3 and looks[0] == looks[1] != looks[2]
    assert styles(button(page, "Settings"), "backgroundColor", "fontWeight") == ["rgba(0, 0, 0, 0)", "400"]


def test_banner_covers_at_most_a_third_of_a_phone(tiny, enter, scripted):
    """The banner covers at most 30 % of a small phone, needs no scrolling, and is not wider than the window."""
    page = enter(tiny(), viewport=PHONE, **scripted)
    left, top, width, height = box(banner(page))
    assert (left, width, top + height) == (0, 320, 568) and height <= 0.3 * 568
    assert banner(page).evaluate("e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth")
    assert all(height >= 44 for _, _, _, height in map(box, banner(page).get_by_role("button").all()))


OBSERVE = """window.shifts = []; window.said = []
new PerformanceObserver(list => shifts.push(...list.getEntries().map(e => e.value))).observe({type: 'layout-shift', buffered: true})
document.addEventListener('securitypolicyviolation', e => said.push(e.violatedDirective + ' ' + e.blockedURI))"""


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_banner_causes_no_layout_shift(tiny, enter, viewport):
    """The page does not shift while the style sheet and the script load (CLS 0)."""
    site = tiny()
    # A heading's margin moves the body when the heading loads; that shift would be the page's own.
    site.view("/links", lambda: LINKS().replace("<h1>", '<h1 style="margin: 0">'))
    page = enter(site, "/links", viewport=viewport)
    page.add_init_script(OBSERVE)
    page.reload(wait_until="networkidle")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("shifts") == []
    page.evaluate("() => new Promise(done => { document.body.style.paddingTop = '100px'; requestAnimationFrame(done) })")
    page.wait_for_function("shifts.length")  # a forced shift is recorded, so the observer works


def test_banner_works_under_default_src_self(tiny, enter):
    """The banner has no inline script, style or handler: the browser reports no violation in the page or the console."""
    site, console_errors = tiny(), []
    site.view("/favicon.ico", lambda: "")
    site.app.after_request(lambda r: r.headers.set("Content-Security-Policy", "default-src 'self'") or r)
    page = enter(site)
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
    page.add_init_script(OBSERVE)
    for path in ("/privacy/", "/privacy/consent", "/"):
        page.goto(path, wait_until="networkidle")
        assert page.evaluate("said") == []
    button(page).click()
    expect(banner(page)).to_have_count(0)
    assert console_errors == [] and page.evaluate("said") == []


def luminance(color):
    """Return the relative luminance of ``rgb(r, g, b)`` as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(front, back):
    light, dark = sorted((luminance(front), luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_banner_has_enough_contrast_in_light_and_dark(tiny, enter, scheme):
    """The banner follows the page's colour scheme and has a contrast of at least 4.5 : 1 for text and buttons."""
    site = tiny()
    site.view("/page", page_of(""))
    page = enter(site, "/page", color_scheme=scheme)
    ink, surface = styles(banner(page), "color", "backgroundColor")
    assert (luminance(surface) < 0.2) == (scheme == "dark") and contrast(ink, surface) >= 4.5
    assert contrast(*styles(button(page), "color", "backgroundColor")) >= 4.5
    assert contrast(styles(button(page), "backgroundColor")[0], surface) >= 3  # the button's shape


def test_no_page_scrolls_sideways_on_a_phone(tiny, enter, scripted):
    """No page of the extension scrolls sideways at 320 px, from left to right or from right to left."""
    site = tiny()
    for dir in ("ltr", "rtl"):
        site.view(f"/{dir}", page_of("", "ar", dir))
    page = enter(site, "/", viewport=PHONE, **scripted)
    for path, dir in product(("/ltr", "/rtl", "/privacy/", "/privacy/consent"), ("ltr", "rtl")):
        page.goto(path)
        page.evaluate("dir => { document.documentElement.dir = dir }", dir)
        widths = "[document.documentElement.scrollWidth, document.body.scrollWidth <= 320]"
        assert page.evaluate(widths) == [320, True], (path, dir)


def test_banner_reads_from_right_to_left(tiny, enter):
    """On a right-to-left page the first button stands on the right."""
    site = tiny()
    site.view("/page", page_of("", "ar", "rtl"))
    page = enter(site, "/page", viewport=PHONE, locale="ar")
    assert box(button(page, "قبول الكل"))[0] > box(button(page, "رفض الكل"))[0]


def test_an_older_browser_sends_the_answer(tiny, serve, open_browser):
    """Safari before 16.4 and Chrome before 112 ignore the button as an argument of FormData."""
    page = open_browser(base_url=serve(tiny().app))
    page.add_init_script("const New = FormData; window.FormData = class extends New { constructor(form) { super(form) } }")
    page.goto("/")
    page.get_by_role("button", name="Reject all").click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    assert page.evaluate("fetch('/privacy/state.json').then(r => r.json()).then(s => s.purposes.statistics)") == "refused"
