"""The site compared with its declaration: settings, source files, and the running site in a real browser.

Knows every package; no package knows it except ``cli`` and the testing plugin. In: an app or a URL, and its policy. Out:
findings, each with a code, the place, and the next step. Nothing here is imported in a serving process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .browser.crawl import audit
    from .browser.report import Report
    from .browser.target import AuditError

__all__ = ["AuditError", "Report", "audit"]

_HOMES = {"audit": ".browser.audit_main", "Report": ".browser.report", "AuditError": ".browser.trouble"}


def __getattr__(name: str) -> Any:
    """What is public here is loaded when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_HOMES[name], __name__), name)
