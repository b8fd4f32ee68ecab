"""A Ray cluster of two nodes on this machine, one core each, for all tests here; slow machines are no failure."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
_PATIENT = {
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_gcs_server_request_timeout_seconds": "300",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@pytest.fixture
def no_network() -> None:
    """Ray's processes speak to each other at this machine's own address; nothing else is reached."""


def _node(temporary: Path, **environment: str) -> dict[str, Any]:
    """How to start a node; its agents' ports are chosen and written here.

    Ray 2.60 waits 15 seconds for files with these ports, and ends the node where its agents need longer to start
    (https://github.com/ray-project/ray/issues/65983).
    """
    free = [socket.socket() for _ in _PORTS]
    for one in free:
        one.bind(("", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(_PORTS, free, strict=True)}
    for one in free:
        one.close()
    number = os.urandom(28).hex()

    def write() -> None:
        for _ in range(12_000):
            if found := list(temporary.glob("session_2*/")):
                for name, port in ports.items():
                    (found[0] / f"{name}_{number}").write_text(str(port))
                return
            time.sleep(0.05)

    threading.Thread(target=write, daemon=True).start()
    environment |= {"RAY_OVERRIDE_NODE_ID_FOR_TESTING": number}
    return {"num_cpus": 1, "object_store_memory": 80 * 2**20, "env_vars": environment, **ports}


@pytest.fixture(scope="session")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ray, joined to a cluster of two nodes; the second has HYBRIDKIT_CACHE in a folder of its own."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'hybridkit[cluster]'")
    from ray.cluster_utils import Cluster

    before = {name: os.environ.get(name) for name in _PATIENT}
    os.environ.update(_PATIENT)
    temporary = Path("/tmp") / f"hybridkit-ray-{os.getpid()}"  # a short path: sockets lie in it
    Path("/tmp/ray").mkdir(exist_ok=True)  # the address goes there, whatever the temporary folder
    cache = tmp_path_factory.mktemp("second")
    head = {"include_dashboard": False, "temp_dir": str(temporary), **_node(temporary)}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(**_node(temporary, HYBRIDKIT_CACHE=str(cache), HYBRIDKIT_TEST_NODE="second"))
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        ray.cluster_address = cluster.address
        yield ray
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
