"""``flask privacy move``: events, ledger and requests from SQLite files into other databases, such as PostgreSQL."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from ..config import ROWS, database_url
from ..errors import MissingExtra, MoveError, PrivacyError
from ..ledger.ledger import Ledger
from ..ledger.verify import Discrepancy, verify
from ..policy.setting_checks import ConfigValue
from ..reports.formatting import counted
from ..storage.database import Database
from ..storage.transfer import Transfer
from ..storage.transfer import undo as undo_moves
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import echo, exit_2_on_error, progress_bar, without_collecting

#: The field of the settings with the URL that an option replaces. The ledger is last, because grants need it.
FIELDS = {"events": "events_url", "rights": "rights_url", "ledger": "ledger_url"}

_HALF_WAY = "Only a part of the databases has taken over. Run the command again with --finish, or with --undo."


@click.command("move")
@click.option("--events", metavar="URL", help="The new database of events and reports.")
@click.option("--rights", metavar="URL", help="The new database of requests and marketing preferences.")
@click.option("--ledger", metavar="URL", help="The new database of the ledger.")
@click.option("--finish", is_flag=True, help="Let the new databases take over. The old ones then refuse the site.")
@click.option("--undo", is_flag=True, help="Let the old databases take over again, if the site has not used the new ones.")
@with_appcontext
@exit_2_on_error
def move_command(finish: bool, undo: bool, **urls: str | None) -> None:
    """Copy databases from SQLite to PostgreSQL while the site is served, and compare every row.

    Run it again to copy what is new, also after it was interrupted. With --finish, the new databases take over. Visitors
    can grant nothing from then on until you have changed the settings and restarted the site. A URL needs no password if
    PGPASSWORD or a password file has it. Exit with 1 if the ledger was tampered with.
    """
    if finish and undo:
        raise click.UsageError("--finish and --undo exclude each other: choose one.")
    runtime = current_runtime()
    named = {part: _target(part, url) for part, url in urls.items() if url is not None}
    if not named:
        raise click.UsageError("No database is named. Pass at least one of --events, --rights and --ledger, with a URL.")
    targets = {part: url for part, url in named.items() if _is_to_move(runtime, part, url)}
    if not targets:
        echo("Nothing to move: the settings name these databases already.")
        return
    with runtime.loader.keep_out(), without_collecting():
        transfers = _transfers(runtime, targets)
        if undo:
            _undo(transfers)
            return
        moved = _move(transfers, finish)
    if not moved:
        echo("Next: change no setting yet. Run the same command with --finish when you can restart the site.")
        return
    found = _verify_ledger(runtime, targets["ledger"]) if "ledger" in targets else []
    _print_next_step(runtime, targets)
    sys.exit(1 if found else 0)


def _target(part: str, url: str) -> str:
    """Return the validated URL of a target. Raises :class:`SettingError` and :class:`MissingExtra`."""
    target: str = database_url("")(ConfigValue(f"--{part}", url, None, "", ""))
    if not target.startswith("sqlite") and find_spec("psycopg") is None:
        raise MissingExtra("PostgreSQL", "postgres")
    return target


def _is_to_move(runtime: Runtime, part: str, target: str) -> bool:
    """Return whether a setting names another database than the target. Raises :class:`MoveError` if it is on a server."""
    current = sa.make_url(getattr(runtime.settings, FIELDS[part]))
    if current == sa.make_url(target):
        return False
    if current.get_backend_name() != "sqlite":
        hint = f"Leave --{part} out: this database needs no move, or was moved before."
        raise MoveError(_setting(part), hide_passwords(current), "the URL of a SQLite file", hint)
    return True


def _setting(part: str) -> str:
    return ROWS[FIELDS[part]].name


def hide_passwords(url: sa.URL) -> str:
    """Return a URL for people, without a password, also of its query."""
    hidden = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(hidden).render_as_string().replace("%2A%2A%2A", "***")


def _transfers(runtime: Runtime, targets: dict[str, str]) -> list[Transfer]:
    databases = databases_of(runtime)
    return [Transfer(database, targets[part]) for part in FIELDS if part in targets for database in databases[part]]


def databases_of(runtime: Runtime) -> dict[str, list[Database]]:
    """Return every database of a site, by the option that names a target for it."""
    marketing, rights = runtime.mail.marketing, runtime.rights
    stores = (
        rights.request_store,
        rights.minors.flags,
        rights.confirmations.limit,
        marketing.store,
        marketing.unconfirmed,
        runtime.inbox.processed,
    )
    return {
        "events": [runtime.store.database],
        "rights": [store.database for store in stores],
        "ledger": [runtime.ledger.database],
    }


def _move(transfers: list[Transfer], finish: bool) -> bool:
    """Copy and compare, and return whether the targets have taken over."""
    to_do = []
    for transfer in transfers:
        if transfer.has_data or finish:
            transfer.begin()
            to_do += [] if transfer.is_moved else [transfer]
    rows = sum(transfer.count() for transfer in to_do)
    with progress_bar("Copying", rows) as bar:
        for transfer in to_do:
            transfer.copy(bar.update)
    with progress_bar("Comparing", rows) as bar:
        for number, transfer in enumerate(to_do, start=len(transfers) - len(to_do)):
            try:
                (transfer.finish if finish else transfer.compare)(bar.update)
            except PrivacyError:
                if finish and number:
                    echo(_HALF_WAY, err=True)
                raise
    _print_result(transfers, to_do, rows)
    return finish or not to_do


def _undo(transfers: list[Transfer]) -> None:
    moved = [transfer for transfer in transfers if transfer.is_moved]
    with progress_bar("Comparing", sum(transfer.count() for transfer in moved)) as bar:
        undo_moves(moved, bar.update)
    echo("The old databases are in use again. Next: keep their settings, or set them again and restart the site.")


def _print_result(transfers: list[Transfer], to_do: list[Transfer], rows: int) -> None:
    if not to_do:
        reason = (
            "an earlier run has finished" if any(transfer.has_data for transfer in transfers) else "there is no data yet"
        )
        echo(f"Nothing to move: {reason}.")
        return
    echo(f"{counted(rows, 'row')} copied.")
    if changed := sum(transfer.changes for transfer in to_do):
        echo(f"The site changed {counted(changed, 'row')} meanwhile, which the copy has too.")
    echo("Verified: every row of every table is equal.")


def _verify_ledger(runtime: Runtime, url: str) -> list[Discrepancy]:
    """Verify the chain of the new ledger, print the result, and return what is wrong with it."""
    found = verify(Ledger(url, runtime.keys, runtime.ledger.pending)).discrepancies
    if found:
        echo(f"The ledger has {counted(len(found), 'discrepancy', 'discrepancies')}, as before the move: {found[0].message}")
        echo("Run `flask privacy ledger verify` for the others, once the settings are changed.")
    else:
        echo("Verified: the chain of the ledger is intact.")
    return found


def _print_next_step(runtime: Runtime, targets: dict[str, str]) -> None:
    settings = runtime.settings
    echo("Next: change these settings, and restart every process of the site. Until then no visitor can grant anything.")
    for part, url in targets.items():
        echo(f'    {_setting(part)} = "{hide_passwords(sa.make_url(url))}"')
    if "***" in "".join(hide_passwords(sa.make_url(url)) for url in targets.values()):
        echo("Replace *** by the password.")
    if settings.keys is None:
        echo(f"    PRIVACY_KEYS = the JSON object in {settings.keys_file}")
    echo("Delete the old files once the site works, because they contain personal data:")
    for path in _files(runtime, targets):
        echo(f"    {path}")


def _files(runtime: Runtime, targets: dict[str, str]) -> list[str]:
    """Return the files from which everything was moved."""
    paths = {part: sa.make_url(getattr(runtime.settings, FIELDS[part])).database or "" for part in FIELDS}
    kept = {path for part, path in paths.items() if part not in targets}
    return sorted({path for part, path in paths.items() if part in targets} - kept)
