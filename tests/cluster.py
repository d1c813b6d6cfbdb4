"""A Ray cluster of the tests' own on this machine: a head and two raylets, each with a core, free ports, nothing left
behind."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_STORE = 80 << 20  # bytes that a raylet keeps in shared memory, the least that Ray takes


class Raylets:
    """Running. `address` is what the settings name; `kill` ends a worker process as a lost machine would."""

    def __init__(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        about = {"num_cpus": 1, "object_store_memory": _STORE, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, connect=False, head_node_args=about)
        self._cluster.add_node(num_cpus=1, object_store_memory=_STORE)

    @property
    def address(self) -> str:
        return self._cluster.address

    def workers(self, what: str) -> list[int]:
        """The processes of this cluster that are at ``what`` ("ray::_far", "ray::_Actor")."""
        ours = {info.process.pid for node in self._cluster.list_all_nodes() for info in node.all_processes["raylet"]}
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, IndexError):
                if entry.name.isdigit() and (entry / "cmdline").read_text().startswith(what):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    found += [int(entry.name)] if parent in ours else []
        return sorted(found)

    def kill(self, what: str, *, within_s: float = 60.0) -> None:
        """End a process that is at ``what``, as soon as there is one."""
        deadline = time.monotonic() + within_s
        while not (pids := self.workers(what)):
            assert time.monotonic() < deadline, f"no process is at {what}"
            time.sleep(0.05)
        os.kill(pids[0], signal.SIGKILL)

    def stop(self) -> None:
        self._cluster.shutdown()
