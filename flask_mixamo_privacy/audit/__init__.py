"""The site compared with its declaration: settings, source files, and the running site in a real browser.

Knows every package; no package knows it except ``cli`` and the testing plugin. In: an app or a URL, and its policy. Out:
findings, each with a code, the place, and the next step. No serving process imports this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .browser.crawl import audit
    from .browser.report import AuditReport as Report
    from .browser.target import AuditError

__all__ = ["AuditError", "Report", "audit"]

#: Each public name: its module, and its name there.
_PUBLIC = {
    "audit": (".browser.crawl", "audit"),
    "Report": (".browser.report", "AuditReport"),
    "AuditError": (".browser.target", "AuditError"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because Playwright and its modules load slowly."""
    if name not in _PUBLIC:
        raise AttributeError(f"{__name__} has no {name}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module, __name__), attribute)
