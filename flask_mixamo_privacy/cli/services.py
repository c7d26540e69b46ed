"""``flask privacy services``: the ready-made services that a declaration can use by name."""

from __future__ import annotations

import click

from ..policy.ready_made import ANY_ID, PURPOSES, ReadyMade, hint_on_names, ready_made
from ..policy.toml_text import table_text, tables_text
from .common import HelpGroup, echo, exit_codes, fail, json_option, print_json


@exit_codes("listed")
@click.group("services", cls=HelpGroup, invoke_without_command=True)
@json_option
@click.pass_context
def services(context: click.Context, as_json: bool) -> None:
    """List the ready-made services: purpose, name and hosts. Declare one by its name: [[services]] use = "youtube"."""
    if context.invoked_subcommand is not None:
        return
    entries = sorted(ready_made().values(), key=lambda entry: (list(PURPOSES).index(entry.service["purpose"]), entry.id))
    if as_json:
        print_json([entry.as_dict() for entry in entries])
        return
    for entry in entries:
        echo(f"{entry.service['purpose']:<12} {entry.id:<22} {', '.join(entry.service['hosts'])}")


@exit_codes("shown", error="there is no such service")
@services.command("show")
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Show one ready-made service as TOML. A declaration with this TOML never changes with a later release."""
    entry = ready_made().get(name)
    if entry is None:
        fail(f"The service is {name!r}; allowed: {ANY_ID}. {hint_on_names(name)}")
    elif as_json:
        print_json(entry.as_dict(), indent=1)
    else:
        echo(_as_toml(entry), lines=True)


def _as_toml(entry: ReadyMade) -> str:
    """Return the tables that ``use`` stands for, with the purpose as a comment, because the site may declare it already."""
    purpose = entry.service["purpose"]
    title, description = PURPOSES[purpose]
    declared = table_text("purposes", {"id": purpose, "title": title, "description": description})
    head = [
        *(f"# Source: {page} (read {entry.checked})" for page in entry.sources),
        *(f"# Not of the vendor: {page} (read {entry.checked})" for page in entry.other_sources),
        f'# In short: [[services]] use = "{entry.id}"',
        "# The purpose, unless this site declares it already:",
        *(f"# {line}" for line in declared.splitlines()),
    ]
    tables = tables_text("services", [entry.service]) + tables_text("cookies", entry.cookies)
    return "\n".join(head) + "\n\n" + tables.rstrip()
