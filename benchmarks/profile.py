"""What the extension adds to a page of each kind of visitor, by function: opcodes, counted, and microseconds, sampled.

Opcodes are the same in each run, on any machine and under any load. They do not show time inside functions written in C,
so a sample of running functions stands beside them.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

from .page import CASES, Case, Pair, check
from .turns import Environ, environs, only_garbage_of_requests, serve

_COUNTED, _SAMPLED, _WARM = 5, 4000, 20  # requests
_INTERVAL = 0.0005  # seconds between two samples
_ROWS = 40  # functions of each case

Costs = Counter[CodeType]


def report(names: Sequence[str] = (), rows: int = _ROWS) -> str:
    """Return a table for each case whose description contains one of the names; for all cases without names."""
    cases = [case for case in CASES if not names or any(name in case.what for name in names)]
    with TemporaryDirectory() as folder:
        pair = Pair.in_folder(Path(folder))
        for case in cases:
            check(pair, case)
        with only_garbage_of_requests():
            return "\n\n".join(_table(pair, case, rows) for case in cases)


def opcodes(requests: list[Environ], app: Any) -> Costs:
    """Return the executed opcodes of the requests by function."""
    found: Costs = Counter()

    def count(frame: FrameType, event: str, _arg: object) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            found[frame.f_code] += 1
        return count

    sys.settrace(count)
    try:
        serve(app, requests)
    finally:
        sys.settrace(None)
    return found


def _samples(requests: list[Environ], app: Any) -> tuple[Costs, float]:
    """Return how often each function was running, and the microseconds that a sample of one request stands for."""
    found: Costs = Counter()

    def note(_signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            found[frame.f_code] += 1

    before = signal.signal(signal.SIGALRM, note)
    signal.setitimer(signal.ITIMER_REAL, _INTERVAL, _INTERVAL)
    try:
        cpu = serve(app, requests).cpu
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return found, cpu / max(found.total(), 1) / len(requests) * 1e6


def _table(pair: Pair, case: Case, rows: int) -> str:
    apps = (pair.bare, pair.extended if case.used else pair.unused)
    for app in apps:
        serve(app, environs(case.cookies(pair.extended, _WARM)))
    counted = environs(case.cookies(pair.extended, _COUNTED))
    executed = [opcodes(counted, app) for app in apps]
    sampled = environs(case.cookies(pair.extended, _SAMPLED))
    samples = [_samples(sampled, app) for app in apps]
    added = _difference(executed, (1 / _COUNTED, 1 / _COUNTED))
    time = _difference([found for found, _ in samples], [scale for _, scale in samples])
    bare, extended = (found.total() / _COUNTED for found in executed)
    lines = [f"{case.what}: {bare:,.0f} opcodes bare, {extended:,.0f} with the extension, {extended / bare:.3f} ×"]
    lines += [f"  {added[code]:8,.1f} opcodes {time[code]:7.1f} µs  {_name(code)}" for code in _largest(added, rows)]
    return "\n".join([*lines, f"  {sum(added.values()):8,.1f} opcodes {sum(time.values()):7.1f} µs  in all"])


def _difference(pair: Sequence[Costs], scales: Sequence[float]) -> dict[CodeType, float]:
    """Return what the second of the pair has more of, by function."""
    (bare, extended), (scale_bare, scale) = pair, scales
    found: defaultdict[CodeType, float] = defaultdict(float)
    found.update((code, extended[code] * scale - bare[code] * scale_bare) for code in bare.keys() | extended.keys())
    return found


def _largest(added: dict[CodeType, float], rows: int) -> Iterable[CodeType]:
    return sorted((code for code in added if added[code]), key=lambda code: -abs(added[code]))[:rows]


def _name(code: CodeType) -> str:
    parts = Path(code.co_filename).parts[-2:]
    return f"{'/'.join(parts)}:{code.co_firstlineno} {code.co_qualname}"
