"""Who runs a command."""

from __future__ import annotations

import getpass


def operator() -> str:
    """The name of the user on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
