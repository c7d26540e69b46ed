"""A site held against its declaration: its files, and the running site in a real browser."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .browser.audit_main import audit
    from .browser.report import Report
    from .browser.trouble import CouldNotLook

__all__ = ["CouldNotLook", "Report", "audit"]

_HOMES = {"audit": ".browser.audit_main", "Report": ".browser.report", "CouldNotLook": ".browser.trouble"}


def __getattr__(name: str) -> Any:
    """What is public here is loaded when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_HOMES[name], __name__), name)
