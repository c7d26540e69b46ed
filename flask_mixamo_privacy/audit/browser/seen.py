"""What is declared and never happens: a policy that says more than the site does is not true either."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Evidence
from .finding import Told


def seen(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    used = {cookie.name for w in evidence.written if (cookie := policy.cookie(w.name, w.kind)) is not None}
    for cookie in policy.cookies:
        if cookie.name not in used:
            says = f"Nothing of kind {cookie.kind} with this name was set, in any state."
            yield Told("declared-not-seen", cookie.name, None, says, f"cookies.{cookie.name}")
    asked = {service.id for a in evidence.asked if not a.refused and (service := policy.service_for(a.host)) is not None}
    for service in policy.services:
        if service.id not in asked:
            says = f"Nothing was loaded from {', '.join(service.hosts)}, in any state."
            yield Told("declared-not-seen", service.id, None, says, f"services.{service.id}")
