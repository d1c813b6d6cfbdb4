"""A Milvus server of the tests' own, from the wheel that holds its programs: its own data folder, free ports, nothing
left behind. The wheel is installed beside nothing else, in a folder of its own, and asked for no import here.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WHEEL = "milvus==2.3.5"
_READY_S = 240.0  # a busy machine takes minutes where a quiet one takes ten seconds


def wheel() -> Path | None:
    """The folder in which the wheel is installed: BURIN_MILVUS, or one in the user's cache, made once. None where it
    cannot be installed, or its programs do not run here."""
    if sys.platform != "linux":
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("BURIN_MILVUS") or home / "burin" / WHEEL.replace("==", "-"))
    if not (folder / "milvus" / "__init__.py").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), WHEEL]
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder if (folder / "milvus" / "__init__.py").exists() else None


@contextmanager
def alone() -> Iterator[None]:
    """Whoever is here starts the only server of this machine's tests: the etcd within it listens at a port that nothing
    changes, and a second one ends at once."""
    with open(Path(tempfile.gettempdir()) / "burin-milvus.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Milvus:
    """A server, not started yet. `start` waits until it answers at `url`; `kill` ends it as a power cut would, and
    `start` then finds its data again; `stop` ends it and removes its files."""

    def __init__(self, folder: Path) -> None:
        spec = importlib.util.spec_from_file_location("_milvus_wheel", folder / "milvus" / "__init__.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module._initialize_data_files(str(folder / "unpacked"))  # once: a quarter of a minute
        self._programs = folder / "unpacked" / "bin"
        self.data = Path(tempfile.mkdtemp(prefix="burin-milvus-"))
        config = module.MilvusServerConfig(data_dir=str(self.data))
        for part in ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode"):
            config.set(f"{part}.ip", "127.0.0.1")
        config.resolve()
        self.port = int(config.get("proxy_port"))
        self._health, sock = config.resolve_port(19_700)
        sock.close()
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start it, and do not wait for it."""
        own = {"DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(self._health)}
        own |= {"MILVUS_RUN_DIR": str(self.data / "run"), "LD_LIBRARY_PATH": str(self._programs)}
        with open(self.data / "output.txt", "ab") as log:
            command = [str(self._programs / "milvus"), "run", "standalone"]
            self._process = subprocess.Popen(command, cwd=self.data, env=os.environ | own, stdout=log, stderr=log)

    def start(self) -> None:
        self.launch()
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            with (
                suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=5) as said,
            ):
                if b"OK" in said.read():
                    return
            time.sleep(0.5)
        self.kill()
        raise RuntimeError(f"Milvus did not start:\n{(self.data / 'output.txt').read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
