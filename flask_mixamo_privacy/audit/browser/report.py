"""What an audit comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .evidence import Place
from .finding import Finding


@dataclass(frozen=True)
class Known:
    """A finding that the baseline knows, why it is put up with, and until when."""

    finding: Finding
    reason: str
    until: str  # a day


@dataclass(frozen=True)
class Picture:
    """What a page looked like, as a JPEG."""

    title: str
    jpeg: bytes


@dataclass(frozen=True)
class Report:
    """One audit: what was found, what is known, what could not be seen, and what was looked at."""

    site: str
    url: str
    file: str  # the declaration's name
    findings: tuple[Finding, ...]
    known: tuple[Known, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()  # routes, each with the reason
    notes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    pages: int = 0  # that were loaded
    requests: int = 0
    seconds: float = 0.0
    at: str = ""  # UTC
    pictures: dict[tuple[Place, str], Picture] = field(default_factory=dict)  # by place and what is outlined there

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 something could not be looked at."""
        return 1 if self.findings else 2 if self.unseen else 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "site": self.site,
            "url": self.url,
            "at": self.at,
            "exit_code": self.exit_code,
            "findings": [finding.as_dict() for finding in self.findings],
            "known": [{**known.finding.as_dict(), "reason": known.reason, "until": known.until} for known in self.known],
            "unseen": [{"route": route, "why": why} for route, why in self.unseen],
            "notes": list(self.notes),
            "looked_at": {
                "states": list(self.states), "logins": list(self.logins), "routes": list(self.routes),
                "pages": self.pages, "requests": self.requests, "seconds": round(self.seconds, 1),
            },
        }  # fmt: skip
