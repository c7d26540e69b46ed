"""Whether the server at an address is the site that the declaration at hand is about."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from ...web.site import Site
from .trouble import StrangeServer


def check_policy(url: str, here: Site) -> None:
    """Raises :class:`StrangeServer` unless the policy published there has this site's name and version."""
    address = f"{url}{here.settings.url_prefix}/policy.json"
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError("it is no http address")
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 — the scheme is checked above
            published = json.load(answer)
    except (OSError, ValueError) as error:
        raise StrangeServer(url, f"{address} gives no policy ({error}).") from None
    if published.get("version", "") != here.policy.version:
        why = (
            f"its policy is of {published.get('version') or 'no day'}, the one at hand of {here.policy.version or 'no day'}."
        )
        raise StrangeServer(url, why)
