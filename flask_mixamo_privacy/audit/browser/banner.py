"""Whether refusing is as easy as accepting (EDPB cookie banner taskforce, 2023): as near, as large, as bright."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Banner, Button, Evidence
from .finding import Told

_ENOUGH = 0.8  # of the other's size or contrast; below it a difference is seen
_LEGIBLE = 7.0  # a contrast above which more makes nothing clearer (WCAG 2.1, 1.4.6)


def banner(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for page in evidence.pages:
        if page.banner is not None:
            for says in harder(page.banner):
                selector = "form button[name=choice]"
                yield Told("reject-harder-than-accept", "banner", page.place, says, "banner", selector)


def harder(shown: Banner) -> Iterator[str]:
    """Every way in which refusing is harder."""
    accept, reject = shown.accept, shown.reject
    if accept is None:
        return
    if reject is None:
        yield "Accepting takes one press; there is no button beside it that refuses."
        return
    if reject.area < _ENOUGH * accept.area:
        yield f"The button that refuses has {reject.area / accept.area:.0%} of the other's size."
    if reject.font < _ENOUGH * accept.font:
        yield f"Its text is {reject.font:.0f} pixels high, the other's {accept.font:.0f}."
    if reject.contrast < min(_ENOUGH * accept.contrast, _LEGIBLE):
        yield f"Its text has a contrast of {reject.contrast:.1f} : 1, the other's {accept.contrast:.1f} : 1."
    if accept.fill > 1.5 * reject.fill and accept.fill > 1.5:
        yield f"Its surface stands out by {reject.fill:.1f} : 1, the other's by {accept.fill:.1f} : 1."
    yield from _places(accept, reject)


def _places(accept: Button, reject: Button) -> Iterator[str]:
    if accept.in_view and not reject.in_view:
        yield "It is outside the window in which the other is seen."
    if reject.order < 0 <= accept.order:
        yield "The Tab key never comes to it."
    elif reject.order - accept.order > 2:
        yield f"The Tab key comes to it {reject.order - accept.order} stops after the other."
