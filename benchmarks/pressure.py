"""What ten visitors at once can do to the server with the worst files that it lets in: memory, and time to an answer.

The files are made here: a TIFF of 50 million pixels in 230 kB, a zip of eight of them, a JPEG of 99 scans and one of
ten of that size, a JPEG in CMYK of noise, and uploads of 40 MB that are left lying. A real server on this machine is
asked over its websocket, as a browser does. An answer is the end of the view that says the name or the refusal; of an
import it is the page that shows it under way, of uploads that are left lying the slowest one's; when all was done is
printed beside it, and first what one such picture takes alone on this machine, as busy as it is. The server's memory is
the resident one of its process and the processes it started, looked at ten times a second. Fails above the limits.

    python benchmarks/pressure.py [--lying 10] [--megapixels 50] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sessions import crowd, serve, wait_ready
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace

MEMORY_MB, ANSWER_S = 1500, 10.0
MOST_S = 150.0
LYING_MB = 40


@dataclass
class Visit:
    """What one visitor did, when it was answered, and when what it started was done."""

    what: str
    uploaded_s: float = 0.0  # of it, until the (slowest) file was taken
    answered_s: float = 0.0
    done_s: float = 0.0
    said: str = ""


@dataclass
class Memory:
    """The greatest resident memory of a process and its children, in MB, while the block runs; what each had then."""

    process: int
    peak: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            each = {one: resident(one) for one in family(self.process)}
            if sum(each.values()) > self.peak:
                self.peak = sum(each.values())
                self.parts = {f"{called(one)} {one}": round(mb) for one, mb in each.items()}


def family(process: int) -> Iterator[int]:
    """A process and those it started, and so on."""
    yield process
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def resident(process: int) -> float:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6
    except (OSError, IndexError):
        return 0.0


def called(process: int) -> str:
    """The server, or the kind of a job."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_text().split("\0")
        return str(json.loads((Path(command[-2]) / "job.json").read_text())["kind"])
    except (OSError, ValueError, LookupError):
        return "server"


class Visitor:
    """A websocket to one page of the server, and what a browser does on it: uploads, clicks, views."""

    def __init__(self, port: int, page: str, query: str = "") -> None:
        self.port, self.page, self.query = port, page, query
        self.session = ""
        self.widgets: dict[str, str] = {}  # key, or kind -> id
        self.alerts: list[str] = []
        self.cookie = _cookie(port)

    async def __aenter__(self) -> Visitor:
        from websockets.asyncio.client import connect

        address, origin = f"ws://127.0.0.1:{self.port}/_stcore/stream", f"http://127.0.0.1:{self.port}"
        self._line = await connect(
            address, origin=origin, subprotocols=["streamlit"], max_size=None, ping_timeout=None, open_timeout=60
        )
        await self.view()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.close()

    async def view(self, *, files: list[Any] = (), uploader: str = "", pressed: str = "") -> None:
        """Run the page, with ``files`` in the uploader and a button pressed, until it is still."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        asked = BackMsg()
        run = asked.rerun_script
        run.page_name, run.query_string = self.page, self.query
        run.context_info.locale = "en-GB"
        run.context_info.url = f"http://127.0.0.1:{self.port}/{self.page}"
        if files:
            state = run.widget_states.widgets.add(id=self._widget(uploader))
            state.file_uploader_state_value.uploaded_file_info.extend(files)
        if pressed:
            run.widget_states.widgets.add(id=self._widget(pressed), trigger_value=True)
        self.alerts = []
        await self._line.send(asked.SerializeToString())
        await self._hear(self._ended)

    async def upload(self, name: str, data: bytes) -> Any:
        """Send one file as the browser does; what the widget's state says of it."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.Common_pb2 import UploadedFileInfo

        asked = BackMsg()
        asked.file_urls_request.request_id = "1"
        asked.file_urls_request.session_id = self.session
        asked.file_urls_request.file_names.append(name)
        await self._line.send(asked.SerializeToString())
        said = await self._hear(lambda said: said.WhichOneof("type") == "file_urls_response")
        (urls,) = said.file_urls_response.file_urls
        status = await asyncio.to_thread(put, self.port, urls.upload_url, name, data, self.cookie)
        if status != 204:
            raise RuntimeError(f"the upload was answered {status}")
        return UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)

    def _widget(self, key: str) -> str:
        """The id of the widget whose key begins so: uploaders count how often they were emptied."""
        return next(found for found in reversed(self.widgets.values()) if f"-{key}" in found)

    async def _hear(self, enough: Callable[[Any], bool]) -> Any:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        while True:
            said = ForwardMsg.FromString(await self._line.recv())
            kind = said.WhichOneof("type")
            if kind == "new_session":
                self.session = said.new_session.initialize.session_id or self.session
            elif kind == "delta" and said.delta.WhichOneof("type") == "new_element":
                element = said.delta.new_element
                sort = element.WhichOneof("type")
                if sort in ("file_uploader", "button"):
                    widget = getattr(element, sort)
                    self.widgets.pop(widget.id, None)
                    self.widgets[widget.id] = widget.id
                elif sort == "alert" and element.alert.format == element.alert.ERROR:
                    self.alerts.append(element.alert.body)
            if enough(said):
                return said

    @staticmethod
    def _ended(said: Any) -> bool:
        finished = (said.FINISHED_SUCCESSFULLY, said.FINISHED_WITH_COMPILE_ERROR)
        return said.WhichOneof("type") == "script_finished" and said.script_finished in finished


def put(port: int, path: str, name: str, data: bytes, cookie: str) -> int:
    """The status of the answer to one file, sent as a form."""
    edge = "----burin"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = head + data + f"\r\n--{edge}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Origin": f"http://127.0.0.1:{port}",
        "X-Xsrftoken": cookie,
        "Cookie": f"_streamlit_xsrf={cookie}",
    }
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=MOST_S)
    try:
        line.request("PUT", path if path.startswith("/") else f"/{path}", body, headers)
        return line.getresponse().status
    finally:
        line.close()


def _cookie(port: int) -> str:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("GET", "/_stcore/health")
        said = line.getresponse().getheader("Set-Cookie") or ""
        return said.partition("_streamlit_xsrf=")[2].partition(";")[0].strip('"')
    finally:
        line.close()


# The files


def flat_tiff(pixels: int, *, tone: int = 200) -> bytes:
    """One tone, packed to next to nothing."""
    from PIL import Image

    side = int(pixels**0.5)
    return _saved(
        Image.new("RGB", (side, side), (tone, tone - 10, tone - 20)), "TIFF", compression="tiff_adobe_deflate"
    )


def noisy_jpeg(pixels: int, *, mode: str = "RGB", **options: Any) -> bytes:
    """What costs a decoder most."""
    from PIL import Image

    side = int(pixels**0.5)
    tile = np.random.default_rng(0).integers(0, 256, (512, 512, len(mode)), dtype=np.uint8)
    whole = np.tile(tile, (side // 512 + 1, side // 512 + 1, 1))[:side, :side]
    return _saved(Image.fromarray(whole, mode), "JPEG", quality=30, **options)


def scanned_jpeg(pixels: int, scans: int) -> bytes:
    """One scan of a flat progressive JPEG, over and over."""
    from PIL import Image

    side = int(pixels**0.5)
    data = _saved(Image.new("RGB", (side, side), (180, 170, 160)), "JPEG", progressive=True, quality=30)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    more = data[starts[1] : starts[2]] * (scans - len(starts))
    return data[: starts[2]] + more + data[starts[2] :]


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return buffer.getvalue()


def _saved(image: Any, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


# The visitors


async def identified(port: int, visit: Visit, name: str, data: bytes) -> None:
    async with Visitor(port, "identify") as visitor:
        start = time.perf_counter()
        file = await visitor.upload(name, data)
        visit.uploaded_s = time.perf_counter() - start
        await visitor.view(files=[file], uploader="identify.files")
        visit.answered_s = visit.done_s = time.perf_counter() - start
        visit.said = visitor.alerts[0] if visitor.alerts else "answered"


async def imported(port: int, visit: Visit, name: str, data: bytes, workspace: Workspace) -> None:
    async with Visitor(port, "library", "view=add") as visitor:
        start = time.perf_counter()
        file = await visitor.upload(name, data)
        visit.uploaded_s = time.perf_counter() - start
        await visitor.view(files=[file], uploader="library.files")
        before = set(workspace.jobs.glob("*"))
        await visitor.view(files=[file], uploader="library.files", pressed="library.import_now")
        visit.answered_s = time.perf_counter() - start
        visit.said = visitor.alerts[0] if visitor.alerts else "under way"
        mine = set(workspace.jobs.glob("*")) - before
        while time.perf_counter() - start < MOST_S - 30 and any(_active(one) for one in mine):
            await asyncio.sleep(0.1)
        visit.done_s = float("inf") if any(_active(one) for one in mine) else time.perf_counter() - start


async def lying(port: int, visit: Visit, count: int) -> None:
    """Files that nobody ever reads, and some to a session that there is not."""
    async with Visitor(port, "library", "view=add") as visitor:
        start, data = time.perf_counter(), bytes(LYING_MB * 1_000_000)
        files = []
        for number in range(count):
            began = time.perf_counter()
            files.append(await visitor.upload(f"{number}.png", data))
            visit.uploaded_s = max(visit.uploaded_s, time.perf_counter() - began)
        visit.answered_s, visit.done_s = visit.uploaded_s, time.perf_counter() - start
        await visitor.view(files=files, uploader="library.files")
        stranger = await asyncio.to_thread(
            put, port, "/_stcore/upload_file/no-such-session/1", "a.png", data, visitor.cookie
        )
        visit.said = f"{count} files kept, a stranger's refused with {stranger}"
        await asyncio.sleep(20)  # they lie there while the others work


def _active(job: Path) -> bool:
    for path in (job,) if job.is_file() else job.glob("*.json"):
        try:
            if json.loads(path.read_text()).get("state") in ("starting", "running"):
                return True
        except (OSError, ValueError):
            return True
    return False


async def all_at_once(port: int, workspace: Workspace, pixels: int, count: int) -> list[Visit]:
    tiff, cmyk = flat_tiff(pixels), noisy_jpeg(pixels, mode="CMYK")
    ten, many = scanned_jpeg(pixels, 10), scanned_jpeg(pixels, 99)
    zips = [archive_of({f"flat/{k}.tif": flat_tiff(pixels, tone=100 + 8 * z + k) for k in range(8)}) for z in range(2)]
    size = f"{pixels // 1_000_000} Mpx"
    work: list[tuple[str, Callable[[Visit], Awaitable[None]]]] = [
        (f"Identify, TIFF of {size}, {len(tiff) // 1000} kB", lambda v: identified(port, v, "a.tif", tiff)),
        ("Identify, another such TIFF", lambda v: identified(port, v, "b.tif", flat_tiff(pixels, tone=90))),
        (f"Identify, JPEG of 99 scans x {size}, {len(many) // 1000} kB", lambda v: identified(port, v, "c.jpg", many)),
        (f"Identify, JPEG of 10 scans x {size}", lambda v: identified(port, v, "d.jpg", ten)),
        (f"Identify, CMYK JPEG of noise, {len(cmyk) // 1_000_000} MB", lambda v: identified(port, v, "e.jpg", cmyk)),
        ("Import, the same CMYK JPEG", lambda v: imported(port, v, "f.jpg", cmyk, workspace)),
        (f"Import, zip of eight TIFFs, {len(zips[0]) / 1e6:.1f} MB",
         lambda v: imported(port, v, "g.zip", zips[0], workspace)),
        ("Import, another such zip", lambda v: imported(port, v, "h.zip", zips[1], workspace)),
        (f"{count} uploads of {LYING_MB} MB left lying", lambda v: lying(port, v, count)),
        (f"{count} uploads of {LYING_MB} MB left lying", lambda v: lying(port, v, count)),
    ]  # fmt: skip
    visits = [Visit(what) for what, _ in work]
    done = await asyncio.gather(
        *(asyncio.wait_for(act(visit), MOST_S) for visit, (_, act) in zip(visits, work, strict=True)),
        return_exceptions=True,
    )
    for visit, error in zip(visits, done, strict=True):
        if isinstance(error, BaseException):
            visit.said, visit.answered_s = f"{type(error).__name__}: {error}", visit.answered_s or float("inf")
    return visits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lying", type=int, default=10, help="uploads that each of two visitors leaves lying")
    parser.add_argument("--megapixels", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        from core.synthesis.sample import make_sample

        workspace = Workspace(Path(place) / "workspace")
        make_sample(workspace)
        process, port = serve(workspace.root, Path(place) / "log.txt")
        try:
            asyncio.run(crowd(port, "library", 1, 1))  # starts the preparation
            wait_ready(port, most_s=MOST_S)
            pixels = options.megapixels * 1_000_000
            asyncio.run(identified(port, Visit("the first of all"), "y.tif", flat_tiff(1_000_000)))
            alone = Visit("alone")
            asyncio.run(identified(port, alone, "z.tif", flat_tiff(pixels - 10_000, tone=70)))
            before = sum(resident(one) for one in family(process.pid))
            with Memory(process.pid) as memory:
                visits = asyncio.run(all_at_once(port, workspace, pixels - 10_000, options.lying))
        finally:
            for job in JobRunner(workspace).active():
                JobRunner(workspace).stop(job.id)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                print("the server did not end within 20 s of being asked to: killed")
                process.kill()
                process.wait()
            for job in JobRunner(workspace).list():
                JobRunner(workspace).wait(job.id, timeout_s=60)
        log = (Path(place) / "log.txt").read_text(errors="replace")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"one such TIFF alone: {alone.answered_s:.1f} s; load of the machine {load} on {os.cpu_count()} cores")
    for visit in visits:
        late = "  LATE" if visit.answered_s > ANSWER_S else ""
        times = f"taken {visit.uploaded_s:5.1f} s, answered {visit.answered_s:5.1f} s, done {visit.done_s:5.1f} s"
        print(f"{visit.what:52} {times}{late}  {visit.said[:70]}")
    over = "  OVER" if memory.peak > MEMORY_MB else ""
    print(f"memory: {before:.0f} MB before, {memory.peak:.0f} MB at most, limit {MEMORY_MB} MB{over}: {memory.parts}")
    if "Traceback" in log:
        print(log[-3000:])
    if options.json:
        found = {
            "alone_s": alone.answered_s,
            "load": load,
            "before_mb": before,
            "peak_mb": memory.peak,
            "visits": [vars(visit) for visit in visits],
        }
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    sys.exit(memory.peak > MEMORY_MB or any(visit.answered_s > ANSWER_S for visit in visits))


if __name__ == "__main__":
    main()
