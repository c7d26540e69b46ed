"""The states of ClickHouse servers, which a monitor asks for: all at once, and none of them is waited for long."""

from __future__ import annotations

import sys
from threading import Barrier
from types import SimpleNamespace

import pytest

from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.tracking.clickhouse_servers import ClickHouseServer, Servers

NAMES = ("ch1:8123", "ch2:8123", "ch3:8123", "ch4:8123")
URL = f"clickhouse://shop:password@{','.join(NAMES)}/shop?cluster=shop"


def client(shard: str):
    """Return a client of a server in a shard, one of two."""
    answers = {"macros": [("shard", shard), ("replica", "a")], "clusters": [(2,)]}
    rows = lambda text: next((rows for name, rows in answers.items() if f"system.{name}" in text), [(1,)])  # noqa: E731
    return SimpleNamespace(query=lambda text, settings: SimpleNamespace(result_rows=rows(text)))


def servers(*dead: str) -> Servers:
    """Return two shards of two servers. All of them are asked before one of them answers."""
    asked = Barrier(len(NAMES), timeout=20)

    def connect(name: str):
        asked.wait()
        if name in dead:
            raise ConnectionRefusedError(name)
        return client(str(NAMES.index(name) // 2))

    return Servers([ClickHouseServer(name, lambda name=name: connect(name)) for name in NAMES], "shop")


def test_all_servers_are_asked_at_once():
    """One that is down costs its time once, and none of the others."""
    assert servers().states() == dict.fromkeys(NAMES, "")


@pytest.mark.parametrize(
    ("dead", "effect"),
    [
        (NAMES[:1], "loading goes on"),
        (NAMES[::2], "loading goes on"),
        (NAMES[2:], "no day closes"),
        (NAMES, "no day closes"),
    ],
)
def test_the_state_of_a_server_states_the_effect_of_its_failure(dead, effect):
    """It depends on whether another server has the same shard."""
    states = servers(*dead).states()
    assert {name for name, problem in states.items() if effect in problem} == set(dead)
    assert {name for name, problem in states.items() if not problem} == set(NAMES) - set(dead)


def test_a_monitor_waits_two_seconds_for_a_server(monkeypatch):
    """A loader waits for minutes, because a month takes long to count."""
    opened: list[tuple[float, float]] = []

    def get_client(connect_timeout, send_receive_timeout, **_options):
        opened.append((connect_timeout, send_receive_timeout))
        return client("0")

    monkeypatch.setitem(sys.modules, "clickhouse_connect", SimpleNamespace(get_client=get_client))
    target = parse_clickhouse_url(URL)
    assert target is not None
    cluster = Servers.at(target)
    cluster.states()
    assert opened == [(2.0, 2.0)] * 4
    cluster.any()
    assert opened[4:] == [(3.0, 600.0)]
