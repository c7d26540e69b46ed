"""The cluster of these tests: what it is, and that it leaves nothing behind."""

from __future__ import annotations

import socket

import pytest

from support.clickhouse import Cluster, install

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_the_cluster_has_two_shards_of_two_replicas(cluster):
    """Each server names its place, and knows the three others."""
    places = [server.run("SELECT substitution FROM system.macros ORDER BY macro DESC").split() for server in cluster.servers]
    assert places == [["1", "1"], ["1", "2"], ["2", "1"], ["2", "2"]]
    assert cluster.servers[3].run("SELECT count() FROM system.clusters WHERE cluster = 'two'").strip() == "4"


def test_a_stopped_cluster_leaves_no_server(tmp_path):
    """Its ports are free, also if one server was killed before."""
    install()
    with Cluster(tmp_path, shards=1, replicas=1) as small:
        small.servers[0].stop()
    for port in (small.servers[0].http, small.keeper_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
