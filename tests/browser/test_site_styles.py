"""The widgets in a real browser on sites with classless style sheets, on paper, and behind filter lists."""

import re

import pytest
from flask import render_template_string
from playwright.sync_api import expect

from support.form_site import PURPOSES, policy
from support.service_site import with_services

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

#: Styles of elements, of the kinds in MVP.css, Pico, Water.css, Simple.css, Sakura, new.css, Tailwind and Bootstrap.
ELEMENTS = """
*, ::before, ::after { box-sizing: content-box }
div, section, p, form, fieldset, dl, dd, dt, label, strong, span { float: left; width: 9rem; max-width: 10rem; margin: 2rem;
  padding: 1.75rem; border: 5px solid red; border-radius: 2rem; background: gold; box-shadow: 0 0 9px red; opacity: .4;
  text-transform: uppercase; letter-spacing: 3px; text-align: right; font: italic 900 2rem/3 cursive; transform: rotate(3deg) }
legend { float: left; width: 100%; padding: 2rem; font-size: 3rem }
form { display: grid; min-width: 40vw; columns: 2 } form > p + p { text-indent: 3rem; white-space: pre }
button, button:not(:disabled):not([type=reset]):hover, [type=checkbox]:not([role=switch]):not([hidden]) { appearance: none;
  display: block; width: 100%; height: 5rem; margin: 1rem; border: 3px dashed lime; background: none; color: pink;
  text-decoration: underline; animation: none 3s; transition: all 3s; clip-path: inset(20%) }
input:not([type=checkbox]):not([type=radio]):not([type=hidden]) { width: 100%; min-width: 20rem; background: black; color: white }
a, a:not([class*=none]) { display: block; padding: 2rem; color: gold; background: lime; text-decoration: none }
a::after, button::before, label::before, p::before { content: "!"; font-size: 3rem } [hidden] { display: block }
"""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Page</title><body>{{ privacy.banner() }}
<main style="all: initial; display: block; width: 640px">
{{ privacy.embed("https://video.example/1", purpose="media", title="Walk") }}
<form style="all: unset">{{ privacy.notice("posting") }}{{ privacy.opt_in("newsletter") }}{{ privacy.age_question() }}</form></main>"""

#: Each visible element inside a widget: its place, its size and every computed style.
MEASURE = """() => [...document.querySelectorAll("#mixamo-place *, .mixamo-embed *, .mixamo-about *, .mixamo-choice *, .mixamo-birth *")]
  .filter(element => element.getClientRects().length).map(element => {
    const start = element.closest("#mixamo-place > *, main > form > * > *, main > * > *").getBoundingClientRect()
    const { x, y, width, height } = element.getBoundingClientRect(), computed = getComputedStyle(element)
    const styles = [...computed].filter(name => !name.startsWith("--")).map(name => `${name}: ${computed[name]}`)
    const generated = ["::before", "::after"].map(part => part + getComputedStyle(element, part).content)
    return [element.outerHTML.slice(0, 60), [x - start.x, y - start.y, width, height].map(Math.round), [...styles, ...generated]] })"""


@pytest.fixture
def widgets(tiny, serve, open_browser):
    """A page with every widget."""
    services = with_services()
    site = tiny(PRIVACY_POLICY=policy(purposes=(*services.purposes, *PURPOSES), services=services.services))
    site.view("/widgets", lambda: render_template_string(PAGE))
    page = open_browser(base_url=serve(site.app), viewport={"width": 1000, "height": 1600})
    page.goto("/widgets")
    return page


def test_a_sites_element_styles_change_no_widget(widgets):
    """Banner, placeholder, notice, opt-in and age question look the same with and without a classless sheet."""
    bare = widgets.evaluate(MEASURE)
    widgets.add_style_tag(content=ELEMENTS)
    widgets.add_style_tag(
        content="html { font-size: 62.5%; line-height: 3 } body { letter-spacing: 2px; text-transform: uppercase }"
    )
    assert len(bare) > 30
    for (name, place, styles), (_, new_place, new_styles) in zip(bare, widgets.evaluate(MEASURE), strict=True):
        assert set(new_styles) - set(styles) == set() and new_place == place, name


#: Rules of the kinds in EasyList Cookie, Fanboy's Annoyances and uBlock's.
FILTER_LIST = """.cookie-consent, .privacy-notice, .privacy-banner, .privacy-message, .notice, .opt-in, #cookies, #privacy-note,
  [class*="cookie"], [class*="consent"], [class*="gdpr"], [class*="privacy-"], [class*="banner"], [class*="notice"],
  [id*="cookie"], [id*="consent"], [id*="privacy-"], [id*="banner"], [class*="overlay"], [class*="popup"] { display: none !important }"""


def test_a_form_can_be_sent_behind_a_filter_list(widgets):
    """A filter list hides no checkbox that a form requires and no button, and may block the extension's scripts and events."""
    widgets.route(re.compile(r"tracker|banner|events|privacy.*\.js"), lambda route: route.abort())
    widgets.reload()
    widgets.add_style_tag(content=FILTER_LIST)
    expect(widgets.get_by_role("button", name="Allow and load")).to_be_visible()
    for control in widgets.locator("form:has(.mixamo-about) input:not([type=hidden])").all():
        expect(control).to_be_visible()
    widgets.get_by_role("checkbox").first.check()
    assert widgets.evaluate(
        "new FormData(document.querySelector('main > form:has(.mixamo-about)')).has('privacy_acknowledged')"
    )


HIDE = """const rules = new CSSStyleSheet(); rules.replaceSync(".mixamo-ask { display: none !important }")
document.adoptedStyleSheets = [rules]"""


def test_a_hidden_banner_grants_nothing_and_leaves_no_gap(widgets):
    """If the visitor's own rule hides the banner, the page has no empty space below, and nothing is granted."""
    widgets.add_init_script(HIDE)
    widgets.reload(wait_until="networkidle")
    expect(widgets.locator(".mixamo-ask")).to_be_hidden()
    assert widgets.evaluate("getComputedStyle(document.body).paddingBottom") == "0px"
    assert widgets.context.cookies() == []


def test_the_banner_prints_no_sheet(tiny, serve, open_browser):
    """Without JavaScript, a page that fills one sheet is printed on one sheet, and the banner is not on it."""
    site = tiny()
    site.view("/sheet", lambda: render_template_string('{{ privacy.banner() }}<main style="height: 265mm">Page</main>'))
    page = open_browser(base_url=serve(site.app), java_script_enabled=False)
    page.goto("/sheet")
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) == 1
    page.emulate_media(media="print")
    expect(page.locator(".mixamo-ask")).to_be_hidden()


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/consent", "/privacy/requests"])
def test_the_extensions_pages_print_black_on_white(tiny, serve, open_browser, path):
    """On paper every text is black, links are underlined, and nothing is fixed, also for a visitor with dark colours."""
    page = open_browser(base_url=serve(tiny().app), color_scheme="dark")
    page.goto(path)
    page.emulate_media(media="print", color_scheme="dark")
    looks = page.evaluate("""[...document.querySelectorAll(".mixamo-page :is(h1, h2, p, a, td, th, li)")].map(e => getComputedStyle(e))
      .map(style => [style.color, style.position])""")
    assert {color for color, _ in looks} == {"rgb(0, 0, 0)"} and "fixed" not in {position for _, position in looks}
    assert "underline" in page.locator(".mixamo-page a").last.evaluate("e => getComputedStyle(e).textDecorationLine")
