"""The commands of ``flask privacy``.

Each command parses its options, calls one of the packages below, and prints. Exit codes are the contract: 0 for clean, 1
for findings, 2 if it could not check. A command's module is imported when the command is invoked or listed.
"""

from __future__ import annotations

from importlib import import_module

import click
from flask.cli import AppGroup

#: Every command: its module in this package, and its name there.
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
    "inbox": ("requests", "inbox_command"),
    "init": ("policy", "init_command"),
    "ledger": ("ledger", "ledger"),
    "load": ("tracking", "load_command"),
    "minors": ("people", "minors"),
    "policy": ("policy", "policy"),
    "prune": ("tracking", "prune_command"),
    "rebuild": ("tracking", "rebuild_command"),
    "receipt": ("ledger", "receipt"),
    "replay": ("people", "replay_command"),
    "report": ("tracking", "report_command"),
    "requests": ("requests", "requests"),
}


class LazyGroup(AppGroup):
    """A group that imports a command when it is invoked, or listed by ``--help``. A serving process imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)  # one that a site has added itself comes first
        if found is None and cmd_name in COMMANDS:
            module, name = COMMANDS[cmd_name]
            found = getattr(import_module(f"{__package__}.{module}"), name)
        return found


privacy = LazyGroup("privacy", help="What the site recorded, and what it must forget.")
