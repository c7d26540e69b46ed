"""The health of one app: counts and states for a monitor, as JSON and as Prometheus text. No figure is about a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import (
    ForeignKeys,
    KeysUnreadable,
    LedgerUnavailable,
    Moved,
    NewerSchema,
    RightsUnavailable,
    StoreUnavailable,
)
from ..storage.clock import now, timestamp, today
from .runtime import Runtime

if TYPE_CHECKING:
    from ..tracking.watermarks import LoadingHost

T = TypeVar("T")

_PREFIX = "mixamo_privacy_"


def health_of(runtime: Runtime) -> dict[str, Any]:
    """Return the figures. ``healthy`` is false if a database, the keys or the log cannot be used, or if the log is full.

    Creates no file. A database on a server that does not answer takes two seconds. A figure that cannot be read is None.
    """
    from ..tracking.backlog import LoadProgress, measure, other_hosts, read_progress
    from ..tracking.log import size_of

    settings, ledger, store = runtime.settings, runtime.ledger, runtime.store
    progress, events = _try(lambda: read_progress(store), None)
    _, ledger_state = _try(ledger.head, None)
    mails, rights = _try(lambda: _mails(runtime), None)
    keys, keys_state = _try(runtime.keys.existing, [])
    known = progress or LoadProgress({}, 0)
    servers = [
        {"server": name, "state": "unavailable" if problem else "ok"} for name, problem in store.events.servers().items()
    ]
    if any(server["state"] != "ok" for server in servers):
        events = "unavailable" if events == "ok" else events
    backlog, log = _try(lambda: measure(settings.log_dir, known.cursors), None)
    is_full = (_read(lambda: size_of(settings.log_dir)) or 0) >= settings.log_most
    refused, denied = (_read(partial(counter.count, today())) for counter in (runtime.refused, runtime.denied))
    return {
        "healthy": not is_full and {events, ledger_state, rights, keys_state, log} == {"ok"},
        "log": {
            "waiting_bytes": backlog.size if backlog else None,
            "oldest_seconds": _age(backlog.oldest) if backlog else None,
            "limit_bytes": settings.log_most,
        },
        "today": {"refused": refused, "denied": denied},
        "malformed_lines": progress.malformed if progress else None,
        "hosts": _read(lambda: [_host(host) for host in other_hosts(known, settings.log_dir)]) if progress else None,
        "databases": {
            "events": {"state": events, "waiting": _read(store.pending.count)} | ({"servers": servers} if servers else {}),
            "ledger": {
                "state": ledger_state,
                "waiting": _read(ledger.pending.count),
                "unsealed_refusals": _read(lambda: _unsealed(runtime)),
            },
            "rights": {"state": rights},
        },
        "mails": mails,
        "keys": {"state": keys_state, "kept": keys, "newest": keys[-1] if keys else None},
        "recording_failures": runtime.failures,
    }


def _try(read: Callable[[], T], otherwise: Any) -> tuple[Any, str]:
    """Return a result and ``"ok"``, or else the second argument and the kind of the error, without its text."""
    try:
        return read(), "ok"
    except (StoreUnavailable, LedgerUnavailable, RightsUnavailable, KeysUnreadable, OSError) as error:
        cause = error.__cause__
        if isinstance(cause, ForeignKeys):
            return otherwise, "other keys"
        if isinstance(cause, NewerSchema):
            return otherwise, "newer schema"
        if isinstance(cause, Moved):
            return otherwise, "moved"
        return otherwise, "unavailable"


def _read(figure: Callable[[], T]) -> T | None:
    """Return a figure, or None if its file cannot be read."""
    found: T | None = _try(figure, None)[0]
    return found


def _age(moment: str | None) -> int | None:
    return max(0, int((now() - datetime.fromisoformat(moment)).total_seconds())) if moment else None


def _host(host: LoadingHost) -> dict[str, Any]:
    ages = {"reported_seconds": _age(host.reported), "behind_seconds": _age(host.watermark)}
    return {"host": host.name, "id": host.id, "state": host.state, **ages}


def _mails(runtime: Runtime) -> dict[str, int]:
    """Return the numbers of unsent mails by state; raises :class:`RightsUnavailable`."""
    opt_ins = runtime.mail.marketing.unconfirmed.count_waiting(timestamp())
    return {**runtime.rights.request_store.count_mails(timestamp()), "opt_in_links": opt_ins}


def _unsealed(runtime: Runtime) -> int:
    """Return the number of refusals of past days that the ledger does not have yet."""
    return sum(count.number for count in runtime.ledger.refusals.counts(before=today()))


# Prometheus text format, version 0.0.4.


def as_prometheus(health: Mapping[str, Any]) -> str:
    """Return the figures as Prometheus text. A figure that is unknown is left out."""
    lines: list[str] = []
    for name, kind, help_text, samples in _metrics(health):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP {_PREFIX}{name} {help_text}", f"# TYPE {_PREFIX}{name} {kind}"]
            lines += [f"{_PREFIX}{name}{_labels(labels)} {int(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _metrics(health: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[tuple[dict[str, str], Any]]]]:
    databases, log, keys = health["databases"], health["log"], health["keys"]
    named = [({"database": name}, state) for name, state in databases.items()]
    up = [(labels, each["state"] == "ok") for labels, each in named]
    waiting = [(labels, each.get("waiting")) for labels, each in named]
    mails = [({"state": state}, number) for state, number in (health["mails"] or {}).items()]
    hosts = [({"host": each["host"], "id": each["id"]}, each) for each in health["hosts"] or ()]
    key_ids = [({"key": key, "newest": str(key == keys["newest"]).lower()}, 1) for key in keys["kept"]]
    yield (
        "healthy",
        "gauge",
        "Whether every database and the keys can be used, and the log is not full.",
        [({}, health["healthy"])],
    )
    yield "log_waiting_bytes", "gauge", "Bytes of the log that are not loaded yet.", [({}, log["waiting_bytes"])]
    yield "log_oldest_seconds", "gauge", "Age of the oldest line that is not loaded yet.", [({}, log["oldest_seconds"])]
    yield "log_limit_bytes", "gauge", "PRIVACY_LOG_MOST.", [({}, log["limit_bytes"])]
    yield "refused_today", "gauge", "Reports and page views that a limit refused today.", [({}, health["today"]["refused"])]
    yield "denied_today", "gauge", "Accesses of anonymous users that were denied today.", [({}, health["today"]["denied"])]
    yield "malformed_lines", "gauge", "Stored lines of the log that are not events.", [({}, health["malformed_lines"])]
    yield "database_up", "gauge", "Whether a database can be used.", up
    servers = [({"server": each["server"]}, each["state"] == "ok") for each in databases["events"].get("servers", ())]
    yield "events_server_up", "gauge", "Whether a server of the database of events answers.", servers
    yield "database_waiting_entries", "gauge", "Entries in the spool beside a database.", waiting
    reporting = [(labels, host["state"] == "reporting") for labels, host in hosts]
    yield "host_reporting", "gauge", "Whether another host of this database has reported within the hour.", reporting
    for name, help_text in (("reported", "Age of a host's last report."), ("behind", "Age of what a host has loaded last.")):
        ages = [(labels, host[f"{name}_seconds"]) for labels, host in hosts]
        yield f"host_{name}_seconds", "gauge", help_text, ages
    yield (
        "unsealed_refusals",
        "gauge",
        "Refusals of past days that are not in the ledger yet.",
        [({}, databases["ledger"]["unsealed_refusals"])],
    )
    yield "mails", "gauge", "Mails of data subject requests and of opt-ins that were not sent.", mails
    yield "key_info", "gauge", "The ids of the kept keys.", key_ids
    yield "recording_failures_total", "counter", "Recording failures of this process.", [({}, health["recording_failures"])]


def _labels(labels: Mapping[str, str]) -> str:
    escaped = (f'{name}="{_escape(value)}"' for name, value in labels.items())
    return f"{{{','.join(escaped)}}}" if labels else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
