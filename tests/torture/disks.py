"""The disks of the site: folders that can become full, disappear, or lose the bytes of a segment."""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAMES = ("log", "ledger", "events")
_SIZE = "64m"
_STEP = 1 << 20  # bytes


class Disks:
    """A small file system in memory for each of log, ledger and events, if this user may mount one."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self._folder = folder
        self._mounted = [name for name in NAMES if self._make(name, mounted)]

    def _make(self, name: str, mounted: bool) -> bool:
        (self._folder / name).mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "torture", str(self._folder / name)]
        return mounted and os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0

    @contextmanager
    def full(self, name: str, writers: list[int], rng: random.Random) -> Iterator[None]:
        """Leave room for less than 8 KiB. Without a disk of its own, no writer may make a file longer than a few KiB."""
        if name not in self._mounted:
            with _short_files(writers, rng.randrange(4096, 65536)):
                yield
            return
        ballast = self._folder / name / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            step = _STEP
            while step:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
                except OSError:
                    step = step // 2 if step > 4096 else 0
            os.truncate(ballast, max(os.fstat(file.fileno()).st_size - rng.choice((0, 4096, 8192)), 0))
        yield
        ballast.unlink()

    @contextmanager
    def missing(self, name: str) -> Iterator[None]:
        """Put a file in the place of a folder."""
        path = self._folder / name / "files"
        kept = path.with_name("kept")
        path.rename(kept)
        path.touch()
        yield
        path.unlink()
        kept.rename(path)

    def end(self) -> None:
        for name in self._mounted:
            subprocess.run(["umount", "-l", str(self._folder / name)], check=False)  # noqa: S607 — the place differs by system


@contextmanager
def _short_files(writers: list[int], most: int) -> Iterator[None]:
    for pid in writers:
        _limit(pid, most)
    yield
    for pid in writers:
        _limit(pid, resource.prlimit(os.getpid(), resource.RLIMIT_FSIZE)[1])


def _limit(pid: int, most: int) -> None:
    with suppress(ProcessLookupError):
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))


# Damage to segments.


def truncate(path: Path, rng: random.Random) -> None:
    """Cut a segment at a random byte."""
    os.truncate(path, rng.randrange(path.stat().st_size))


def flip(path: Path, rng: random.Random) -> None:
    """Flip one bit in each of a few bytes."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


def swap(first: Path, second: Path) -> None:
    """Exchange two segments, as a restored copy of the folder may."""
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
