"""Every signal, from ``signals.py``."""

from __future__ import annotations

from blinker import NamedSignal

from flask_mixamo_privacy import signals as module

from .markdown import block, comments_of, literals


def signals() -> str:
    """Return every signal with the comment above it."""
    return "\n".join(block("py:data", name, literals(text)) for name, text in all_signals().items())


def all_signals() -> dict[str, str]:
    """Return the comment of each signal by its name."""
    return {name: text for name, text in comments_of(module).items() if isinstance(getattr(module, name), NamedSignal)}
