"""The commands of ``flask privacy``.

Each command parses its options, calls one of the packages below, and prints. The exit codes are stable: 0 means clean,
1 findings, and 2 that the command could not do its work.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..errors import PrivacyError
from .common import HelpGroup, accept_every_character, fail

if TYPE_CHECKING:
    from ..audit.checks import CheckFinding
    from ..web.runtime import Runtime

#: The module in this package and the function of each command.
COMMANDS = {
    "access": ("people", "access_command"),
    "audit": ("audit", "audit_command"),
    "check": ("policy", "check_command"),
    "demo-data": ("demo", "demo_command"),
    "disclosures": ("ledger", "disclosures_command"),
    "due": ("requests", "due_command"),
    "erase": ("people", "erase_command"),
    "events": ("tracking", "events_command"),
    "export": ("people", "export_command"),
    "hosts": ("tracking", "hosts_command"),
    "inbox": ("requests", "inbox_command"),
    "init": ("policy", "init_command"),
    "ledger": ("ledger", "ledger"),
    "load": ("tracking", "load_command"),
    "minors": ("people", "minors"),
    "move": ("move", "move_command"),
    "policy": ("policy", "policy"),
    "prune": ("tracking", "prune_command"),
    "rebuild": ("tracking", "rebuild_command"),
    "receipt": ("ledger", "receipt"),
    "replay": ("people", "replay_command"),
    "report": ("tracking", "report_command"),
    "requests": ("requests", "requests"),
    "services": ("services", "services"),
    "types": ("policy", "types_command"),
    "upgrade": ("upgrade", "upgrade_command"),
}


class LazyGroup(HelpGroup):
    """A group that imports a command when it is invoked or listed by ``--help``.

    A serving process imports no command.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)  # a command that the site has added takes precedence
        if command is None and cmd_name in COMMANDS:
            module, name = COMMANDS[cmd_name]
            command = getattr(import_module(f"{__package__}.{module}"), name)
        return command

    @staticmethod
    def findings(runtime: Runtime) -> list[CheckFinding]:
        """Return the findings of ``flask privacy check``, for the front page of staff."""
        from ..audit.checks import run_checks

        return run_checks(runtime)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. If the app cannot start because of its policy or a setting, print the error and exit with 2."""
        accept_every_character(sys.stdout)
        accept_every_character(sys.stderr)
        try:
            return super().invoke(ctx)
        except PrivacyError as error:
            fail(str(error))


privacy = LazyGroup("privacy", help="Check, report, export and erase what the site records.")
