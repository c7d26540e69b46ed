"""Faults that a process cannot have from outside: a wrong clock and a slow disk. The runner sets them in a shared file."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TWO_NUMBERS = struct.Struct("dd")


class Dials:
    """The error of the clock and the delay of the disk, in seconds. Every process of the site reads them."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_TWO_NUMBERS.size))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _TWO_NUMBERS.size)

    @property
    def clock(self) -> float:
        return float(_TWO_NUMBERS.unpack_from(self._memory)[0])

    @property
    def delay(self) -> float:
        return float(_TWO_NUMBERS.unpack_from(self._memory)[1])

    def turn(self, clock: float = 0.0, delay: float = 0.0) -> None:
        """Set both numbers. Without arguments, clock and disk are right again."""
        _TWO_NUMBERS.pack_into(self._memory, 0, clock, delay)

    def replace_clock(self) -> None:
        """Let ``time.time`` of this process be wrong. Call it before anything imports that function."""
        right = time.time
        time.time = lambda: right() + self.clock

    def slow_down_disk(self) -> None:
        """Let each write to the log and each sync of this process take the delay, and a random part of it more."""
        from flask_mixamo_privacy.tracking import log

        os.fsync = self._slowed(os.fsync)
        log._write, log._datasync = self._slowed(log._write), self._slowed(log._datasync)

    def _slowed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def slowed(*arguments: Any) -> Any:
            if delay := self.delay:
                time.sleep(delay)
            return function(*arguments)

        return slowed
