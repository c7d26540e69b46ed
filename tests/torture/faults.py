"""The failures. Each begins under load, lasts for a moment and ends; then all promises are checked."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from flask_mixamo_privacy.storage.files import try_lock
from torture import disks
from torture.verification import key_of

if TYPE_CHECKING:
    from torture.world import World

Fault = Callable[["World", random.Random], object]


def _moment(rng: random.Random, shortest: float = 0.1, longest: float = 0.8) -> None:
    time.sleep(rng.uniform(shortest, longest))


def kill_worker(world: World, rng: random.Random) -> None:
    world.processes.kill_worker(rng)


def kill_workers(world: World, rng: random.Random) -> None:
    world.processes.kill_workers()


def kill_server(world: World, rng: random.Random) -> None:
    world.processes.kill_server()


def kill_loader(world: World, rng: random.Random) -> None:
    world.processes.kill_loader()


def kill_everything(world: World, rng: random.Random) -> None:
    """SQLite is part of the processes that use it, so this kills the database too."""
    if world.postgres is not None:
        world.postgres.kill()
    world.processes.kill_all()
    if world.postgres is not None:
        world.postgres.resume()


def kill_database(world: World, rng: random.Random) -> None:
    """Kill every process of PostgreSQL, or every process that writes to SQLite."""
    if world.postgres is None:
        kill_everything(world, rng)
        return
    world.postgres.kill()
    _moment(rng)
    world.postgres.resume()


#: What `kill -9` hits.
KILLS: tuple[Fault, ...] = (kill_worker, kill_workers, kill_server, kill_loader, kill_database, kill_everything)


def unreachable(world: World, rng: random.Random) -> None:
    """Both databases are away for a moment."""
    if world.postgres is not None:
        world.postgres.stop()
        _moment(rng, 0.5, 2)
        world.postgres.resume()
        return
    with ExitStack() as away:
        for name in rng.choice((["events"], ["ledger"], ["events", "ledger"])):
            away.enter_context(world.disks.missing(name))
        _moment(rng, 0.5, 2)


def locked(world: World, rng: random.Random) -> None:
    """Another program holds the write locks, longer than a request waits, or all tables of PostgreSQL."""
    if world.postgres is not None:
        with world.postgres.frozen():
            _moment(rng, 2, 4)
        return
    with ExitStack() as held:
        for name in ("events", "ledger"):
            path = world.folder / name / "files" / f"{name}.sqlite"
            held.enter_context(closing(other := sqlite3.connect(path, isolation_level=None, timeout=30)))
            other.execute("BEGIN IMMEDIATE")
        _moment(rng, 2, 4)


def _full(name: str) -> Fault:
    def full(world: World, rng: random.Random) -> None:
        with world.disks.full(name, world.processes.writers(), rng):
            _moment(rng, 1, 2)

    full.__name__ = f"full_disk_of_{name}"
    return full


def wrong_clock(world: World, rng: random.Random) -> None:
    """The clock jumps by hours, forward and back, and then it is right again."""
    hours = rng.uniform(1, 20)
    for error in rng.sample((hours, -hours), 2):
        world.dials.turn(clock=error * 3600)
        _moment(rng, 0.5, 1.5)
    world.dials.turn()
    _moment(rng, 0.5, 1.5)


def slow_disk(world: World, rng: random.Random) -> None:
    world.dials.turn(delay=rng.uniform(0.01, 0.3))
    _moment(rng, 2, 3)
    world.dials.turn()


def two_loaders(world: World, rng: random.Random) -> None:
    """Three commands load beside the background loaders of the workers. Each waits for its turn and succeeds."""
    loaders = [world.processes.start_flask("load") for _ in range(3)]
    if failed := [code for loader in loaders if (code := loader.wait(120))]:
        world.people.report_broken(f"flask privacy load exited with {failed}")


def terminate(world: World, rng: random.Random) -> None:
    if code := world.processes.terminate_server():
        world.people.report_broken(f"gunicorn exited with {code} after SIGTERM")


def reload(world: World, rng: random.Random) -> None:
    world.processes.reload_server()


def damage(world: World, rng: random.Random) -> None:
    """Damage segments of killed workers, while no loader may load them. Only their damaged lines may be lost."""
    with world.loader.keep_out():
        _moment(rng, 0.5, 1)
        world.crowd.pause()
        world.processes.kill_workers()
        segments = _abandoned(world.folder / "log" / "files")
        for path in segments:
            before = _lines(path)
            rng.choice((disks.truncate, disks.flip, disks.delete))(path, rng)
            world.verifier.damaged |= _keys(before ^ _lines(path))
        world.crowd.resume()


def swap(world: World, rng: random.Random) -> None:
    """Exchange partly loaded segments of killed workers. Nothing is damaged, so nothing may be lost."""
    with world.loader.keep_out():
        _moment(rng, 0.5, 1)
        world.crowd.pause()
        world.processes.kill_workers()
        segments = _abandoned(world.folder / "log" / "files")
        rng.shuffle(segments)
        for first, second in zip(segments[::2], segments[1::2], strict=False):
            disks.swap(first, second)
        world.crowd.resume()


def _abandoned(folder: Path) -> list[Path]:
    """Return the segments with lines whose writers have exited."""
    found = []
    for path in sorted(folder.glob("*.events")):
        with open(path, "rb") as file, try_lock(file.fileno()) as abandoned:
            if abandoned and path.stat().st_size:
                found.append(path)
    return found


def _lines(path: Path) -> set[bytes]:
    return set(path.read_bytes().split(b"\n")) if path.exists() else set()


def _keys(lines: set[bytes]) -> set[str]:
    """Return the names of the events in the lines that are JSON. Another field of a damaged line may still be wrong."""
    keys = set()
    for line in lines:
        try:
            keys.add(key_of(json.loads(line)) or "")
        except (ValueError, LookupError, TypeError):
            continue
    return keys - {""}


FULL_DISKS = tuple(map(_full, disks.NAMES))

#: Every other failure.
OTHERS: tuple[Fault, ...] = (
    unreachable, locked, *FULL_DISKS, wrong_clock, slow_disk, two_loaders, terminate, reload, damage, swap,
)  # fmt: skip
