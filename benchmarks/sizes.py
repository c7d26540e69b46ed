"""Sizes of the banner's JavaScript and CSS, and of the tracker, as a browser receives them."""

from __future__ import annotations

import gzip

import brotli

from flask_mixamo_privacy.web.assets import TRACKER, build

from .budget import Figure

_NAMES = ("banner.js", "banner.css")


def measure() -> list[Figure]:
    """Return the sizes of the banner's files: raw, gzip 9 and brotli 11. Each file is compressed separately, as served."""
    files = [build(name) for name in _NAMES]
    return [
        Figure("banner JS + CSS, raw", sum(map(len, files)), "B"),
        Figure("banner JS + CSS, gzip", sum(len(gzip.compress(file, 9)) for file in files), "B"),
        Figure("banner JS + CSS, brotli", sum(len(brotli.compress(file, quality=11)) for file in files), "B", 2000),
        Figure("tracker.js, brotli", len(brotli.compress(build(TRACKER), quality=11)), "B", 1400),
    ]
