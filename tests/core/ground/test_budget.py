"""The budget: never more than there is, in the order of asking, and no step waits for itself."""

from __future__ import annotations

import io
import logging
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from core.ground.budget import PIXELS, Budget
from core.ground.containers import inspect
from core.ground.errors import ImageRefused
from core.ground.images import decode
from core.ground.workspace import Workspace
from tests.conftest import draw, png_bytes

ROOT = Path(__file__).resolve().parents[3]


def test_never_more_than_there_is_and_everybody_gets_a_turn() -> None:
    budget, lock, now, most = Budget(10), threading.Lock(), [0], [0]

    def work(amount: int) -> int:
        with budget.take(amount):
            with lock:
                now[0] += amount
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.005)
            with lock:
                now[0] -= amount
        return amount

    amounts = [3, 10, 1, 7, 4, 25, 6] * 6  # 25 is more than all: it waits to be alone
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, amounts)) == amounts
    assert now == [0] and most[0] <= 25 and budget._used == 0 and not budget._turn


def test_who_asked_before_comes_before() -> None:
    budget, order = Budget(10), []
    threads = []
    with budget.take(10):
        for number, amount in enumerate((9, 1, 1)):  # the small ones do not slip past the large one
            waiting = threading.Thread(target=lambda n=number, a=amount: _note(budget, a, order, n))
            waiting.start()
            threads.append(waiting)
            while len(budget._turn) <= number:
                threading.Event().wait(0.001)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order[0] == 0 and sorted(order) == [0, 1, 2]


def test_a_step_inside_a_step_does_not_wait_for_itself_and_an_error_gives_all_back() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="x"), budget.take(8), budget.take(8):
        raise ValueError("x")
    assert budget._used == 0
    with budget.take(10):
        pass


def test_decoding_takes_its_pixels_from_the_budget() -> None:
    data, done = png_bytes(draw("bar", side=64)), threading.Event()
    reader = threading.Thread(target=lambda: (decode(data), done.set()))
    with PIXELS.take(PIXELS.limit):
        reader.start()
        assert not done.wait(0.2), "decoded while nothing was left"
    assert done.wait(20)
    reader.join()


def test_scans_times_pixels_are_bounded() -> None:
    stream = io.BytesIO()
    draw("bar", side=256).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    frame = data.index(b"\xff\xc2")
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    many = data[: starts[1]] + data[starts[1] : starts[2]] * 60 + data[starts[2] :]
    decode(many)  # 60 scans of a small picture are no reason to refuse it
    large = many[: frame + 5] + struct.pack(">HH", 5_000, 5_000) + many[frame + 9 :]
    container = inspect(large)
    assert container is not None and container.scans > 60
    with pytest.raises(ImageRefused, match="too many parts"):
        decode(large)


@pytest.mark.parametrize(("fault", "said"), [(MemoryError(), "not enough memory"), (RuntimeError("x"), "RuntimeError")])
def test_a_fault_of_the_decoder_is_not_called_damage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception, said: str
) -> None:
    def trip(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("core.ground.images._decoded", trip)
    with caplog.at_level(logging.ERROR), pytest.raises(ImageRefused) as refusal:
        decode(png_bytes(draw("bar")), name="mine.png")
    assert said in str(refusal.value) and "damaged" not in str(refusal.value)
    assert isinstance(fault, MemoryError) or "unexpected" in caplog.text
    assert PIXELS._used == 0


def _note(budget: Budget, amount: int, order: list[int], number: int) -> None:
    with budget.take(amount):
        order.append(number)


def test_processes_that_share_a_lock_do_not_hold_what_is_large_at_once(tmp_path: Path) -> None:
    """A child holds it; it is killed, and the lock ends with it."""
    path = tmp_path / "cache" / "pixels.lock"
    code = (
        "import sys, time; from pathlib import Path; from core.ground.budget import Budget\n"
        "budget = Budget(100); budget.share(Path(sys.argv[1]), above=10)\n"
        "with budget.take(50):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        budget, got = Budget(100), threading.Event()
        budget.share(path, above=10)
        with budget.take(10):  # what is small waits for nobody
            pass

        def take() -> None:
            with budget.take(11):
                got.set()

        waiting = threading.Thread(target=take)
        waiting.start()
        assert not got.wait(0.3), "both held it"
        child.kill()
        assert got.wait(30)
        waiting.join()


def test_a_job_lets_another_have_its_turn(tmp_path: Path) -> None:
    """A job that works on one large picture after another does not keep the next one waiting until its last."""
    path = tmp_path / "pixels.lock"
    code = (
        "import sys, time; from pathlib import Path; from core.ground.budget import Budget\n"
        "budget = Budget(100); budget.share(Path(sys.argv[1]), above=10)\n"
        "print('begun', flush=True)\nwhile True:\n    with budget.take(50):\n        time.sleep(0.3)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "begun\n"
        budget, got = Budget(100), threading.Event()
        budget.share(path, above=10)

        def take() -> None:
            for _ in range(3):
                with budget.take(50):
                    pass
            got.set()

        waiting = threading.Thread(target=take, daemon=True)
        waiting.start()
        assert got.wait(60), "it never had its turn"
        child.kill()


def test_where_no_lock_can_be_made_each_process_is_on_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    budget = Budget(100)
    budget.share(tmp_path / "file" / "pixels.lock", above=10)
    with budget.take(50):
        pass
    assert budget._used == 0


def test_an_upload_keeps_its_room_until_nothing_of_the_whole_picture_is_left(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks at a picture after it was decoded does so within the room: else the pictures of all threads add up."""
    from core.collection.dataset import Dataset
    from core.intake import landing
    from core.intake.ingest import IncomingFile, import_files

    held: list[int] = []
    for name in ("facts_of", "stored_form"):
        real = getattr(landing, name)
        monkeypatch.setattr(landing, name, lambda *a, real=real: held.append(PIXELS._used) or real(*a))
    look = landing.sameness.look
    monkeypatch.setattr(landing.sameness, "look", lambda image: held.append(PIXELS._used) or look(image))
    files = [IncomingFile(f"{k}.png", png_bytes(draw("bar", side=40 + k))) for k in range(3)]
    assert [one.outcome for one in import_files(Dataset(workspace), files)] == ["added"] * 3
    assert len(held) >= 9 and all(held) and PIXELS._used == 0


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_what_a_large_picture_was_in_is_given_back_to_the_system(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new("RGB", (5000, 5000), (200, 190, 180)).save(path, compression="tiff_adobe_deflate")
    script = f"""
from pathlib import Path
from core.ground.budget import give_back
from core.ground.images import decode, thumbnail
give_back()
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
thumbnail(decode(Path({str(path)!r}), within=64))
before = held()
for _ in range(3):
    image = decode(Path({str(path)!r}))
    most = held()
    thumbnail(image)
    del image
print(most - before, held() - before)
"""
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    most, after = (int(number) / 1e6 for number in said.split())
    assert most > 90, "the picture was never whole in memory: nothing is shown by this"
    assert after < 20, f"{after:.0f} MB stayed with the process"
