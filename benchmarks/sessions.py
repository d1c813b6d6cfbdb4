"""How long many visitors at once wait for a page: raw clients of the websocket, without a browser.

A server on this machine with the sample of marks (or the workspace that is named), and per page as many sessions as
asked, each of which opens it and looks again. What is timed is from the request of a view to the end of its script.
Bounded in sessions and in time, and only to 127.0.0.1. ``--training``: while the workspace trains, in a process of its
own as ever. ``--pause``: the seconds, on average, that a person looks at a page before asking for the next view (drawn
evenly from half to one and a half times that, by a fixed seed); 0 asks again at once, so that all views always wait
for one another. Fails where 25 sessions that pause wait longer than two seconds at their 95th percentile.

    python benchmarks/sessions.py [--sessions 1 25] [--views 3] [--pause 5] [--pages library table] [--workspace DIR]
                                  [--training] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.ground.job import Job
from core.ground.jobs import JobRunner
from core.ground.workspace import ENVIRONMENT, Workspace, new_id
from core.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("library", "table", "label", "identify")
MOST_SESSIONS, MOST_S = 50, 300.0
LIMIT_S = 2.0


class Session:
    """One visitor: a websocket to the server, and the views that are asked for over it."""

    def __init__(self, port: int, page: str, *, pauses: Sequence[float] = ()) -> None:
        self.port, self.page, self.pauses, self.got = port, page, pauses, 0

    async def visit(self, views: int) -> list[float]:
        """Seconds that each of ``views`` views took, the opening of the page and the pauses before them left out."""
        from websockets.asyncio.client import connect

        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        async with connect(
            address, origin=f"http://127.0.0.1:{self.port}", subprotocols=["streamlit"], max_size=None
        ) as line:
            await asyncio.sleep(self.pauses[0] if self.pauses else 0)  # not everybody comes at the same moment
            await self._view(line)
            found = []
            for number in range(views):
                await asyncio.sleep(self.pauses[number] if self.pauses else 0)
                found.append(await self._view(line))
            return found

    async def _view(self, line: object) -> float:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        asked = BackMsg()
        asked.rerun_script.page_name = self.page
        asked.rerun_script.context_info.locale = "en-GB"
        asked.rerun_script.context_info.url = f"http://127.0.0.1:{self.port}/{self.page}"
        start = time.perf_counter()
        await line.send(asked.SerializeToString())  # type: ignore[attr-defined]
        while True:
            data = await line.recv()  # type: ignore[attr-defined]
            self.got += len(data)
            said = ForwardMsg.FromString(data)
            if said.WhichOneof("type") == "script_finished" and said.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
            ):
                return time.perf_counter() - start


async def crowd(port: int, page: str, sessions: int, views: int, *, pause: float = 0.0) -> dict[str, float]:
    """``sessions`` visitors of ``page`` at once: seconds a view at the middle and the 95th percentile, MB a view."""
    pauses = np.random.default_rng(0).uniform(0.5 * pause, 1.5 * pause, (sessions, views)).tolist()
    each = [Session(port, page, pauses=one) for one in pauses]
    found = await asyncio.wait_for(asyncio.gather(*(one.visit(views) for one in each)), MOST_S)
    times = np.concatenate(found)
    sent = sum(one.got for one in each) / sessions / (views + 1) / 1e6
    return {"p50": float(np.median(times)), "p95": float(np.quantile(times, 0.95)), "mb": sent}


def serve(workspace: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server on a free port, once it answers; its first preparation may still be under way."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "Home.py"), "--server.port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, ENVIRONMENT: str(workspace)}, stdout=output, stderr=output
        )
    for _ in range(1200):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
            return process, port
        time.sleep(0.1)
    process.kill()
    raise SystemExit(log.read_text(errors="replace"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 25])
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two views of a session, on average")
    parser.add_argument("--pages", nargs="+", default=list(PAGES))
    parser.add_argument("--workspace", type=Path, help="a workspace that is copied first; without it the sample")
    parser.add_argument("--training", action="store_true", help="have a training run meanwhile")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if max(options.sessions) > MOST_SESSIONS or options.views > 20 or not 0 <= options.pause <= 30:
        parser.error(f"at most {MOST_SESSIONS} sessions of 20 views, and pauses of at most 30 s")
    slow, rows = False, []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "workspace"
        if options.workspace:
            shutil.copytree(options.workspace, root)
        else:
            from core.synthesis.sample import make_sample

            make_sample(Workspace(root))
        process, port = serve(root, Path(place) / "log.txt")
        try:
            asyncio.run(crowd(port, "library", 1, 1))  # starts the preparation
            time.sleep(1)
            wait_ready(port)
            job = _training(Workspace(root)) if options.training else None
            load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
            print(f"load of the machine before: {load} on {os.cpu_count()} cores", flush=True)
            for page in options.pages:
                for sessions in options.sessions:
                    found = asyncio.run(crowd(port, page, sessions, options.views, pause=options.pause))
                    row = {"page": page, "sessions": sessions, "pause": options.pause, **found}
                    rows.append(row)
                    slow |= sessions == 25 and options.pause > 0 and row["p95"] > LIMIT_S
                    said = "p50 {p50:6.2f} s  p95 {p95:6.2f} s  {mb:6.3f} MB a view".format(**row)
                    print(f"{page:10} {sessions:3} sessions  {said}", flush=True)
            if job is not None:
                now = JobRunner(Workspace(root)).get(job.id)
                print(f"the training: {now.state}, {now.done} of {now.total} steps", flush=True)
                JobRunner(Workspace(root)).stop(job.id)
                JobRunner(Workspace(root)).wait(job.id, timeout_s=60)
        finally:
            end(process)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    sys.exit(slow)


def _training(workspace: Workspace) -> Job:
    """A training of the workspace that is longer than what is measured, once its first step is done."""
    settings = TrainSettings(epochs=500).to_json()
    params = {"settings": settings, "run_id": new_id(), "name": "", "override_leaks": True, "override_safety": True}
    runner = JobRunner(workspace)
    job = runner.start("train", "core.training.work:run_training", params, key="train")
    for _ in range(1200):
        job = runner.get(job.id)
        if job.done or not job.active:
            break
        time.sleep(0.1)
    if not job.active:
        raise SystemExit(f"the training {job.state}: {job.error}")
    return job


def end(process: subprocess.Popen[bytes]) -> None:
    """Have the server end."""
    process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()


def wait_ready(port: int, *, most_s: float = 60.0) -> None:
    """Until a view of Identify ends at once: the encoder is loaded and the references are embedded."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        row = asyncio.run(crowd(port, "identify", 1, 1))
        if row["p50"] < 3.0:
            return
        time.sleep(2)


if __name__ == "__main__":
    main()
