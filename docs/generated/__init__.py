"""The parts of the site that are made from the code: a block such as ```{generated} settings`` in a page names one.

The words of a block are its arguments. A repository host, which makes nothing, shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import architecture, commands, declaration, findings, pages, settings, signals, verbs

#: What makes each part, from the words of its block.
MAKERS: dict[str, Callable[..., str]] = {
    "architecture": architecture.packages,
    "audit-findings": findings.of_audit,
    "check-findings": findings.of_check,
    "commands": commands.commands,
    "keys": declaration.keys,
    "settings": settings.settings,
    "signals": signals.signals,
    "state": pages.state,
    "types": pages.types,
    "urls": pages.urls,
    "verbs": verbs.verbs,
}

BLOCK = re.compile(r"^```\{generated\} ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def expand(text: str) -> str:
    """Return a page with every generated block replaced by what it names."""
    return BLOCK.sub(lambda block: MAKERS[block[1]](*block[2].split()), text)
