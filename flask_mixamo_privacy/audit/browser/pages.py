"""What the pages themselves have to keep: links that say where they lead, and no barriers."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Evidence, Link
from .finding import Told


def pages(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    if policy.notices.links:
        for page in evidence.pages:
            for link in page.links:
                if missing := _missing(link):
                    address = link.href.partition("?")[0]
                    yield Told("link-without-notice", address, page.place, missing, "notices.links", f'a[href^="{address}"]')
    for barrier in evidence.barriers:
        yield Told("accessibility", barrier.rule, barrier.place, f"{barrier.says}: {barrier.target}", "", barrier.target)


def _missing(link: Link) -> str:
    if not link.noticed:
        return "Neither its text nor a description says that it leads to another site."
    if not {"noopener", "noreferrer", "external"} & set(link.rel):
        return "It lacks rel, such as noopener or external."
    return ""
