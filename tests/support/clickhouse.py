"""A ClickHouse cluster of two shards with two replicas each, and ZooKeeper, from Debian's packages, on the loopback address.

``python -m support.clickhouse`` downloads the packages and unpacks them, without installing anything. Debian's version is
18.16.1, which is old, but it is a real cluster. ``speak_old_dialect`` lets the official client talk to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / ".venv" / "clickhouse"
NAME = "two"  # the cluster's, in the configuration of each server
USER, PASSWORD = "privacy", "cluster test"

_PACKAGES = """clickhouse-server clickhouse-common libcapnp-0.9.2 libcctz2 libcpuinfo0 libfarmhash0 libmariadb3 libmetrohash1
    libpcre3 libpocofoundation80 libpocodata80 libltdl7 libodbc2 libpocodataodbc80 libpoconet80 libpocomongodb80
    libpococrypto80 libpocojson80 libpocoxml80 libpocoutil80 libpoconetssl80 librdkafka1 libre2-9
    libzookeeper-java libdropwizard-metrics-java libnetty-java libsnappy-java libslf4j-java libcommons-cli-java
    libcommons-io-java libjackson2-core-java libjackson2-databind-java libjackson2-annotations-java"""
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu")
_JARS = """zookeeper zookeeper-jute slf4j-api slf4j-nop netty-all netty-buffer netty-codec netty-common netty-handler
    netty-resolver netty-transport metrics-core snappy-java commons-cli commons-io jackson-core jackson-databind
    jackson-annotations"""
_START = 60.0  # seconds
#: Seconds after which ZooKeeper forgets a killed server. On a busy machine, a server that lives needs more to answer in time.
_SESSION = float(os.environ.get("CLICKHOUSE_SESSION", "1.5"))


def install() -> None:
    """Download the packages and unpack them, unless that is done. Needs a Debian with Java."""
    if (FOLDER / "complete").exists():
        return
    packages = FOLDER / "packages"
    shutil.rmtree(FOLDER, ignore_errors=True)
    packages.mkdir(parents=True)
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *_PACKAGES.split()]
    if subprocess.run(download, cwd=packages, stdout=subprocess.DEVNULL).returncode:  # the list of packages is old
        subprocess.run(["apt-get", "-qq", "update"] if os.getuid() == 0 else ["sudo", "-n", "apt-get", "-qq", "update"])
        subprocess.run(download, cwd=packages, check=True, stdout=subprocess.DEVNULL)
    for package in packages.glob("*.deb"):
        subprocess.run(["/usr/bin/dpkg", "-x", package, FOLDER / "root"], check=True)
    shutil.rmtree(packages)
    (FOLDER / "complete").touch()


def free_ports(number: int) -> list[int]:
    """Return ports that no server uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Process:
    """A server in a process of its own, which never outlives its stop."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.name, self.folder = name, folder
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, which is not ready yet."""
        with open(self.folder / "output", "ab") as output:
            self._process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "KILL", *self._command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=os.environ | self._environment,
            )

    def stop(self) -> None:
        """Kill the server as a power failure would: no ``finally`` of its own runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def pause(self, *, end: bool = False) -> None:
        """Let the server hang, or end that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if end else signal.SIGSTOP)

    def require_alive(self) -> None:
        """Raise an error with the server's output if it has exited."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} has exited: {(self.folder / 'output').read_text(errors='replace')[-3000:]}")


class Server(Process):
    """One ClickHouse server."""

    def __init__(self, folder: Path, shard: int, replica: int, ports: tuple[int, int, int]) -> None:
        self.http, self.tcp, self.interserver = ports
        self.shard, self.replica = shard, replica
        root = FOLDER / "root"
        libraries = ":".join(str(root / each) for each in _LIBRARIES)
        command = [str(root / "usr/sbin/clickhouse-server"), f"--config-file={folder}/config.xml"]
        super().__init__(f"ClickHouse {shard}.{replica}", command, folder, {"LD_LIBRARY_PATH": libraries})

    def run(self, statement: str, **settings: object) -> str:
        """Execute a statement over HTTP and return the answer."""
        query = urllib.parse.urlencode({"user": USER, "password": PASSWORD} | settings)
        url = f"http://127.0.0.1:{self.http}/?{query}"
        try:
            with urllib.request.urlopen(url, statement.encode(), timeout=120) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode(errors="replace")) from None

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/ping", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Cluster:
    """Two shards with two replicas each. A context manager, after which no process and no port is left."""

    def __init__(self, folder: Path, shards: int = 2, replicas: int = 2) -> None:
        keeper, *ports = free_ports(1 + 3 * shards * replicas)
        self.folder = folder
        self.keeper_port = keeper
        places = [(shard, replica) for shard in range(1, shards + 1) for replica in range(1, replicas + 1)]
        self.servers = [
            Server(folder / f"{shard}.{replica}", shard, replica, (ports[3 * n], ports[3 * n + 1], ports[3 * n + 2]))
            for n, (shard, replica) in enumerate(places)
        ]
        self.keeper = _keeper(folder / "keeper", keeper)
        for server in self.servers:
            self._configure(server)

    def __enter__(self) -> Cluster:
        try:
            self.keeper.start()
            _wait(self._keeper_answers, self.keeper)
            for server in self.servers:
                server.start()
            for server in self.servers:
                _wait(server.is_ready, server)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        for process in [*self.servers, self.keeper]:
            process.stop()

    def url(self, database: str) -> str:
        """Create a database on every server, and return the setting of a site that uses it."""
        for server in self.servers:
            server.run(f"CREATE DATABASE IF NOT EXISTS {database}")
        hosts = ",".join(f"127.0.0.1:{server.http}" for server in self.servers)
        return f"clickhouse://{USER}:{urllib.parse.quote(PASSWORD)}@{hosts}/{database}?cluster={NAME}"

    def shard(self, number: int) -> list[Server]:
        """Return the replicas of a shard."""
        return [server for server in self.servers if server.shard == number]

    def restart(self, *servers: Server) -> None:
        """Start servers that were stopped, and wait until they are ready."""
        time.sleep(_SESSION + 0.5)  # a replica that returns while its old session lasts would be read-only for a minute
        for server in servers:
            server.start()
        for server in servers:
            _wait(server.is_ready, server)

    def _keeper_answers(self) -> bool:
        try:
            with closing(socket.create_connection(("127.0.0.1", self.keeper_port), timeout=2)) as connection:
                connection.sendall(b"srvr")  # "ruok" is answered before it takes clients
                return b"Mode: standalone" in connection.makefile("rb").read()
        except OSError:
            return False

    def _configure(self, server: Server) -> None:
        for name in ("data", "tmp", "files", "log"):
            (server.folder / name).mkdir(parents=True, exist_ok=True)
        shards = ""
        for shard in sorted({each.shard for each in self.servers}):
            replicas = "".join(
                f"<replica><host>127.0.0.1</host><port>{each.tcp}</port><user>{USER}</user><password>{PASSWORD}</password>"
                "</replica>"
                for each in self.shard(shard)
            )
            shards += f"<shard><internal_replication>true</internal_replication>{replicas}</shard>"
        values = {"folder": server.folder, "shards": shards, "keeper": self.keeper_port, "user": USER, "password": PASSWORD}
        values |= {"http": server.http, "tcp": server.tcp, "interserver": server.interserver, "name": NAME}
        values |= {"shard": server.shard, "replica": server.replica, "session": int(_SESSION * 1000)}
        (server.folder / "config.xml").write_text(_CONFIG.format(**values))
        (server.folder / "users.xml").write_text(_USERS.format(**values))


def _keeper(folder: Path, port: int) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.cfg").write_text(
        f"tickTime=500\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        "4lw.commands.whitelist=srvr\nmaxClientCnxns=0\nfsync.warningthresholdms=5000\n"
    )
    jars = ":".join(str(FOLDER / "root/usr/share/java" / f"{name}.jar") for name in _JARS.split())
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return Process("ZooKeeper", ["java", "-Xmx128m", "-cp", jars, main, str(folder / "zoo.cfg")], folder, {})


def _wait(is_ready: Any, process: Process) -> None:
    deadline = time.monotonic() + _START
    while not is_ready():
        process.require_alive()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{process.name} does not answer: {(process.folder / 'output').read_text()[-2000:]}")
        time.sleep(0.1)


_CONFIG = """<?xml version="1.0"?>
<yandex>
 <logger><level>warning</level><log>{folder}/log/log</log><errorlog>{folder}/log/errors</errorlog></logger>
 <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{interserver}</interserver_http_port>
 <interserver_http_host>127.0.0.1</interserver_http_host><listen_host>127.0.0.1</listen_host>
 <max_connections>100</max_connections><mark_cache_size>134217728</mark_cache_size>
 <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path><user_files_path>{folder}/files/</user_files_path>
 <format_schema_path>{folder}/files/</format_schema_path>
 <users_config>users.xml</users_config><default_profile>default</default_profile>
 <default_database>default</default_database><timezone>UTC</timezone>
 <remote_servers><{name}>{shards}</{name}></remote_servers>
 <zookeeper><node><host>127.0.0.1</host><port>{keeper}</port></node><session_timeout_ms>{session}</session_timeout_ms></zookeeper>
 <macros><shard>{shard}</shard><replica>{replica}</replica></macros>
 <distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl>
 <merge_tree><old_parts_lifetime>1</old_parts_lifetime><cleanup_delay_period>1</cleanup_delay_period>
 <cleanup_delay_period_random_add>0</cleanup_delay_period_random_add></merge_tree>
 <query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>500</flush_interval_milliseconds></query_log>
</yandex>
"""

_USERS = """<?xml version="1.0"?>
<yandex>
 <profiles><default><max_memory_usage>2000000000</max_memory_usage><log_queries>1</log_queries>
  <allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type>
</default></profiles>
 <users>
  <{user}><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></{user}>
 </users>
 <quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows>
  <read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas>
</yandex>
"""


def speak_old_dialect(patch: Any) -> None:
    """Let the official client talk to version 18.16.1.

    That version has no column ``readonly`` in the table of settings, and does not know the compression ``lz4``. ``patch`` is
    pytest's ``monkeypatch``.
    """
    import clickhouse_connect
    from clickhouse_connect import common
    from clickhouse_connect.driver import client
    from clickhouse_connect.driver._backend import orchestration

    begin = orchestration.init_sequence

    def begin_old(config: Any) -> Generator[Any, Any, Any]:
        steps = begin(config)
        answer = None
        try:
            while True:
                step = steps.send(answer)
                for name in getattr(step, "__dataclass_fields__", {}):
                    text = getattr(step, name)
                    if isinstance(text, str) and "system.settings" in text:
                        step = type(step)(**{**vars(step), name: text.replace("readonly FROM", "0 AS readonly FROM")})
                answer = yield step
        except StopIteration as end:
            return end.value

    connect = clickhouse_connect.get_client
    patch.setattr(clickhouse_connect, "get_client", lambda **options: connect(compress=False, **options))
    patch.setattr(client, "init_sequence", begin_old)
    common.set_setting("use_protocol_version", False)


if __name__ == "__main__":
    install()
