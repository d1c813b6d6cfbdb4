"""Thresholds from leave-one-out: by hand on a plane, and on clusters whose unknowns are drawn afresh."""

import numpy as np
import pytest

from core.embedding.gallery import Gallery
from core.recognition.calibrate import UNCALIBRATED, Calibration, calibrate, leave_one_out, score
from core.recognition.ranking import ClassAnswer


def clusters(seed: int, classes: int, each: int, spread: float, dimension: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """``classes`` random directions with ``each`` noisy unit vectors around them: vectors, class ids."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimension))
    vectors = np.repeat(centres, each, axis=0) + spread * rng.normal(size=(classes * each, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.repeat(np.arange(classes), each)


def gallery(vectors: np.ndarray, class_ids: np.ndarray) -> Gallery:
    count = len(vectors)
    return Gallery(1, "test", np.arange(count), np.asarray(class_ids), np.array(["drawing"] * count), vectors)


def answer(best: list[tuple[float, int]]) -> list[ClassAnswer]:
    """The classes of an answer from their (similarity, class id), best first."""
    return [ClassAnswer(class_id, float(similarity), 0.0, 0) for similarity, class_id in best]


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_trials_by_hand():
    # class 0 at 0 and 10 degrees, class 1 at 90 (one original), class 2 at 180 and 200
    trials = leave_one_out(gallery(unit(0, 10, 90, 180, 200), [0, 0, 1, 2, 2]), k=3, rng=np.random.default_rng(0))
    cos = lambda degrees: np.cos(np.radians(degrees))  # noqa: E731
    # in the base: the single original of class 1 is not asked
    assert trials.in_base_right.tolist() == [True, True, True, True]
    assert trials.in_base_margin[0] == pytest.approx(cos(10) - cos(90), abs=1e-6)
    # without it, no class but 2 has a pair: the cohesion of class 0 is then the typical one
    assert trials.typical == pytest.approx((2 * cos(10) + 2 * cos(20)) / 4, abs=1e-6)
    assert trials.in_base_score[0] == pytest.approx(score(cos(10), cos(10) - cos(90), trials.typical), abs=1e-6)
    # outside: 0 degrees without its class finds class 1 at 90, then class 2 at 160
    assert trials.outside_groups.tolist() == [0, 0, 1, 2, 2]
    assert trials.outside_score[0] == pytest.approx(score(cos(90), cos(90) - cos(160), trials.typical), abs=1e-6)


def test_a_near_copy_of_a_reference_does_not_answer_for_it():
    vectors = unit(0, 0.5, 90, 180)  # cos(0.5 degrees) = 0.99996: one original, kept twice
    trials = leave_one_out(gallery(vectors, [0, 0, 1, 2]), k=3, rng=np.random.default_rng(0))
    assert len(trials.in_base_score) == 0


def test_marks_from_outside_are_called_certain_at_about_the_target():
    vectors, class_ids = clusters(3, classes=90, each=8, spread=0.35)
    known, unknown = class_ids < 60, class_ids >= 60
    base = gallery(vectors[known], class_ids[known])
    calibration = calibrate(base, false_accept_rate=0.05)
    assert (calibration.outside, calibration.in_base) == (480, 480)
    assert calibration.false_accepts <= 0.05

    def verdicts(rows: np.ndarray) -> list[str]:
        answers = []
        for similarities in vectors[rows] @ base.vectors.T:
            best = sorted(((similarities[base.class_ids == c].max(), c) for c in range(60)), reverse=True)
            answers.append(calibration.verdict(answer(best[:5])))
        return answers

    outside = verdicts(unknown)
    assert outside.count("certain") / len(outside) <= 0.10  # 240 marks of 30 classes: the target and its error
    assert outside.count("unknown") / len(outside) >= 0.70
    assert calibration.certain > 0.6
    assert calibration.wrong <= 0.01


def test_a_smaller_target_is_stricter():
    base = gallery(*clusters(5, classes=40, each=6, spread=0.5))
    strict, loose = calibrate(base, false_accept_rate=0.01), calibrate(base, false_accept_rate=0.2)
    assert strict.certain_at > loose.certain_at
    assert strict.certain < loose.certain


def test_classes_of_one_original_can_be_calibrated_from_outside_only():
    calibration = calibrate(gallery(*clusters(1, classes=30, each=1, spread=0)))
    assert (calibration.in_base, calibration.outside) == (0, 30)
    assert calibration.unknown_below <= calibration.certain_at


def test_nothing_is_certain_without_two_classes():
    one = calibrate(gallery(unit(0, 5), [0, 0]))
    assert one == UNCALIBRATED
    assert one.verdict(answer([(1.0, 0)])) == "hesitates"
    assert calibrate(gallery(np.empty((0, 2), np.float32), [])) == UNCALIBRATED


def test_the_three_verdicts():
    calibration = Calibration(
        certain_at=0.19, margin=0.1, unknown_below=0.0, target=0.05, typical=0.8, cohesion={7: 0.5}
    )
    # similarity + margin / 4 - cohesion, by hand
    assert calibration.verdict(answer([(0.9, 1), (0.5, 2)])) == "certain"  # 0.9 + 0.1 - 0.8 = 0.2
    assert calibration.verdict(answer([(0.98, 1), (0.9, 2)])) == "hesitates"  # 0.2 too, but too little margin
    assert calibration.verdict(answer([(0.8, 1), (0.7, 2)])) == "hesitates"  # 0.025
    assert calibration.verdict(answer([(0.7, 1), (0.6, 2)])) == "unknown"  # -0.075
    assert calibration.verdict(answer([(0.7, 7), (0.5, 2)])) == "certain"  # 0.25: members of class 7 differ more
    assert calibration.verdict([]) == "unknown"
