"""Embedded videos: the page that people copy becomes the privacy-friendlier player, if the site declares its host."""

import re

import pytest
from flask import render_template_string

from conftest import choose
from flask_mixamo_privacy.errors import UndeclaredHost
from flask_mixamo_privacy.policy.parts import Service
from flask_mixamo_privacy.policy.toml import START, read
from flask_mixamo_privacy.web.videos import players_of
from support.service_site import with_services

PLAYER = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ"
WATCH = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


@pytest.mark.parametrize(
    ("url", "player"),
    [
        (WATCH, PLAYER),
        (WATCH + "&t=1m30s", PLAYER + "?start=90"),
        (WATCH + "&list=PL123456&index=2", PLAYER + "?list=PL123456"),
        ("https://youtu.be/dQw4w9WgXcQ?t=43", PLAYER + "?start=43"),
        ("https://m.youtube.com/shorts/dQw4w9WgXcQ", PLAYER),
        ("https://www.youtube.com/live/dQw4w9WgXcQ", PLAYER),
        ("https://www.youtube.com/embed/dQw4w9WgXcQ?rel=0", PLAYER + "?rel=0"),
        (
            "https://www.youtube.com/playlist?list=PL123456",
            "https://www.youtube-nocookie.com/embed/videoseries?list=PL123456",
        ),
        ("https://vimeo.com/76979871", "https://player.vimeo.com/video/76979871?dnt=1"),
        ("https://vimeo.com/76979871#t=1m30s", "https://player.vimeo.com/video/76979871?dnt=1#t=1m30s"),
        ("https://player.vimeo.com/video/76979871#x=<t>", "https://player.vimeo.com/video/76979871?dnt=1"),
        ("https://vimeo.com/76979871/8272103f6e", "https://player.vimeo.com/video/76979871?h=8272103f6e&dnt=1"),
        ("https://vimeo.com/channels/staffpicks/76979871", "https://player.vimeo.com/video/76979871?dnt=1"),
        ("https://player.vimeo.com/video/76979871?h=82&dnt=0", "https://player.vimeo.com/video/76979871?dnt=0&h=82"),
    ],
)
def test_the_page_of_a_video_becomes_its_player(url, player):
    """Watch, share, short, live and playlist pages of YouTube, and pages of Vimeo."""
    assert next(players_of(url)) == player


@pytest.mark.parametrize("url", ["https://www.youtube.com/@channel", "https://www.youtube.com/watch", "https://vimeo.com/about",
                                 "https://video.example/watch?v=dQw4w9WgXcQ", "/watch?v=dQw4w9WgXcQ", "ftp://youtu.be/dQw4w9WgXcQ",
                                 "//[", "https://youtu.be/a/../b"])  # fmt: skip
def test_any_other_address_is_no_video(url):
    """A page without a video, another host, and a path stay as they are."""
    assert list(players_of(url)) == []


@pytest.fixture
def show(tiny):
    """Builds a site whose page /x is the template, and returns a visitor."""

    def build(template, policy):
        site = tiny(PRIVACY_POLICY=policy, PRIVACY_CSP="enforce")
        site.view("/x", lambda: render_template_string(template))
        return site.visitor()

    return build


def test_a_video_takes_two_more_lines(show, tmp_path):
    """One table declares the service, one expression embeds the video: placeholder first, and the player once allowed."""
    (tmp_path / "privacy.toml").write_text(START.read_text(encoding="utf-8") + '\n[[services]]\nuse = "youtube"\n')
    visitor = show(f'{{{{ privacy.embed("{WATCH}") }}}}', read(tmp_path / "privacy.toml"))
    before = visitor.get("/x")
    assert "“YouTube” is not loaded yet" in before.text and "youtube-nocookie.com/embed" not in before.text
    choose(visitor, "save", service="youtube", keep="1")
    page = visitor.get("/x")
    assert f'<iframe src="{PLAYER}" title="YouTube"' in page.text and "allowfullscreen" in page.text
    assert "frame-src" in page.headers["Content-Security-Policy"] and "www.youtube-nocookie.com" in str(page.headers)


def test_the_declared_host_decides(show):
    """A site that declares www.youtube.com alone embeds its player, and its own service and purpose stay."""
    policy = with_services(Service("tube", "Tube", "media", ("www.youtube.com",), ("frame",)))
    visitor = show(f'{{{{ privacy.embed("{WATCH}", purpose="media", title="Song") }}}}', policy)
    choose(visitor, "accept_all")
    assert '<iframe src="https://www.youtube.com/embed/dQw4w9WgXcQ" title="Song"' in visitor.get("/x").text


def test_an_undeclared_video_raises_with_the_line_to_add(show):
    """The error names the ready-made service of the host."""
    visitor = show(f'{{{{ privacy.embed("{WATCH}") }}}}', with_services())
    with pytest.raises(UndeclaredHost) as raised:
        visitor.get("/x")
    assert str(raised.value) == (
        "The host 'www.youtube-nocookie.com' is not declared for a frame; allowed: the hosts of services. "
        'Load it from one of these, or add to privacy.toml:\n\n[[services]]\nuse = "youtube"\n'
    )


def test_an_undeclared_frame_of_a_shared_host_raises_with_every_service(show):
    """A map of Google is not reCAPTCHA, although both have one host."""
    with pytest.raises(UndeclaredHost, match=r'use = "google-maps"  # or recaptcha\n'):
        show('{{ privacy.embed("https://www.google.com/maps/embed?pb=1") }}', with_services()).get("/x")


def test_the_anchor_of_an_embed_depends_on_the_address_in_the_template(show):
    """A visitor returns to the video that was allowed, whatever its player is called."""
    policy = with_services(Service("tube", "Tube", "media", ("www.youtube-nocookie.com",), ("frame",)))
    visitor = show(f'{{{{ privacy.embed("{WATCH}", purpose="media", title="Song") }}}}', policy)
    anchors = [re.search(r'id="(mixamo-embed-\w+)"', visitor.get("/x").text)[1]]
    choose(visitor, "accept_all")
    assert [re.search(r'id="(mixamo-embed-\w+)"', visitor.get("/x").text)[1]] == anchors


def test_googles_tag_has_the_purpose_of_the_service_that_declares_it(show):
    """With the ready-made service, the tag waits for its purpose, and not for the site's own statistics."""
    policy = with_services(Service("ga", "GA", "media", ("www.googletagmanager.com",), ("script",)))
    visitor = show('[{{ privacy.google_tag("G-1") }}]', policy)
    choose(visitor, "save", "statistics")
    assert visitor.get("/x").text == "[]"
    choose(visitor, "save", "media")
    assert "gtag/js?id=G-1" in visitor.get("/x").text
