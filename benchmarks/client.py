"""A small load for machines without wrk: keep-alive clients in processes of their own."""

from __future__ import annotations

import multiprocessing
import time
from http.client import HTTPConnection
from itertools import chain
from statistics import quantiles
from threading import Thread

_PROCESSES = 2


def hammer(port: int, cookie: str, clients: int, seconds: float) -> tuple[float, float]:
    """``(requests a second, p99 in milliseconds)`` of so many keep-alive clients; an answer other than 200 raises."""
    context = multiprocessing.get_context("spawn")
    job = (port, cookie, clients // _PROCESSES, seconds)
    with context.Pool(_PROCESSES) as pool:
        pool.map(abs, range(_PROCESSES))  # the processes are there before the clock starts
        times = [*chain.from_iterable(pool.starmap(_ask_on, [job] * _PROCESSES, chunksize=1))]
    return len(times) / seconds, quantiles(times, n=100)[98] * 1000


def _ask_on(port: int, cookie: str, clients: int, seconds: float) -> list[float]:
    times: list[list[float]] = [[] for _ in range(clients)]
    threads = [Thread(target=_client, args=(port, cookie, seconds, mine)) for mine in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [*chain.from_iterable(times)]


def _client(port: int, cookie: str, seconds: float, times: list[float]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        connection.request("GET", "/", headers={"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise AssertionError(response.status)
        times.append(time.perf_counter() - start)
    connection.close()
