"""Every command of ``flask privacy``, from Click: usage, help, options and exit codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from flask_mixamo_privacy.cli import privacy

from .markdown import block, literals, table

_EXIT_CODE = re.compile(r"^ *(\d)  (.+)$", re.MULTILINE)


def commands(*names: str) -> str:
    """Return the named commands, each with its subcommands."""
    known = dict(all_commands())
    chosen = [name for name in known for wanted in names if name == wanted or name.startswith(f"{wanted}.")]
    return "\n".join(_command(f"flask privacy {name.replace('.', ' ')}", known[name]) for name in chosen)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its name, such as ``policy.freeze``."""
    context = click.Context(privacy)
    for name in privacy.list_commands(context):
        command = privacy.get_command(context, name)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield name, command
            yield from ((f"{name}.{each}", command.commands[each]) for each in sorted(command.commands))
        elif command is not None:
            yield name, command


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    help_text = literals(inspect.cleandoc(command.help or "").replace("\b\n", ""))
    options = [option for option in command.params if isinstance(option, click.Option)]
    return "\n".join([
        f"### `{name}`\n", f"```sh\n{usage}\n```\n", f"{help_text}\n", f"```{{program}} {name}\n```\n",
        *(block("option", _invocation(option, context), literals(_help(option))) for option in options),
        table(("exit code", "meaning"), exit_codes(command)),
    ])  # fmt: skip


def _invocation(option: click.Option, context: click.Context) -> str:
    if option.is_flag or option.count:
        return ", ".join(option.opts)
    return ", ".join(
        f"{name} {option.make_metavar(context) if _TAKES_CONTEXT else option.make_metavar()}" for name in option.opts
    )


_TAKES_CONTEXT = "ctx" in inspect.signature(click.Option.make_metavar).parameters  # from Click 8.2


def _help(option: click.Option) -> str:
    notes = [option.help or ""]
    if option.required:
        notes.append("Required.")
    if option.show_default:
        notes.append(f"Default: `{option.default}`.")
    return " ".join(filter(None, notes))


def exit_codes(command: click.Command) -> list[tuple[str, str]]:
    """Return each exit code of a command with its meaning, from the end of its help."""
    return [(code, literals(meaning)) for code, meaning in _EXIT_CODE.findall(command.epilog or "")]
