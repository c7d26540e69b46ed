"""`flask privacy check --templates`: loads, storage and scripts in the site's files, checked against the declaration."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jinja2 import Environment

from flask_mixamo_privacy.audit.source.html import MarkupPart, of_markup, of_page_script, of_stylesheet, parts_of
from flask_mixamo_privacy.audit.source.scan import Rules
from flask_mixamo_privacy.audit.source.traces import InlineTrace, LoadTrace, SourcePlace, StoredTrace, host_in
from flask_mixamo_privacy.policy.parts import Cookie, Service
from support.service_site import with_services

THEME = Cookie("theme", "customisation", "13 months", "The colours chosen.", kind="local")
PLAYER = Cookie("player", "media", "1 day", "Of the film's own page.", party="third")


def loads(html):
    return [(found.host, found.what) for found in of_markup([MarkupPart(html)], "x.html") if isinstance(found, LoadTrace)]


def scripted(source):
    """Return what a script does: (line, host) or (line, kind, name)."""
    found = of_page_script(source, SourcePlace("x.js", 1))
    return [
        (one.place.line, one.host) if isinstance(one, LoadTrace) else (one.place.line, one.kind, one.name)
        for one in found
        if not isinstance(one, InlineTrace)
    ]


def gates(template):
    """Return the consent that each host of a template requires."""
    extensions = ["flask_mixamo_privacy.web.template_tags.ConsentTag"]
    environment = Environment(extensions=extensions)  # noqa: S701 — nothing is rendered
    traces = of_markup(parts_of(template, environment), "x.html")
    return {found.host: found.place.gate for found in traces if isinstance(found, LoadTrace)}


@pytest.fixture
def scan(tiny):
    """Builds a site of one file; returns the findings of `check --templates` as (key, line)."""

    def run(name, text, **config):
        site = tiny(PRIVACY_POLICY=with_services(cookies=(THEME, PLAYER)), **config)
        site.app.root_path = str(site.folder.parent)
        path = site.folder.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        outcome = site.cli("check", "--templates", "--json")
        found = [finding for finding in json.loads(outcome.output) if "file" in finding]
        return [(finding["key"], finding["line"]) for finding in found], outcome.exit_code

    return run


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://a.example/x.js"></script>', ("a.example", "script")),
        ('<script src="//a.example:8000/x.js"></script>', ("a.example:8000", "script")),
        ("<SCRIPT SRC=HTTPS://A.EXAMPLE/X.JS></SCRIPT>", ("a.example", "script")),
        ('<script src=" https:\\\\a.example\\x.js"></script>', ("a.example", "script")),
        ('<script src="https://user@a.example/x.js"></script>', ("a.example", "script")),
        ('<link rel="stylesheet" href="https://a.example/x.css">', ("a.example", "style")),
        ('<link rel="preconnect" href="https://a.example">', ("a.example", "")),
        ('<link rel="shortcut icon" href="https://a.example/i.png">', ("a.example", "image")),
        ('<img src="https://a.example/p.gif">', ("a.example", "image")),
        ('<img srcset="/own.png 1x, https://a.example/p.png 2x">', ("a.example", "image")),
        ('<iframe src="https://a.example/"></iframe>', ("a.example", "frame")),
        ('<object data="https://a.example/"></object>', ("a.example", "frame")),
        ('<video poster="https://a.example/p.png"></video>', ("a.example", "image")),
        ('<video><source src="https://a.example/v.mp4"></video>', ("a.example", "media")),
        ('<a href="/x" ping="https://a.example/">x</a>', ("a.example", "connect")),
        ('<svg><image href="https://a.example/p.png"/></svg>', ("a.example", "image")),
        ('<svg><script href="https://a.example/x.js"></script></svg>', ("a.example", "script")),
        ('<svg><script xlink:href="https://a.example/x.js"/></svg>', ("a.example", "script")),
        ('<script type=" Application/X-JavaScript " src="//a.example/x.js"></script>', ("a.example", "script")),
        ('<script type="importmap">{"imports": {"x": "https://a.example/x.js"}}</script>', ("a.example", "script")),
        ('<iframe srcdoc="<img src=&quot;https://a.example/p.gif&quot;>"></iframe>', ("a.example", "image")),
        ('<link rel="preload" imagesrcset="/own.png 1x, https://a.example/p.png 2x">', ("a.example", "image")),
        ('<p style="background: url(https://a.example/p.png)">', ("a.example", "image")),
        ('<style>@import "https://a.example/x.css";</style>', ("a.example", "style")),
        ("<body onclick=\"fetch('https://a.example/')\">", ("a.example", "connect")),
        ("<script nonce=x>new Image().src = 'https://a.example/p.gif'</script>", ("a.example", "")),
    ],
)
def test_every_load_from_another_host_is_found(html, found):
    """Every element and attribute that makes a browser request another host is found."""
    assert loads(html) == [found]


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://a.example/">a link</a>',
        '<script src="/x.js"></script>',
        '<link rel="canonical" href="https://a.example/">',
        '<script type="application/ld+json">{"@context": "https://schema.example"}</script>',
        '<script type="text/plain" src="https://a.example/x.js"></script>',
        '<script type="importmap">{"imports": {"x": "/x.js"}, "scopes": {"https://a.example/": {}}}</script>',
        '<form action="https://a.example/"></form>',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        "<!-- <script src='https://a.example/x.js'></script> -->",
        "<p>&lt;script src='https://a.example/x.js'></p>",
    ],
)
def test_an_element_that_loads_nothing_is_ignored(html):
    """Links load nothing until a visitor follows them, and comments load nothing."""
    assert loads(html) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('document.cookie = "a=1; path=/"', (1, "js", "a")),
        ("window.document.cookie = `a=${value}`", (1, "js", "a")),
        ('const KEY = "a";\ndocument.cookie = KEY + "=" + value', (2, "js", "a")),
        ("document.cookie = name + '=1'", (1, "js", None)),
        ('document["cookie"] = "a=1"', (1, "js", "a")),
        ('cookieStore.set({name: "a", value: 1})', (1, "js", "a")),
        ('Cookies.set("a", 1)', (1, "js", "a")),
        ('$.cookie("a", 1)', (1, "js", "a")),
        ('localStorage.setItem("a", 1)', (1, "local", "a")),
        ("window.localStorage.a = 1", (1, "local", "a")),
        ("localStorage.a++", (1, "local", "a")),
        ("--sessionStorage['a']", (1, "session", "a")),
        ("localStorage.a += 1", (1, "local", "a")),
        ("localStorage.a ??= 1", (1, "local", "a")),
        ('document.cookie = "a=1; max-age=0900000"', (1, "js", "a")),
        ('document.cookie = "a=1; expires=" + when', (1, "js", "a")),
        ('sessionStorage["a"] = 1', (1, "session", "a")),
        ('indexedDB.open("a")', (1, "idb", "a")),
        ('fetch("https://a.example/")', (1, "a.example")),
        ('request.open("POST", "https://a.example/")', (1, "a.example")),
        ('navigator.sendBeacon("https://a.example/")', (1, "a.example")),
        ('new WebSocket("wss://a.example/")', (1, "a.example")),
        ('new Worker("https://a.example/w.js")', (1, "a.example")),
        ('import "https://a.example/x.js"', (1, "a.example")),
        ('export {x} from "https://a.example/x.js"', (1, "a.example")),
        ('await import("https://a.example/x.js")', (1, "a.example")),
        ('tag.src = "https://a.example/x.js"', (1, "a.example")),
        ('tag.setAttribute("src", "https://a.example/x.js")', (1, "a.example")),
        (r'fetch("https:\/\/a.example\/y")', (1, "a.example")),
        ('const API = "https://a.example"\nfetch(API + path)', (2, "a.example")),
        ('importScripts("/own.js", "https://a.example/x.js")', (1, "a.example")),
        ("\ndocument.write('<script src=\"https://a.example/x.js\"><\\/script>')", (2, "a.example")),
        ("element.innerHTML = `<img src='https://a.example/${name}'>`", (1, "a.example")),
        ("element.innerHTML += '<img src=https://a.example/p.gif>'", (1, "a.example")),
        ("element.outerHTML = '<iframe src=//a.example></iframe>'", (1, "a.example")),
        ("element.insertAdjacentHTML('beforeend', '<img src=//a.example>')", (1, "a.example")),
        ('}} if ( fetch("https://a.example/")', (1, "a.example")),
    ],
)
def test_storage_and_requests_of_a_script_are_found_with_their_lines(source, found):
    """Literal names and hosts of cookies, storage and requests are found; a syntax error hides none."""
    assert scripted(source) == [found]


@pytest.mark.parametrize(
    "source",
    [
        'document.cookie = "a=; Max-Age=0"',
        'document.cookie = "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT"',
        'document.cookie = "a=; expires=" + new Date(0).toUTCString()',
        "steps++",
        "element.innerHTML = '<a href=\"https://a.example/\">a link</a>'",
        "const all = document.cookie",
        '$.cookie("a")',
        'localStorage.getItem("a")',
        'location.href = "https://a.example/"',
        'window.open("https://a.example/")',
        '// fetch("https://a.example/")',
        "const said = \"fetch('https://a.example/')\"",
        "fetch(`https://${host}/`)",
    ],
)
def test_reading_deleting_and_navigating_are_no_traces(source):
    """Only storing and requesting count."""
    assert scripted(source) == []


def test_a_deeply_nested_script_is_scanned_to_its_end():
    """A minified file may be nested deeper than Python's stack."""
    assert scripted("(" * 5000 + "1" + ")" * 5000 + ';fetch("https://a.example/")') == [(1, "a.example")]


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        ("@import url(https://a.example/x.css);", ("a.example", "style")),
        ('@import "//a.example/x.css";', ("a.example", "style")),
        ("@font-face { src: url('https://a.example/f.woff2') }", ("a.example", "font")),
        ("p { background: url(https://a.example/p.png) }", ("a.example", "image")),
        ("@media print { p { background: url(https://a.example/p.png) } }", ("a.example", "image")),
        ("@layer a { @font-face { src: url(https://a.example/f.woff2) } }", ("a.example", "font")),
        ("@media print { @font-face { } p { background: url(//a.example/p.png) } }", ("a.example", "image")),
        ('p { background: image-set("/own.png" 1x, "https://a.example/p.png" 2x) }', ("a.example", "image")),
        ('p { background: image-set(url("/own.png") 1x, url("//a.example/p.png") 2x) }', ("a.example", "image")),
        ("p { mask: cross-fade(url(/own.png), url('//a.example/p.png')) }", ("a.example", "image")),
    ],
)
def test_loads_of_a_style_sheet_are_found(sheet, found):
    """Fonts and images of another host are found, because they reveal its visitors too."""
    assert [(one.host, one.what) for one in of_stylesheet(sheet, SourcePlace("x.css", 1))] == [found]


@pytest.mark.parametrize(
    "sheet",
    [
        "@namespace url(http://www.w3.org/1999/xhtml);",
        '@namespace svg "http://www.w3.org/2000/svg";',
        "@import '/own.css' supports(mask: url(https://a.example/p.png));",
        'a[href="https://a.example/"]::after { content: "https://a.example/" }',
    ],
)
def test_a_url_that_a_style_sheet_does_not_load_is_ignored(sheet):
    """A namespace, a condition, a selector and a text load nothing."""
    assert list(of_stylesheet(sheet, SourcePlace("x.css", 1))) == []


def test_a_template_is_scanned_around_its_jinja_code():
    """A URL of an expression is unknown, and one with a literal host is found."""
    assert gates("{% for url in urls %}<img src='{{ url }}'><img src='https://{{ host }}/'>{% endfor %}") == {}
    assert list(gates("<img src='https://a.example/{{ name }}.gif'>")) == ["a.example"]
    assert gates("{# <img src='https://a.example/'> #}") == {}


def test_line_numbers_are_those_of_the_file():
    """Line numbers are right below Jinja tags that strip white space."""
    template = "{%- if a -%}\n\n<p>\n{%- endif %}\n{# a\ncomment #}\n<script>\nfetch('https://a.example/')</script>"
    traces = of_markup(parts_of(template, Environment()), "x.html")  # noqa: S701 — nothing is rendered
    assert [found.place.line for found in traces if isinstance(found, LoadTrace)] == [8]


@pytest.mark.parametrize(
    ("template", "gate"),
    [
        ("<img src=//a.example>", None),
        ('{% consent "media" %}<img src=//a.example>{% endconsent %}', {"media"}),
        ('{% consent "media", service="film" %}<img src=//a.example>{% endconsent %}', {"media", "film"}),
        ('{% consent "media" %}{% else %}<img src=//a.example>{% endconsent %}', None),
        ('{% consent "media" %}{% endconsent %}<img src=//a.example>', None),
        ('{% if current_consent.allows("media") %}<img src=//a.example>{% endif %}', {"media"}),
        ('{% if not current_consent.allows("media") %}<img src=//a.example>{% endif %}', None),
        ('{% if not current_consent.allows("media") %}{% else %}<img src=//a.example>{% endif %}', {"media"}),
        ('{% if x %}{% elif current_consent.allows("media") %}<img src=//a.example>{% endif %}', {"media"}),
        ('{% consent "media" %}{% for x in y %}{% else %}<img src=//a.example>{% endfor %}{% endconsent %}', {"media"}),
        ('{% if current_consent.allows("media") or debug %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.allows("media") == false %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.allows("media") is false %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.allows("media") == False %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.allows("media") != true %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.allows("media") and not lite %}<img src=//a.example>{% endif %}', {"media"}),
        ('{% if current_consent.allows("media") and not lite %}{% else %}<img src=//a.example>{% endif %}', None),
        ('{% if not current_consent.allows("media") and x %}{% else %}<img src=//a.example>{% endif %}', None),
        ('{% if current_consent.state("media") == "granted" %}<img src=//a.example>{% endif %}', {"media", "granted"}),
        ('{% if current_consent.state("media") == "refused" %}<img src=//a.example>{% endif %}', None),
    ],
)
def test_the_consent_around_an_element_is_recognised(template, gate):
    """The consent tag and a test of current_consent are recognised."""
    assert gates(template) == {"a.example": gate}


@pytest.mark.parametrize(
    ("element", "load"),
    [("script", "fetch('//{}.example');"), ("style", "p {{ background: url(//{}.example) }}")],
)
def test_the_consent_around_lines_of_a_script_or_style_sheet_is_recognised(element, load):
    """The consent covers the complete lines inside the block, and no other line."""
    allowed = '{% if current_consent.allows("media") %}'
    lines = (load.format("a"), allowed, load.format("b"), "{% else %}", load.format("c"), "{% endif %}")
    mixed = f"{load.format('d')}{allowed}{load.format('e')}{{% endif %}}"
    found = gates("\n".join((f"<{element}>", *lines, mixed, f"</{element}>")))
    assert found == {f"{name}.example": {"media"} if name == "b" else None for name in "abcde"}


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("templates/x.html", '\n<script src="https://evil.example/x.js"></script>', "host-not-declared"),
        ("templates/x.html", '\n<script src="https://video.example/x.js"></script>', "before-consent"),
        ("templates/x.html", '{% consent "statistics" %}\n<iframe src="//video.example"></iframe>', "before-consent"),
        ("templates/x.html", '{% consent "media" %}\n<video src="//x.map.example"></video>', "host-not-declared"),
        ("templates/x.html", "\n<iframe src='//video.example:8000'></iframe>", "before-consent"),
        ("templates/x.html", "\n<iframe srcdoc='<script nonce=x>localStorage.a = 1</script>'>", "used-not-declared"),
        ("static/x.js", '\ndocument.cookie = "evil=1"', "used-not-declared"),
        ("static/x.js", '\ndocument.cookie = "player=1"', "used-not-declared"),
        ("static/x.js", '\nsessionStorage.theme = "dark"', "used-not-declared"),
        ("static/x.css", "\n@import '//evil.example';", "host-not-declared"),
        ("static/x.html", "\n<img src='//evil.example'>", "host-not-declared"),
    ],
)
def test_an_undeclared_or_ungated_load_fails_the_check(scan, name, text, key):
    """Each finding has its file and line, and the exit code is 1."""
    assert scan(name, text) == ([(key, 2)], 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("templates/x.html", '{% consent "media" %}<iframe src="//video.example"></iframe>{% endconsent %}'),
        ("templates/x.html", '{{ privacy.embed("https://video.example/1", purpose="media", title="A film") }}'),
        ("templates/x.html", '{% consent "media" %}<iframe src="//video.example:8000"></iframe>{% endconsent %}'),
        ("templates/x.html", '<img src="https://shop.example/own.png">'),
        ("static/x.js", 'localStorage.theme = "dark"'),
        ("static/x.js", 'document.cookie = "privacy_choices=1"'),
        ("static/x.txt", '<script src="https://evil.example/x.js"></script>'),
    ],
)
def test_a_declared_and_gated_load_passes(scan, name, text):
    """There is no finding, and the exit code is 0."""
    assert scan(name, text, PRIVACY_BASE_URL="https://shop.example") == ([], 0)


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("templates/x.html", "\n<script>work()</script>", "inline-script"),
        ("templates/x.html", '\n<p onclick="work()">', "inline-script"),
        ("templates/x.html", '\n<a href="javascript:work()">x</a>', "inline-script"),
        ("templates/x.html", "\n{{ '}}", "unreadable"),
        ("static/x.js", "\nlocalStorage[name] = 1", "unreadable"),
    ],
)
def test_what_a_scan_cannot_decide_is_a_warning(scan, name, text, key):
    """Inline scripts and computed names are warnings for the audit, and the exit code is 0."""
    assert scan(name, text) == ([(key, 2)], 0)


@pytest.mark.parametrize(("gate", "found"), [("media", []), ("statistics", [("warning", "ambiguous-service")]),
                                             ("", [("error", "before-consent")])])  # fmt: skip
def test_a_load_of_two_services_needs_both(gate, found):
    """A load that only one of its services allows is a warning, and one that none allows an error."""
    services = [Service(name, "A", name, ("a.example",), ("script",)) for name in ("media", "statistics")]
    policy = with_services(*services, replace(services[0], id="other"))
    policy = replace(policy, services=policy.services if gate != "media" else policy.services[2:3])
    load = LoadTrace(SourcePlace("x.html", 1, frozenset({gate}) if gate else None), "a.example", "script")
    assert [(one.level, one.key) for one in Rules(policy).findings([load])] == found


def test_the_terminal_shows_a_clickable_location_and_the_next_step(tiny):
    """File and line are first, as in a compiler's output."""
    site = tiny()
    site.app.root_path = str(site.folder.parent)
    path = site.folder.parent / "static" / "x.js"
    path.parent.mkdir()
    path.write_text('document.cookie = "seen=1";')
    assert (
        site.cli("check", "--templates")
        .output.splitlines()[-2]
        .endswith(
            "x.js:1: error: A script stores 'seen' (cookie), which the policy does not declare. "
            'Remove it, or add a [[cookies]] table with name = "seen" and kind = "js".'
        )
    )


def test_without_its_parsers_the_check_names_the_extra_to_install(tiny, monkeypatch):
    """The exit code is 2."""
    monkeypatch.setattr("flask_mixamo_privacy.audit.source.scan.find_spec", lambda name: None)
    outcome = tiny().cli("check", "--templates")
    assert outcome.exit_code == 2
    assert outcome.output == (
        "Error: flask privacy check --templates needs the extra 'audit'. "
        "Install it: pip install 'Flask-Mixamo-Privacy[audit]'.\n"
    )


def test_the_example_s_own_files_pass():
    """The shop's templates, scripts and style sheets have no finding."""
    from example_site import create_app

    outcome = create_app().test_cli_runner().invoke(args=["privacy", "check", "--templates", "--json"])
    assert [found for found in json.loads(outcome.output) if "file" in found] == []


@pytest.mark.parametrize("address", ["", "/x", "x.png", "data:image/gif;base64,AA//BB", "mailto:a@b.example", "#//x"])
def test_a_url_without_a_host_has_no_host(address):
    """A URL of the site itself is not mistaken for another host's."""
    assert host_in(address) == ""


def test_a_stored_name_may_be_declared_by_a_pattern(tiny):
    """A service's cookies may be declared by a pattern such as ``_ga_*``."""
    from flask_mixamo_privacy.audit.source.scan import Rules

    rules = Rules(with_services(cookies=(Cookie("_ga_*", "media", "13 months", "Counts.", kind="js"),)))
    assert not list(rules.findings([StoredTrace(SourcePlace("x.js", 1), "js", "_ga_1")]))
    assert [found.key for found in rules.findings([StoredTrace(SourcePlace("x.js", 1), "js", "_gb")])] == [
        "used-not-declared"
    ]
