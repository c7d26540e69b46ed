"""Options, output and error handling that the commands share."""

from __future__ import annotations

import gc
import getpass
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TextIO, TypeVar

import click
from flask.cli import AppGroup

from ..errors import PrivacyError
from ..policy.parts import is_day
from ..storage.platform import IS_WINDOWS

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=click.Command)


class HelpGroup(AppGroup):
    """A group whose ``--help`` lists the whole first sentence of each command's help."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _summary(command)) for name, command in commands if command is not None and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _summary(command: click.Command) -> str:
    """Return the first sentence of a command's help. An abbreviation such as "art." does not end it."""
    text = " ".join((command.short_help or command.help or "").partition("\f")[0].partition("\n\n")[0].split())
    return _SENTENCE_END.split(text, maxsplit=1)[0] + (" (DEPRECATED)" if command.deprecated else "")


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def exit_codes(clean: str, findings: str = "", *, error: str = "failed") -> Callable[[C], C]:
    """State at the end of a command's help what the exit codes 0, 1 and 2 mean. Without findings, it never exits with 1."""
    meanings = (("0", clean), ("1", findings), ("2", error))
    lines = [f"  {code}  {meaning}" for code, meaning in meanings if meaning]

    def add(command: C) -> C:
        command.epilog = "\n".join(["\b", "Exit codes:", *lines])
        return command

    return add


def exit_2_on_error(command: F) -> F:
    """Print an error of the extension or the operating system, and exit with 2."""

    @wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except BrokenPipeError:  # `| head` has read enough; Click exits with 1
            raise
        except (PrivacyError, OSError) as error:
            fail(str(error))

    return run  # type: ignore[return-value]


def accept_every_character(stream: TextIO) -> None:
    """Let a command print any text, such as the path of a page in another script.

    On Windows a file or a pipe would get cp1252, so it gets UTF-8 with the line ends that the command prints. Elsewhere a
    character that the locale cannot write is printed as an escape.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    if IS_WINDOWS and not stream.isatty():
        stream.reconfigure(encoding="utf-8", newline="")
    else:
        stream.reconfigure(errors="backslashreplace")


#: What a terminal obeys, or shows where it does not stand: controls, line separators, overrides of direction, and what no
#: encoding has. Spaces without a break and joiners stay, because texts in some languages need them.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def for_terminal(text: str, keep: str = "") -> str:
    """Return a text that a terminal only prints: a visitor's message must not move the cursor or add a line."""
    text = text if "\n" in keep else text.replace("\r\n", " ").replace("\n", " ")
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else "\ufffd", text)


def echo(text: str, *, err: bool = False, lines: bool = False) -> None:
    """Print one line, in which nothing controls the terminal. With ``lines``, the text may have several lines.

    Commands print by this function and :func:`print_json` alone, because stored texts come from anyone.
    """
    click.echo(for_terminal(text, "\n" if lines else ""), err=err)


def json_option(command: F) -> F:
    """Add the option ``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON. Values without a JSON type, such as dates, become text. Controls become escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    click.echo(_CONTROLS.sub(lambda found: json.dumps(found[0])[1:-1], text))


def since_option(command: F) -> F:
    """Add the option ``--since`` for a day. Any other value is a usage error, with exit code 2."""
    return click.option("--since", default="", callback=_day, help="The first day, such as 2026-05-08.")(command)


def _day(_context: click.Context, _option: click.Parameter, day: str) -> str:
    if day and not is_day(day):
        raise click.BadParameter(f"{day!r} is not a day; write it as 2026-05-08.", param_hint="--since")
    return day


@contextmanager
def without_collecting() -> Iterator[None]:
    """Disable the cyclic garbage collector, which takes a tenth of the time of loading without finding garbage.

    Only for a command, because the threads of a serving process share the collector.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def fail(message: str) -> None:
    """Print an error, and exit with 2."""
    echo(f"Error: {message}", err=True, lines=True)
    sys.exit(2)


def progress_bar(label: str, length: int) -> Any:
    """Return a progress bar on standard error. It is hidden without a terminal, or if the length is 0."""
    file = sys.stderr if length and sys.stderr.isatty() else io.StringIO()  # Click before 8.2 cannot hide a bar
    return click.progressbar(length=length, label=label, file=file)


def os_username() -> str:
    """Return the name of the operating system user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user of a container or of a Windows service may have no name
        return "unknown"
