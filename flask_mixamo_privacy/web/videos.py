"""Addresses of videos: from the page that people copy to the player that a page can embed.

YouTube's privacy-enhanced mode is the host youtube-nocookie.com (https://support.google.com/youtube/answer/171780). Vimeo
sets no new cookies if the player's address has ``dnt=1`` (https://help.vimeo.com/hc/en-us/articles/26080940921361).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

_YOUTUBE = ("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtube-nocookie.com")
_YOUTUBE_PAGE = re.compile(r"/(?:embed|shorts|live|v)/([\w-]{6,})/?")
_VIMEO_PAGE = re.compile(r"/(?:channels/[\w-]+/|groups/[\w-]+/videos/|video/)?(\d+)(?:/(\w+))?/?")
_OFFSET = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def players_of(url: str) -> Iterator[str]:
    """Yield the addresses of a video's player, the privacy-friendlier one first. Yield none for any other address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    host = parts.hostname or ""
    if parts.scheme not in ("", "http", "https"):
        return
    if host in (*_YOUTUBE, "www.youtube-nocookie.com", "youtu.be"):
        if path := _youtube_path(host, parts.path, parts.query):
            yield f"https://www.youtube-nocookie.com{path}"
            yield f"https://www.youtube.com{path}"
    elif host in ("vimeo.com", "www.vimeo.com", "player.vimeo.com") and (page := _VIMEO_PAGE.fullmatch(parts.path)):
        query = dict(parse_qsl(parts.query)) if host == "player.vimeo.com" else {}
        secret = {"h": page[2]} if page[2] else {}
        yield f"https://player.vimeo.com/video/{page[1]}?{urlencode(secret | {'dnt': '1'} | query)}{_start(parts.fragment)}"


def _start(fragment: str) -> str:
    """Return the fragment with which Vimeo's player starts later, such as ``#t=30s``, or an empty text."""
    name, _, offset = fragment.partition("=")
    return f"#t={offset}" if name == "t" and _seconds(offset) else ""


def _youtube_path(host: str, path: str, query: str) -> str:
    """Return path and query of YouTube's player, or an empty text for a page without a video."""
    values = {name: found[0] for name, found in parse_qs(query).items()}
    if page := _YOUTUBE_PAGE.fullmatch(path):
        video = page[1]
    elif host == "youtu.be":
        video = path.strip("/")
    else:
        video = values.get("v", "") if path == "/watch" else "videoseries" if path == "/playlist" else ""
    if not re.fullmatch(r"[\w-]{6,}", video):
        return ""
    if path.startswith("/embed/"):
        return f"{path}?{query}" if query else path
    kept = {"list": values.get("list", ""), "start": _seconds(values.get("t", values.get("start", "")))}
    chosen = urlencode({name: value for name, value in kept.items() if value})
    return f"/embed/{video}?{chosen}" if chosen else f"/embed/{video}"


def _seconds(offset: str) -> str:
    """Return an offset such as ``1m30s`` as a number of seconds, or an empty text."""
    match = _OFFSET.fullmatch(offset)
    if match is None or not offset:
        return ""
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return str(hours * 3600 + minutes * 60 + seconds)
