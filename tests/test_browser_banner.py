"""The banner in a real browser: when it closes, whose focus it takes, what it covers, and how it looks."""

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
    """Opens a page of the site in a browser of its own."""

    def enter_site(site, path="/", **options):
        page = open_browser(base_url=serve(site.app), **options)
        page.goto(path)
        return page

    return enter_site


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def scripted(request):
    return {"java_script_enabled": request.param}


def banner(page):
    return page.locator(".privacy-banner")


def button(page, name="Accept all"):
    return page.get_by_role("button", name=name, exact=True)


def reply(page, **answer):
    """Answers the next decision in the server's stead."""
    page.route("**/privacy/consent", lambda route: route.fulfill(**answer) if answer else route.abort(), times=1)


def box(locator):
    """Left, top, width, height of an element in the window."""
    return locator.evaluate("e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }")


def styles(locator, *names):
    return locator.evaluate("(e, names) => names.map(n => getComputedStyle(e)[n])", list(names))


# Closing: after the server's word, and only then.


def test_it_closes_after_the_answer_and_not_before(tiny, enter):
    """As long as the server has not said yes, the visitor sees that nothing is decided."""
    page, held = enter(tiny()), []
    page.route("**/privacy/consent", lambda route: held.append(route))
    with page.expect_request("**/privacy/consent"):
        button(page).click()
    expect(banner(page)).to_be_visible()
    held[0].continue_()
    expect(banner(page)).to_have_count(0)


def test_a_grant_that_failed_says_so_and_may_be_tried_again(tiny, enter):
    """The server's sentence stands in the banner, which stays until an answer is taken."""
    page = enter(tiny())
    reply(page, status=503, json={"message": "Not now."})
    button(page).click()
    expect(page.get_by_role("alert")).to_have_text("Not now.")
    expect(banner(page)).to_be_visible()
    button(page).click()
    expect(banner(page)).to_have_count(0)


@pytest.mark.parametrize("answer", [{}, {"status": 502, "body": "<h1>Bad gateway</h1>"}], ids=["offline", "gateway"])
def test_a_site_that_cannot_be_reached_is_told(tiny, enter, answer):
    """In the page's own words, for there are none from the server; nothing is granted, and the banner stays."""
    page = enter(tiny())
    reply(page, **answer)
    button(page).click()
    expect(page.get_by_role("alert")).to_have_text(page.locator(".privacy-note").get_attribute("data-offline"))
    assert banner(page).is_visible() and page.context.cookies() == []


def test_a_ledger_that_is_away_grants_nothing_and_says_so(tiny, enter, scripted):
    """A grant without proof is none: 503, a sentence in an alert, no cookie."""
    site = tiny()
    (site.folder / "privacy-ledger.sqlite").mkdir()
    page = enter(site, **scripted)
    with page.expect_response("**/privacy/consent") as response:
        button(page).click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was granted")
    assert response.value.status == 503 and page.context.cookies() == []


def test_two_presses_are_one_answer(tiny, enter):
    """Whoever is impatient sends one post."""
    page, held = enter(tiny()), []
    page.route("**/privacy/consent", lambda route: held.append(route))
    button(page).dblclick()
    button(page, "Reject all").click()
    held[0].continue_()
    expect(banner(page)).to_have_count(0)
    assert len(held) == 1


def test_the_site_hears_of_a_decision(tiny, enter):
    """A ``privacy:change`` event on the document carries what is granted now."""
    page = enter(tiny())
    page.evaluate("() => document.addEventListener('privacy:change', e => window.heard = e.detail)")
    button(page, "Reject all").click()
    page.wait_for_function("window.heard")
    assert page.evaluate("heard.message") == "Your choice is saved."


# Keyboard, focus, screen readers.


def test_it_takes_no_focus_and_comes_first(tiny, enter, scripted):
    """A page loads with the focus where the browser puts it; the first stops of Tab are the three answers."""
    page = enter(tiny(), **scripted)
    assert page.evaluate("document.activeElement === document.body")
    for name in ("Accept all", "Reject all", "Settings"):
        page.keyboard.press("Tab")
        expect(button(page, name)).to_be_focused()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_an_answer_by_keyboard_leads_to_the_content(tiny, enter, key):
    """Whoever answered before reading anything goes on at the beginning of the page's content."""
    page = enter(tiny())
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Other")).to_be_focused()


def test_an_answer_by_keyboard_leads_back_to_where_one_was(tiny, enter):
    """What had the focus before the banner has it again, and the page has not moved."""
    site = tiny()
    site.view("/links", LINKS)
    page = enter(site, "/links", viewport=PHONE)
    page.get_by_label("Field 12").focus()
    where = page.evaluate("scrollY")
    button(page).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Field 12")).to_be_focused()
    assert page.evaluate("scrollY") == where > 0


def test_the_answer_is_announced(tiny, enter):
    """A status says that the choice is saved, to people who do not see the banner go."""
    page = enter(tiny())
    button(page).click()
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")


def test_it_is_not_modal(tiny, enter, scripted):
    """The page underneath can be used with the question left open."""
    page = enter(tiny(), **scripted)
    page.get_by_role("link", name="Other").click()
    expect(page).to_have_url("/other")
    assert page.locator("dialog, [aria-modal], [inert]").count() == 0


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("content", [LINKS, TALL], ids=["many", "far apart"])
@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_nothing_focused_is_covered(tiny, enter, scripted, viewport, content, key):
    """Wherever the keyboard goes on a long page, what has the focus is in sight, and not behind the banner."""
    site = tiny()
    site.view("/long", content)
    page = enter(site, "/long", viewport=viewport, **scripted)
    _, top, _, _ = box(banner(page))
    for _ in range(page.locator("main a, main input, main button").count() + 3):
        page.keyboard.press(key)
        _, y, _, height = box(page.locator(":focus"))
        assert page.locator(".privacy-banner :focus").count() or -1 <= y <= top - height + 1


# How it looks.


def test_no_answer_is_easier_to_see_than_another(tiny, enter, scripted):
    """Three buttons of one size, one font and one colour, in one row."""
    page = enter(tiny(), **scripted)
    names = ("font", "color", "backgroundColor", "border", "borderRadius", "padding", "opacity")
    buttons = banner(page).get_by_role("button").all()
    looks = {(*styles(one, *names), *map(round, box(one)[1:])) for one in buttons}
    assert len(buttons) == 3 and len(looks) == 1


def test_it_leaves_the_page_to_the_reader(tiny, enter, scripted):
    """At most 30 % of a small phone, its answers in reach without scrolling, and not a byte wider than the window."""
    page = enter(tiny(), viewport=PHONE, **scripted)
    left, top, width, height = box(banner(page))
    assert (left, width, top + height) == (0, 320, 568) and height <= 0.3 * 568
    assert banner(page).evaluate("e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth")
    assert all(height >= 44 for _, _, _, height in map(box, banner(page).get_by_role("button").all()))


OBSERVE = """window.shifts = []; window.said = []
new PerformanceObserver(list => shifts.push(...list.getEntries().map(e => e.value))).observe({type: 'layout-shift', buffered: true})
document.addEventListener('securitypolicyviolation', e => said.push(e.violatedDirective + ' ' + e.blockedURI))"""


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_moves_when_it_comes(tiny, enter, viewport):
    """The page does not shift while style sheet and script arrive (CLS 0)."""
    site = tiny()
    # A heading's margin moves the body when the heading arrives; that would be the page's own shift.
    site.view("/links", lambda: LINKS().replace("<h1>", '<h1 style="margin: 0">'))
    page = enter(site, "/links", viewport=viewport)
    page.add_init_script(OBSERVE)
    page.reload(wait_until="networkidle")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("shifts") == []
    page.evaluate("() => new Promise(done => { document.body.style.paddingTop = '100px'; requestAnimationFrame(done) })")
    page.wait_for_function("shifts.length")  # the observer does observe


def test_it_works_under_default_src_self(tiny, enter):
    """No inline script, style or handler: the browser reports nothing, in the page or in the console."""
    site, said = tiny(), []
    site.view("/favicon.ico", lambda: "")
    site.app.after_request(lambda r: r.headers.set("Content-Security-Policy", "default-src 'self'") or r)
    page = enter(site)
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.add_init_script(OBSERVE)
    for path in ("/privacy/", "/privacy/consent", "/"):
        page.goto(path, wait_until="networkidle")
        assert page.evaluate("said") == []
    button(page).click()
    expect(banner(page)).to_have_count(0)
    assert said == [] and page.evaluate("said") == []


def luminance(color):
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(front, back):
    light, dark = sorted((luminance(front), luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark(tiny, enter, scheme):
    """It follows the page's colour scheme, with a contrast of at least 4.5 : 1 for text and buttons."""
    site = tiny()
    site.view("/page", page_of(""))
    page = enter(site, "/page", color_scheme=scheme)
    ink, surface = styles(banner(page), "color", "backgroundColor")
    assert (luminance(surface) < 0.2) == (scheme == "dark") and contrast(ink, surface) >= 4.5
    assert contrast(*styles(button(page), "color", "backgroundColor")) >= 4.5
    assert contrast(styles(button(page), "backgroundColor")[0], surface) >= 3  # the button's shape


@pytest.mark.parametrize("path", ["/page", "/privacy/", "/privacy/consent"])
@pytest.mark.parametrize("dir", ["ltr", "rtl"])
def test_nothing_is_wider_than_a_phone(tiny, enter, scripted, path, dir):
    """No page of ours scrolls sideways at 320 px, from left to right or from right to left."""
    site = tiny()
    site.view("/page", page_of("", "ar", dir))
    page = enter(site, path, viewport=PHONE, **scripted)
    page.evaluate("dir => { document.documentElement.dir = dir }", dir)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.evaluate("document.body.scrollWidth <= 320")


def test_it_reads_from_right_to_left(tiny, enter):
    """On such a page the first answer stands on the right."""
    site = tiny()
    site.view("/page", page_of("", "ar", "rtl"))
    page = enter(site, "/page", viewport=PHONE, locale="ar")
    assert box(button(page, "قبول الكل"))[0] > box(button(page, "رفض الكل"))[0]
