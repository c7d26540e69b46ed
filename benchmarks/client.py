"""A small load for machines without wrk: keep-alive clients in processes of their own."""

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
    """What each client asks for, again and again: cookies in turn, and a body where ``@`` is another number each time."""

    port: int
    cookies: Sequence[str]
    path: str = "/"
    body: str | None = None


def hammer(job: Job, clients: int, seconds: float) -> tuple[float, float]:
    """``(requests a second, p99 in milliseconds)`` of so many keep-alive clients; an answer other than 2xx raises."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(_PROCESSES) as pool:
        pool.map(abs, range(_PROCESSES))  # the processes are there before the clock starts
        times = [
            *chain.from_iterable(pool.starmap(_ask_on, [(job, clients // _PROCESSES, seconds)] * _PROCESSES, chunksize=1))
        ]
    return len(times) / seconds, quantiles(times, n=100)[98] * 1000


def _ask_on(job: Job, clients: int, seconds: float) -> list[float]:
    times: list[list[float]] = [[] for _ in range(clients)]
    threads = [Thread(target=_client, args=(job, seconds, mine)) for mine in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [*chain.from_iterable(times)]


def _client(job: Job, seconds: float, times: list[float]) -> None:
    connection = HTTPConnection("127.0.0.1", job.port, timeout=10)
    end, method, mine = time.perf_counter() + seconds, "GET" if job.body is None else "POST", secrets.token_hex(4)
    while (start := time.perf_counter()) < end:
        cookie = job.cookies[len(times) % len(job.cookies)]
        body = job.body and job.body.replace("@", f"{mine}{len(times)}")
        connection.request(method, job.path, body, {"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        if response.status not in (200, 204):
            raise AssertionError(response.status)
        times.append(time.perf_counter() - start)
    connection.close()
