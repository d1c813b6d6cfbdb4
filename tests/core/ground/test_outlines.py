"""The points of a mark's strokes: where they lie, which way they run, and what is stored of them."""

import numpy as np

from core.ground.outlines import POINTS, outline_of, pack, unpack


def square(side: int = 96) -> np.ndarray:
    return np.full((side, side, 3), 255, np.uint8)


def test_the_points_lie_on_the_stroke_and_know_its_direction() -> None:
    seen = square()
    seen[47:50, 10:86] = 0  # a level bar
    outline = outline_of(seen)
    assert outline.shape == (POINTS, 3) and outline.dtype == np.uint8
    assert set(outline[:, 1].tolist()) == {48}
    assert np.ptp(outline[:, 0]) >= 70  # from end to end
    assert set(outline[:, 2].tolist()) == {0}  # along x
    upright = outline_of(seen.transpose(1, 0, 2))
    assert set(upright[:, 2].tolist()) == {128}  # half a circle of doubled angle away
    assert set(upright[:, 0].tolist()) == {48}


def test_a_dot_still_gives_as_many_points_and_a_blank_none() -> None:
    seen = square()
    seen[40:43, 40:43] = 0
    assert len(outline_of(seen)) == POINTS
    assert len(outline_of(square())) == 0


def test_a_scribble_is_covered_to_its_edges() -> None:
    seen = square()
    seen[4:92:6] = 0
    outline = outline_of(seen)
    assert np.ptp(outline[:, 0]) > 85 and np.ptp(outline[:, 1]) > 75


def test_of_two_pictures_beside_each_other_the_left_one_is_outlined() -> None:
    seen, busy = square(), square()
    seen[47:50, 10:86] = 0
    busy[::5] = 0
    assert np.array_equal(outline_of(np.concatenate([seen, busy], axis=1)), outline_of(seen))


def test_what_was_packed_is_unpacked_and_nothing_else() -> None:
    seen = square()
    seen[20:80, 30:33] = 0
    outline = outline_of(seen)
    assert (unpack(pack(outline)) == outline).all()
    assert not unpack(b"").any() and not unpack(b"too short").any()
    assert pack(outline_of(square())) == b""
