"""The budget: never more than there is, in the order of asking, and no step waits for itself."""

from __future__ import annotations

import io
import logging
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.ground.budget import PIXELS, Budget
from core.ground.containers import inspect
from core.ground.errors import ImageRefused
from core.ground.images import decode
from tests.conftest import draw, png_bytes


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
