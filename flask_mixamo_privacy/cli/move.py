"""``flask privacy move``: events, ledger and requests into PostgreSQL or other files, and events into ClickHouse."""

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
from ..policy.clickhouse_url import clickhouse_or, is_clickhouse, parse_clickhouse_url
from ..policy.setting_checks import ConfigValue, without_password
from ..reports.formatting import counted
from ..storage.database import Database
from ..storage.transfer import Transfer
from ..storage.transfer import undo as undo_moves
from ..tracking.clickhouse_events import ClickHouseEvents
from ..tracking.event_transfer import EventTransfer
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import echo, exit_2_on_error, exit_codes, progress_bar, without_collecting

#: The field of the settings with the URL that an option replaces. The ledger is last, because grants need it.
FIELDS = {"events": "events_url", "rights": "rights_url", "ledger": "ledger_url"}

AnyTransfer = Transfer | EventTransfer

_HALF_WAY = "Only a part of the databases has taken over. Run the command again with --finish, or with --undo."


@exit_codes("moved, and every row is equal", "the moved ledger was tampered with", error="not moved")
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

    Events may also move to ClickHouse, from SQLite or from PostgreSQL, where the other tables of that database stay.

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
    check = clickhouse_or(database_url("")) if part == "events" else database_url("")
    target: str = check(ConfigValue(f"--{part}", url, None, "", ""))
    if is_clickhouse(target):
        return target
    if not target.startswith("sqlite") and find_spec("psycopg") is None:
        raise MissingExtra("PostgreSQL", "postgres")
    return target


def _is_to_move(runtime: Runtime, part: str, target: str) -> bool:
    """Return whether a setting names another database than the target. Raises :class:`MoveError` if it is on a server."""
    setting: str = getattr(runtime.settings, FIELDS[part])
    if setting == target:
        return False
    if is_clickhouse(target) and not is_clickhouse(setting):
        return True  # from SQLite or from a server: the books stay there
    if is_clickhouse(setting):
        hint = f"Leave --{part} out: the events were moved before."
        raise MoveError(_setting(part), without_password(setting), "the URL of a SQLite file or of PostgreSQL", hint)
    current = sa.make_url(setting)
    if current == sa.make_url(target):
        return False
    if current.get_backend_name() != "sqlite":
        hint = f"Leave --{part} out: this database needs no move, or was moved before."
        raise MoveError(_setting(part), hide_passwords(current), "the URL of a SQLite file", hint)
    return True


def _setting(part: str) -> str:
    return ROWS[FIELDS[part]].name


def _for_people(url: str) -> str:
    return str(without_password(url)) if is_clickhouse(url) else hide_passwords(sa.make_url(url))


def hide_passwords(url: sa.URL) -> str:
    """Return a URL for people, without a password, also of its query."""
    hidden = {name: "***" for name in url.query if "password" in name}
    return url.update_query_dict(hidden).render_as_string().replace("%2A%2A%2A", "***")


def _transfers(runtime: Runtime, targets: dict[str, str]) -> list[AnyTransfer]:
    databases, transfers = databases_of(runtime), list[AnyTransfer]()
    for part in FIELDS:
        if part in targets and (url := parse_clickhouse_url(targets[part])) is not None:
            transfers.append(EventTransfer(runtime.store, ClickHouseEvents.at(url)))
        elif part in targets:
            transfers += [Transfer(database, targets[part]) for database in databases[part]]
    return transfers


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


def _move(transfers: list[AnyTransfer], finish: bool) -> bool:
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


def _undo(transfers: list[AnyTransfer]) -> None:
    for transfer in transfers:
        if isinstance(transfer, EventTransfer) and transfer.has_data:
            transfer.undo()
    moved = [transfer for transfer in transfers if isinstance(transfer, Transfer) and transfer.is_moved]
    with progress_bar("Comparing", sum(transfer.count() for transfer in moved)) as bar:
        undo_moves(moved, bar.update)
    echo("The old databases are in use again. Next: keep their settings, or set them again and restart the site.")


def _print_result(transfers: list[AnyTransfer], to_do: list[AnyTransfer], rows: int) -> None:
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
    if erased := sum(transfer.erasures for transfer in transfers if isinstance(transfer, EventTransfer)):
        echo(f"{counted(erased, 'erasure')} under way: ClickHouse removes replaced files within minutes.")


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
    urls = {_setting(part): _for_people(url) for part, url in targets.items()}
    if is_clickhouse(targets.get("events", "")):
        urls["PRIVACY_BOOKS_URL"] = _for_people(settings.books_url)
    for name, url in urls.items():
        echo(f'    {name} = "{url}"')
    if "***" in "".join(urls.values()):
        echo("Replace *** by the password.")
    if settings.keys is None:
        echo(f"    PRIVACY_KEYS = the JSON object in {settings.keys_file}")
    if files := _files(runtime, targets):
        echo("Delete the old files once the site works, because they contain personal data:")
    for path in files:
        echo(f"    {path}")


def _files(runtime: Runtime, targets: dict[str, str]) -> list[str]:
    """Return the files from which everything was moved. The books of events in ClickHouse stay where they are."""
    urls = {part: getattr(runtime.settings, FIELDS[part]) for part in FIELDS} | {"events": runtime.settings.books_url}
    paths = {part: sa.make_url(url).database or "" for part, url in urls.items() if url.startswith("sqlite")}
    moved = {part for part, url in targets.items() if not is_clickhouse(url)}
    kept = {path for part, path in paths.items() if part not in moved}
    return sorted({path for part, path in paths.items() if part in moved} - kept)
