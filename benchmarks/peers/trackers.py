"""Bytes of the scripts that count visits, as a browser receives them."""

from __future__ import annotations

from typing import Any

import brotli

from flask_mixamo_privacy.web.assets import TRACKER, build

from . import packages

#: Why no figure is quoted: registries have no built script.
_MISSING = {
    "Umami": "no registry has its built script (the npm package `umami` has the source of an old version)",
    "GoatCounter": "no registry has `count.js`",
}


def measure() -> list[dict[str, Any]]:
    """Return the size of each tracker, compressed by brotli 11; null and the reason where no registry has the script."""
    plausible = packages.NPM / "plausible.js"
    packages.bundle('import { init } from "@plausible-analytics/tracker"; init({ domain: "site.example" });\n', plausible)
    files = {
        "ours": build(TRACKER),
        f"ahoy.js {packages.version('ahoy.js')}": (packages.MODULES / "ahoy.js/dist/ahoy.min.js").read_bytes(),
        f"Plausible {packages.version('@plausible-analytics/tracker')}, bundled by esbuild": plausible.read_bytes(),
    }
    rows = [{"name": name, "bytes": len(brotli.compress(data, quality=11)), "reason": ""} for name, data in files.items()]
    return rows + [{"name": name, "bytes": None, "reason": reason} for name, reason in _MISSING.items()]
