"""A policy with third-party services."""

from __future__ import annotations

from flask_mixamo_privacy.policy.model import Policy
from flask_mixamo_privacy.policy.parts import Cookie, Purpose, Service
from flask_mixamo_privacy.policy.toml import built_in

MEDIA = Purpose("media", "Media", "Films and maps from elsewhere.")


def with_services(*services: Service, cookies: tuple[Cookie, ...] = (), host: str = "video.example") -> Policy:
    """Return the built-in policy with a purpose ``media``, two services, and the given values."""
    own = built_in()
    media = (
        Service("film", "Film", "media", (host,), ("frame", "script", "image", "style", "font", "connect", "media")),
        Service("map", "Map", "media", ("*.map.example",), ("frame", "image")),
    )
    return Policy(
        "Site", (*own.purposes, MEDIA), cookies=(*own.cookies, *cookies), services=(*media, *services), version=own.version
    )
