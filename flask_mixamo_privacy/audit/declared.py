"""What the policy says of a thing that was seen."""

from __future__ import annotations

from ..model import Policy
from ..policy import Service


def service_of(policy: Policy, host: str) -> Service | None:
    """The first service that declares the host, with or without its port."""
    return next((service for service in policy.services if service.has(host) or service.has(host.partition(":")[0])), None)


def needs(policy: Policy, purpose: str, granted: frozenset[str]) -> bool:
    """Whether this purpose is the visitor's to grant, and is not granted."""
    return policy.purpose(purpose).optional and purpose not in granted
