"""A load generator for machines without wrk: keep-alive clients in separate processes."""

from __future__ import annotations

import multiprocessing
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import chain
from statistics import quantiles
from threading import Thread

_PROCESSES = 2


@dataclass(frozen=True)
class Job:
    """The request that each client repeats, with each of the cookies in turn. ``@`` in the body becomes a unique number."""

    port: int
    cookies: Sequence[str]
    path: str = "/"
    body: str | None = None


def hammer(job: Job, clients: int, seconds: float) -> tuple[float, float]:
    """Return ``(requests a second, p99 in milliseconds)``, or raise AssertionError unless each status is 200 or 204."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(_PROCESSES) as pool:
        pool.map(abs, range(_PROCESSES))  # starts the processes before the measurement
        times = [
            *chain.from_iterable(
                pool.starmap(_run_clients, [(job, clients // _PROCESSES, seconds)] * _PROCESSES, chunksize=1)
            )
        ]
    return len(times) / seconds, quantiles(times, n=100)[98] * 1000


def _run_clients(job: Job, clients: int, seconds: float) -> list[float]:
    times: list[list[float]] = [[] for _ in range(clients)]
    threads = [Thread(target=_client, args=(job, seconds, results)) for results in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [*chain.from_iterable(times)]


def _client(job: Job, seconds: float, times: list[float]) -> None:
    connection = HTTPConnection("127.0.0.1", job.port, timeout=10)
    end, method, prefix = time.perf_counter() + seconds, "GET" if job.body is None else "POST", secrets.token_hex(4)
    while (start := time.perf_counter()) < end:
        cookie = job.cookies[len(times) % len(job.cookies)]
        body = job.body and job.body.replace("@", f"{prefix}{len(times)}")
        connection.request(method, job.path, body, {"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        if response.status not in (200, 204):
            raise AssertionError(response.status)
        times.append(time.perf_counter() - start)
    connection.close()
