"""What commands have in common: exit codes are the contract (0 clean, 1 findings, 2 could not look)."""

from __future__ import annotations

import gc
import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import click

from ..errors import PrivacyError
from ..policy.parts import is_day

F = TypeVar("F", bound=Callable[..., Any])


def exit_2_on_error(command: F) -> F:
    """Turn an error of ours into its sentence and exit code 2."""

    @wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except (PrivacyError, OSError) as error:
            fail(str(error))

    return run  # type: ignore[return-value]


def json_option(command: F) -> F:
    """The option ``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="For a machine to read.")(command)


def print_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON; what JSON has no type for, such as a date, as text."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def since_option(command: F) -> F:
    """The option ``--since``, for a day; anything else is an error of use, exit code 2."""
    return click.option("--since", default="", callback=_day, help="From this day on, such as 2026-05-08.")(command)


def _day(_context: click.Context, _option: click.Parameter, day: str) -> str:
    if day and not is_day(day):
        raise click.BadParameter(f"{day!r} is no day; write it as 2026-05-08.", param_hint="--since")
    return day


@contextmanager
def without_collecting() -> Iterator[None]:
    """No search for circular garbage, of which loading makes none: it takes a tenth of the time.

    For a command, which has its process to itself; a serving process's threads share the collector.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def fail(sentence: str) -> None:
    """Say why nothing was done, and exit with 2."""
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(2)


def progress_bar(label: str, length: int) -> Any:
    """A bar on the terminal's error stream; hidden if that is no terminal, or if there is nothing to do."""
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty() or not length)


def os_username() -> str:
    """The operating system's name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
