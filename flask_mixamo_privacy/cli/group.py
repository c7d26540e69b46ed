"""``flask privacy ...``: exit codes are the contract (0 clean, 1 findings, 2 could not look)."""

from __future__ import annotations

from importlib import import_module

import click
from flask.cli import AppGroup

#: Every command: its module in this package, and its name there.
COMMANDS = {
    "access": ("cli_people", "access_command"),
    "audit": ("cli_audit", "audit_command"),
    "check": ("cli_policy", "check_command"),
    "demo-data": ("playing", "demo_command"),
    "disclosures": ("cli_disclosures", "disclosures_command"),
    "due": ("cli_requests", "due_command"),
    "erase": ("cli_tracking", "erase_command"),
    "events": ("cli_tracking", "events_command"),
    "export": ("cli_people", "export_command"),
    "inbox": ("cli_inbox", "inbox_command"),
    "init": ("cli_policy", "init_command"),
    "ledger": ("cli_ledger", "ledger"),
    "load": ("cli_tracking", "load_command"),
    "minors": ("cli_minors", "minors"),
    "policy": ("cli_policy", "policy"),
    "prune": ("cli_tracking", "prune_command"),
    "rebuild": ("cli_tracking", "rebuild_command"),
    "receipt": ("cli_receipt", "receipt"),
    "replay": ("cli_people", "replay_command"),
    "report": ("reporting", "report_command"),
    "requests": ("cli_requests", "requests"),
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
