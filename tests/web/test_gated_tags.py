"""Gated tags: without consent they are absent from the page, not hidden."""

import re

import pytest
from flask import render_template_string, request

from conftest import choose
from flask_mixamo_privacy.errors import AddressError, UndeclaredHost, UndeclaredPurpose, UndeclaredService
from flask_mixamo_privacy.policy.parts import Service
from support.service_site import with_services

FILM = "https://video.example/1"
POLICY = with_services(Service("count", "Counter", "statistics", ("www.googletagmanager.com", "stats.example"), ("script",)))


@pytest.fixture
def show(tiny):
    """Builds a site whose page /x is the template; returns a visitor, with the site as ``visitor.site``."""

    def build(template, config=None, **headers):
        site = tiny(PRIVACY_POLICY=POLICY, **(config or {}))
        site.view("/x", lambda: render_template_string(template))
        visitor = site.visitor(**headers)
        visitor.site = site
        return visitor

    return build


@pytest.mark.parametrize(
    ("verb", "tag"),
    [
        ('script("https://stats.example/a.js", purpose="statistics", defer=True)',
         '<script src="https://stats.example/a.js" defer></script>'),
        ('style("https://video.example/a.css", purpose="media", media="screen")',
         '<link rel="stylesheet" href="https://video.example/a.css" media="screen">'),
        ('script("/own.js", purpose="media")', '<script src="/own.js"></script>'),
    ],
)  # fmt: skip
def test_a_gated_tag_is_absent_without_a_grant(show, verb, tag):
    """The tag is in the page only between the grant and its withdrawal."""
    visitor = show("[{{ privacy." + verb + " }}]")
    pages = [visitor.get("/x").text]
    for choice in ("reject_all", "accept_all", "reject_all"):
        choose(visitor, choice)
        pages.append(visitor.get("/x").text)
    assert pages == ["[]", "[]", f"[{tag}]", "[]"]


def test_a_script_of_a_service_that_is_not_granted_is_absent(show):
    """The script of a service that was not granted is absent, although its purpose is granted."""
    visitor = show('[{{ privacy.script("https://video.example/a.js", purpose="media") }}]')
    choose(visitor, "save", "media", service="map")
    assert visitor.get("/x").text == "[]"


@pytest.mark.parametrize(
    ("verb", "load"), [('script("https://evil.example/a.js", purpose="media")', "script"),
                       ('style("//evil.example/a.css", purpose="media")', "style"),
                       ('embed("https://evil.example/", purpose="media", title="Film")', "frame")],
)  # fmt: skip
def test_promise_1_an_undeclared_host_raises(show, verb, load):
    """An undeclared host raises with and without consent, and the error has the lines to add."""
    visitor = show("{{ privacy." + verb + " }}")
    with pytest.raises(UndeclaredHost) as raised:
        visitor.get("/x")
    assert str(raised.value) == (
        f"The host 'evil.example' is not declared for a {load}; allowed: the hosts of services of the purpose 'media'. "
        'Load it from one of these, or add to privacy.toml:\n\n[[services]]\nid = "evil-example"\ntitle = "…"\n'
        'purpose = "media"\n'
        f'hosts = ["evil.example"]\nloads = ["{load}"]\nlink = "https://…"\n'
    )


@pytest.mark.parametrize("url", ["javascript://video.example/%0aalert(1)", "https://evil.example\\@video.example/",
                                 "/\\evil.example/", "https:evil.example", "///evil.example/", "data:text/html,a", "//["])  # fmt: skip
@pytest.mark.parametrize("verb", ["script", "style", "embed"])
def test_promise_1_an_ambiguous_url_raises(show, verb, url):
    """A URL that browsers parse in another way raises, although it contains a declared host."""
    title = ", title='Film'" if verb == "embed" else ""
    visitor = show("{{ privacy." + verb + "(request.args.url, purpose='media'" + title + ") }}")
    with pytest.raises(AddressError, match=f"The URL of privacy.{verb} is '.+'; allowed: a path, or a URL with http://"):
        visitor.get("/x", query_string={"url": url})


def test_promise_1_a_host_declared_for_a_frame_is_not_declared_for_a_script(show):
    """A host is declared for the kinds of loads that its service lists, and for no other."""
    with pytest.raises(UndeclaredHost, match=r"'a\.map\.example' is not declared for a script"):
        show('{{ privacy.script("https://a.map.example/a.js", purpose="media") }}').get("/x")


def test_a_url_of_the_own_site_needs_no_service(show):
    """A URL of the site itself needs no service, as a path or with the host."""
    visitor = show('[{{ privacy.script("http://localhost/a.js", purpose="media") }}]')
    choose(visitor, "accept_all")
    assert visitor.get("/x").text == '[<script src="http://localhost/a.js"></script>]'


def test_a_placeholder_shows_the_reason_and_a_button_instead_of_the_frame(show):
    """The placeholder names the recipient and has a form that works without JavaScript, but not the frame's URL."""
    text = show('{{ privacy.embed("' + FILM + '", purpose="media", title="A <film>") }}').get("/x").text
    assert "“A &lt;film&gt;” is not loaded yet" in text and "It comes from video.example, which would learn" in text
    assert '<button name="choice" value="save">Allow and load</button>' in text
    assert "<iframe" not in text and FILM not in text


def test_the_button_grants_that_service_alone_and_returns_to_the_placeholder(show):
    """The ledger has the grant with the text shown, and the frame replaces the placeholder."""
    visitor = show('{{ privacy.embed("' + FILM + '", purpose="media", title="Film", allow="fullscreen") }}')
    text = visitor.get("/x?a=1").text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    response = choose(visitor, "save", **fields)
    place = re.search(r'<div id="(mixamo-embed[^"]+)"', text)[1]
    assert response.location == f"/x?a=1#{place}"
    frame = f'<iframe src="{FILM}" title="Film" id="{place}" class="mixamo-embed-frame" loading="lazy" allow="fullscreen">'
    assert frame in visitor.get("/x").text
    row = visitor.site.ledger("grant")[0]
    assert (row["source"], row["services"], row["purposes"]) == ("embed", '["film"]', '["media"]')
    assert '"buttons":["Allow and load"]' in visitor.site.ledger_texts()[0]["body"]


def test_a_stale_placeholder_restores_no_withdrawn_grant(show):
    """The button of a page opened before a withdrawal grants its own service alone."""
    visitor = show('{{ privacy.embed("' + FILM + '", purpose="media", title="Film") }}')
    choose(visitor, "save", "statistics")
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', visitor.get("/x").text))
    choose(visitor, "reject_all")
    choose(visitor, "save", **fields)
    assert visitor.get("/privacy/state.json").json["granted"] == ["necessary", "media"]


def test_the_style_sheet_of_placeholders_is_linked_once(show):
    """Two embeds link the style sheet once, whether they are granted or not."""
    film = '{{ privacy.embed("https://video.example/%d", purpose="media", title="Film") }}'
    visitor = show(film % 1 + film % 2)
    assert visitor.get("/x").text.count("<link") == 1
    choose(visitor, "accept_all")
    text = visitor.get("/x").text
    assert (text.count("<iframe"), text.count("<link")) == (2, 1) and text.index("widgets.") < text.index("<iframe")


def test_the_placeholder_is_in_the_visitors_language(show):
    """The placeholder is in the visitor's language and text direction."""
    visitor = show('{{ privacy.embed("' + FILM + '", purpose="media", title="Film") }}', Accept_Language="ar")
    assert 'lang="ar" dir="rtl"' in visitor.get("/x").text


GA = Service("ga", "GA", "statistics", ("www.googletagmanager.com",), ("script",), use="google-analytics")
GTM = Service("gtm", "GTM", "statistics", ("www.googletagmanager.com",), ("script",), use="google-tag-manager")
MAPS = Service("maps", "Maps", "media", ("shared.example",), ("frame", "script"))
BOTS = Service("bots", "Bots", "media", ("shared.example",), ("frame", "script"))


@pytest.mark.parametrize("services", [(GA, GTM), (GTM, GA)], ids=["first", "last"])
@pytest.mark.parametrize(("tag", "granted", "refused"), [("G-1", "ga", "gtm"), ("gtm-1", "gtm", "ga")])
def test_promise_1_a_refused_product_of_google_does_not_run(tiny, services, tag, granted, refused):
    """Analytics and the Tag Manager have one host, and the tag's id shows which of the two must be granted."""
    site = tiny(PRIVACY_POLICY=with_services(*services))
    site.view("/x", lambda: render_template_string('[{{ privacy.google_tag("' + tag + '") }}]'))
    visitor = site.visitor()
    choose(visitor, "save", "statistics", service=refused)
    assert visitor.get("/x").text == "[]"
    choose(visitor, "save", "statistics", service=granted)
    assert f"gtag/js?id={tag}" in visitor.get("/x").text


SHARED = "https://shared.example/1"


@pytest.mark.parametrize("services", [(MAPS, BOTS), (BOTS, MAPS)], ids=["first", "last"])
def test_promise_1_every_service_of_a_shared_host_must_be_granted(tiny, services):
    """A refused service never runs because another one has its host, unless the template names the one it means."""
    site = tiny(PRIVACY_POLICY=with_services(*services))
    verbs = [f'script("{SHARED}", purpose="media"{named})' for named in ("", ', service="maps"', ', service="bots"')]
    verbs += [f'embed("{SHARED}"{named})' for named in ("", ', service="maps"', ', service="bots"')]
    site.view("/x", lambda: "|".join(render_template_string("{{ privacy." + verb + " }}") for verb in verbs))
    visitor = site.visitor()
    choose(visitor, "save", "media", service="maps")
    assert [f'src="{SHARED}"' in part for part in visitor.get("/x").text.split("|")] == [False, True, False] * 2
    choose(visitor, "accept_all")
    assert visitor.get("/x").text.count(f'src="{SHARED}"') == 6


def test_the_placeholder_of_a_shared_host_asks_for_each_service_in_turn(tiny):
    """The button grants the first service that is withheld; the next page asks for the next one."""
    site = tiny(PRIVACY_POLICY=with_services(MAPS, BOTS))
    site.view("/x", lambda: render_template_string('{{ privacy.embed("' + SHARED + '") }}'))
    visitor, asked = site.visitor(), []
    while "<iframe" not in (text := visitor.get("/x").text):
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
        asked.append(fields["service"])
        choose(visitor, "save", **fields)
    assert asked == ["maps", "bots"]


def test_a_named_service_that_does_not_declare_the_host_raises(show):
    """The error names the services that do."""
    with pytest.raises(
        UndeclaredHost, match=r"allowed: the hosts of the service 'map'.+ Pass .+: service=\"film\" and purp"
    ):
        show('{{ privacy.embed("' + FILM + '", service="map") }}').get("/x")
    with pytest.raises(UndeclaredService, match="The service 'x' is not declared; allowed: film, map, count"):
        show('{{ privacy.script("/own.js", purpose="media", service="x") }}').get("/x")


def test_a_file_of_the_site_may_belong_to_a_service(show):
    """A named service must be granted for the site's own copy of its script too."""
    visitor = show('[{{ privacy.script("/film.js", purpose="media", service="film") }}]')
    choose(visitor, "save", "media", service="map")
    assert visitor.get("/x").text == "[]"
    choose(visitor, "accept_all")
    assert visitor.get("/x").text == '[<script src="/film.js"></script>]'


def test_a_host_of_another_purpose_or_load_is_no_reason_for_a_second_service(show):
    """The error names the argument to pass or the key to change, and suggests no table whose id is taken."""
    with pytest.raises(UndeclaredHost) as raised:
        show('{{ privacy.script("https://video.example/a.js", purpose="statistics") }}').get("/x")
    assert str(raised.value) == (
        "The host 'video.example' is not declared for a script; allowed: the hosts of services of the purpose 'statistics'. "
        'Pass the service that declares it: service="film" and purpose="media".'
    )
    with pytest.raises(UndeclaredHost, match=r'write loads = \["frame", "image", "script"\] into .+ the service \'map\'\.'):
        show('{{ privacy.script("https://a.map.example/a.js", purpose="media") }}').get("/x")


@pytest.mark.parametrize(("tag", "use"), [("G-1", "google-analytics"), ("GTM-1", "google-tag-manager")])
def test_an_undeclared_google_tag_raises_with_its_own_service(tiny, tag, use):
    """The error suggests no purpose that the template has not passed."""
    site = tiny()
    site.view("/x", lambda: render_template_string('{{ privacy.google_tag("' + tag + '") }}'))
    with pytest.raises(UndeclaredHost) as raised:
        site.visitor().get("/x")
    assert raised.value.purpose is None
    assert str(raised.value).endswith(
        f'the hosts of services. Load it from one of these, or add to privacy.toml:\n\n[[services]]\nuse = "{use}"\n'
    )


def test_googles_tag_is_absent_until_granted(show):
    """Neither the URL, the ID nor a consent signal of Google's tag is in the page before the grant."""
    visitor = show('[{{ privacy.google_tag("G-1") }}]')
    assert visitor.get("/x").text == "[]"
    choose(visitor, "reject_all")
    assert visitor.get("/x").text == "[]"


@pytest.mark.parametrize(("purposes", "ads"), [(["statistics"], "denied"), (["statistics", "media"], "granted")])
def test_googles_four_signals_come_before_its_tag(show, purposes, ads):
    """Statistics grants one of the four signals; the other three need the purpose named for advertising."""
    visitor = show('{{ privacy.google_tag("G-1", advertising="media") }}')
    choose(visitor, "save", *purposes)
    first, second = re.findall(r"<script[^>]*></script>", visitor.get("/x").text)
    assert re.findall(r'data-(\w+)="(\w+)"', first.replace('data-id="G-1"', "")) == [
        ("analytics_storage", "granted"), ("ad_storage", ads), ("ad_user_data", ads), ("ad_personalization", ads),
    ]  # fmt: skip
    assert second == '<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>'


@pytest.mark.parametrize("config", [{"PRIVACY_CSP_NONCE": lambda: "abc"}, {}], ids=["setting", "talisman"])
def test_tags_have_the_nonce_of_the_sites_own_csp(show, config):
    """The nonce comes from a setting or from Flask-Talisman, and the banner's tags have it too."""
    visitor = show('{{ privacy.banner() }}{{ privacy.script("/a.js", purpose="media") }}', config)
    if not config:
        visitor.site.app.before_request(lambda: setattr(request, "csp_nonce", "abc"))
    tags = re.findall(r"<(?:script|link)[^>]*>", visitor.get("/x").text)
    assert len(tags) == 2 and all('nonce="abc"' in tag for tag in tags)
    choose(visitor, "accept_all")
    assert '<script src="/a.js" nonce="abc"></script>' in visitor.get("/x").text


def test_the_consent_tag_renders_one_branch(show):
    """The consent tag may contain loops and blocks; without ``else`` it renders nothing."""
    template = "{% consent purpose %}{% for n in [1, 2] %}{{ n }}{% endfor %}{% else %}no{% endconsent %}"
    visitor = show("{% set purpose = 'statistics' %}" + template + "{% consent 'media' %}media{% endconsent %}")
    assert visitor.get("/x").text == "no"
    choose(visitor, "accept_all")
    assert visitor.get("/x").text == "12media"


def test_the_consent_tag_rejects_an_undeclared_purpose(show):
    """An undeclared purpose in a consent tag raises."""
    with pytest.raises(UndeclaredPurpose):
        show("{% consent 'marketing' %}{% endconsent %}").get("/x")


def test_a_page_with_a_gated_part_is_not_shared(show):
    """A shared cache varies such a page by Cookie and Sec-GPC, and no cache keeps the granted page."""
    visitor = show("{% consent 'media' %}film{% endconsent %}")
    assert visitor.get("/x").headers["Vary"] == "Cookie, Sec-GPC"
    choose(visitor, "accept_all")
    assert visitor.get("/x").headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "page",
    [
        "{{ privacy.script('https://video.example/a.js', purpose='media') }}",
        "{{ privacy.embed('https://video.example/1', purpose='media', title='Film') }}",
        "{% consent 'media', service='film' %}film{% endconsent %}",
    ],
)
def test_a_browser_keeps_no_page_in_which_a_service_would_run_on(show, page):
    """Back, after a withdrawal, must not show the page from memory. Without the grant, a page may be kept."""
    visitor = show(page)
    assert "no-store" not in visitor.get("/x").headers.get("Cache-Control", "")
    choose(visitor, "save", "statistics")
    assert "no-store" not in visitor.get("/x").headers["Cache-Control"]
    choose(visitor, "save", "media")
    assert visitor.get("/x").headers["Cache-Control"] == "private, no-store"
