"""The loop of the fuzzer: makes inputs, measures each, and counts them by target."""

from __future__ import annotations

import gc
import logging
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.fuzz import requests, rights
from support.fuzz.texts import TEXTS, Target, remove_files

MOST_SECONDS = 0.05  # of the thread's CPU time, for a request of at most 8 KB; the best of three counts
_MEMORY = Path("/dev/shm")  # noqa: S108 — a folder in memory, in which each run makes its own


def fault_of(target: Target, value: Any) -> str:
    """Return what is wrong with one input, or an empty text."""
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        try:
            target.run(value)
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:500]}"
        best = min(best, time.thread_time() - began)
        if best <= MOST_SECONDS * target.requests:
            return ""
    return f"{best * 1000:.0f} ms"


def fuzz(inputs: int, seed: int, write: Callable[[str], object], most_faults: int = 20) -> int:
    """Run this many inputs, spread over the targets, and return the number of faults."""
    logging.disable(logging.CRITICAL)
    faults = 0
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        every = (*TEXTS, *requests.targets(Path(folder)), *rights.targets(Path(folder)))
        gc.freeze()  # a collection would count as the time of an input
        write(f"Seed {seed}, {inputs} inputs.\n")
        shares = sum(target.share for target in every)
        for target in every:
            chance = random.Random(f"{seed} {target.name}")  # noqa: S311 — invented data needs no secret
            number, found = inputs * target.share // shares, 0
            began = time.perf_counter()
            for _ in range(number):
                value = target.make(chance)
                if fault := fault_of(target, value):
                    found += 1
                    write(f"{target.name}: {fault}\n    {value[:300]!r} ({len(value)} in all)\n")
                    if found >= most_faults:
                        break
            faults += found
            write(f"{target.name}: {number} inputs, {found} faults, {time.perf_counter() - began:.0f} s\n")
        logging.disable(logging.NOTSET)
    remove_files()
    return faults
