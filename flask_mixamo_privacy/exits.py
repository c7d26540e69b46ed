"""Exit codes are the contract of every command: 0 clean, 1 findings, 2 could not look."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from .errors import PrivacyError

F = TypeVar("F", bound=Callable[..., Any])


def could_not_look(command: F) -> F:
    """Turn an error of ours into its sentence and exit code 2."""

    @wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except (PrivacyError, OSError) as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)

    return run  # type: ignore[return-value]
