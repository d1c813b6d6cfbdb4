"""Thresholds from leave-one-out: by hand on a plane, and on clusters whose unknowns are drawn afresh."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.embedding.embedder import load_embedder
from core.embedding.gallery import Gallery
from core.ground.workspace import Workspace
from core.recognition import evidence
from core.recognition.calibrate import FOLDS, UNCALIBRATED, Calibration, calibrate
from core.recognition.cohesion import USUAL
from core.recognition.evidence import ALONE, HELD, at_sight, moved, shipped
from core.recognition.ranking import ClassAnswer
from core.recognition.trials import OfClasses, Trials, leave_one_out


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


def trials(vectors: np.ndarray, class_ids: list[int]) -> tuple[Trials, Trials, OfClasses]:
    return leave_one_out(gallery(vectors, class_ids), k=3, rng=np.random.default_rng(0))


def test_trials_by_hand():
    # class 0 at 0 and 10 degrees, class 1 at 90 (one original), class 2 at 180 and 200
    inside, outside, of_class = trials(unit(0, 10, 90, 180, 200), [0, 0, 1, 2, 2])
    cos = lambda degrees: np.cos(np.radians(degrees))  # noqa: E731
    # in the base: the single original of class 1 is not asked
    assert inside.own.tolist() == [0, 0, 2, 2] and inside.right.all()
    assert inside.similarities[0].tolist() == pytest.approx([cos(10), cos(90), cos(160)], abs=1e-6)
    # without it, no class but 2 has a pair: the cohesion of class 0 is then the typical one
    usual = USUAL * shipped().cohesion
    typical = of_class.typical
    assert typical == pytest.approx((2 * cos(10) + 2 * cos(20) + usual) / (4 + USUAL), abs=1e-6)
    assert inside.cohesion[0] == pytest.approx(typical, abs=1e-6)
    # the second is far; the twin of class 0 without the reference that is asked is class 1, 80 degrees from the other
    features = at_sight(np.array(cos(10)), np.array(cos(10) - ALONE), np.array(typical), np.array(cos(80)))
    assert inside.before[0, 0] == pytest.approx(float(shipped().before(features)), abs=1e-4)
    # outside: 0 degrees without its class finds class 1 at 90, then class 2 at 160
    assert outside.own.tolist() == [0, 0, 1, 2, 2]
    assert outside.classes[0].tolist() == [1, 2, -1]
    assert outside.references[0].tolist() in ([2, 3, -1], [2, 4, -1])  # both are 160 degrees away
    # the twin of class 1, asked without class 0, is then class 2; of class 0, whose other reference is asked, class 1
    assert outside.twins[0, 0] == pytest.approx(cos(90), abs=1e-6)
    assert inside.twins[0, 0] == pytest.approx(cos(80), abs=1e-6)
    assert of_class.twins == pytest.approx([(cos(90) + cos(80)) / 2, cos(80), (cos(90) + cos(110)) / 2], abs=1e-6)
    # every class counts the same, whatever it has of references
    assert outside.weight.tolist() == [0.5, 0.5, 1, 0.5, 0.5]


def test_a_near_copy_of_a_reference_does_not_answer_for_it():
    vectors = unit(0, 0.5, 90, 180)  # cos(0.5 degrees) = 0.99996: one original, kept twice
    assert len(trials(vectors, [0, 0, 1, 2])[0]) == 0


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


def test_of_one_class_what_was_learnt_from_line_art_decides():
    one = calibrate(gallery(unit(0, 5), [0, 0]))
    assert (one.outside, one.independent) == (0, 0)
    assert one.verdict(answer([(0.95, 0)])) == "certain"
    for by_chance in (0.01, 0.1, 0.2, 0.3):  # what any two marks are alike
        assert one.verdict(answer([(by_chance, 0)])) != "certain"
    assert calibrate(gallery(np.empty((0, 2), np.float32), [])) == UNCALIBRATED
    assert UNCALIBRATED.verdict([]) == "unknown"


@pytest.mark.parametrize("classes", [1, 2, 3, 5, 10, 40, 300])
def test_a_similarity_of_nothing_is_never_certain(classes: int):
    vectors, class_ids = clusters(7, classes=classes, each=2, spread=0.1)
    base = calibrate(gallery(vectors, class_ids))
    for similarity in (-0.2, 0.01, 0.1, 0.2):
        assert base.verdict(answer([(similarity, 0), (similarity - 1.5, 1)])) != "certain"


def test_more_references_ask_for_more_likeness_and_ones_own_classes_move_it():
    law = [shipped().of_size(classes, 1) for classes in (1, 3, 10, 40)]
    highest = [np.quantile(foreign[:, 0], 0.95) for foreign, _, _ in law]
    assert highest == sorted(highest)
    assert all(weight.sum() == pytest.approx(1) for _, _, weight in law)
    # classes that all look alike: foreign marks of their kind are more alike than line art is, and more is asked
    apart, _ = clusters(3, classes=60, each=1, spread=0.0, dimension=256)
    alike = apart + 3 * apart.mean(axis=0, keepdims=True) / np.linalg.norm(apart.mean(axis=0))
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    numbers = np.arange(60)
    asked, usual = (calibrate(gallery(v.astype(np.float32), numbers)).alone_at for v in (alike, apart))
    assert asked > usual + 1


def test_line_art_speaks_most_in_the_space_that_it_was_asked_in(workspace: Workspace):
    assert shipped().space == load_embedder(workspace).space  # else `benchmarks/prior.py` is to be run again
    # classes that are less alike than line art is: at home what line art reached is asked for all the same
    apart, _ = clusters(3, classes=40, each=1, spread=0.0, dimension=256)
    elsewhere = gallery(apart, np.arange(40))
    home = replace(elsewhere, space=shipped().space)
    assert calibrate(home).alone_at > calibrate(elsewhere).alone_at + 0.5


def test_weights_move_from_line_art_as_far_as_trials_say():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(4000, 2)) * (1, 3)
    right = rng.random(4000) < 1 / (1 + np.exp(-(0.5 + 2 * features[:, 0])))
    start = np.array([0.0, 0.0, 1.0])
    few = moved(start, features[:40], right[:40], np.full(40, 0.01))
    many = moved(start, features, right, np.ones(4000))
    assert few == pytest.approx(start, abs=0.1)
    assert many == pytest.approx([0.5, 2, 0], abs=0.2)  # what made them
    assert moved(start, -features, right, np.ones(4000))[1] == 0  # likeness never speaks against a name
    # of the likeliest the slope is zero: what the trials still ask for is what line art holds against it
    given, spread = np.column_stack([np.ones(4000), features]), np.array([1, *features.std(axis=0)])
    asked = given.T @ (right - 1 / (1 + np.exp(-given @ many)))
    assert asked == pytest.approx(HELD * spread**2 * (many - start), abs=0.2)
    assert moved(start, features[:9], np.ones(9, bool), np.ones(9)) is start  # nothing to tell apart
    assert moved(start, features[:0], np.ones(0, bool), np.ones(0)) is start


def test_what_tells_marks_apart_in_this_base_counts_more_in_it():
    # classes in pairs that are much alike, as left and right hands are: a foreign mark is far from all but one, so that
    # what is alone with its likeness is no surer for it than what has a twin beside it
    rng = np.random.default_rng(4)
    centres = np.repeat(rng.normal(size=(30, 64)), 2, axis=0) + 0.45 * rng.normal(size=(60, 64))
    vectors = np.repeat(centres, 6, axis=0) + 0.25 * rng.normal(size=(360, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    class_ids = np.repeat(np.arange(60), 6)
    many, few = (calibrate(gallery(vectors[: 6 * n], class_ids[: 6 * n])) for n in (60, 2))
    torn, clear = answer([(0.9, 0), (0.88, 1)]), answer([(0.9, 0), (0.6, 1)])

    def margin_says(base: Calibration) -> float:
        return base.score(clear) - base.score(torn)

    by_line_art = margin_says(replace(many, sight=()))
    assert 0 <= margin_says(many) < 0.5 * by_line_art  # but never the less it stands out
    assert margin_says(few) > 0.5 * by_line_art  # two classes say little
    assert many.strokes == tuple(shipped().strokes)  # none were compared
    assert many.false_accepts <= 0.05
    # its drawings say nothing of photographs: those are asked as line art says
    assert many.photographed is not None
    assert margin_says(many.photographed) == pytest.approx(by_line_art)
    assert many.photographed.sight == tuple(shipped().sight)


def test_a_class_is_asked_with_weights_that_it_did_not_move(monkeypatch: pytest.MonkeyPatch):
    vectors, class_ids = clusters(5, classes=25, each=3, spread=0.5)
    seen: list[int] = []
    monkeypatch.setattr(evidence, "moved", lambda w, features, right, counts: (seen.append(len(features)), w)[1])
    calibrate(gallery(vectors, class_ids))
    inside, outside, _ = trials(vectors, class_ids.tolist())
    whole = len(inside) + len(outside)
    assert seen[FOLDS] == whole  # what answers are scored with: all of them
    left_out = [whole - count for count in seen[:FOLDS]]
    assert sum(left_out) == whole and max(left_out) <= 3 * 6  # of three classes at most


def test_an_answer_is_certain_at_sight_or_once_its_strokes_were_compared():
    near, between, far = ([(s, 1), (s - 0.3, 2)] for s in (0.99, 0.62, 0.0))
    calibration = Calibration(0.0, 0.0, 99.0, -99.0, 99.0, target=0.05, typical=0.8)
    at = calibration.score(answer(between))
    calibration = replace(calibration, doubt_from=at - 1, alone_at=at + 0.5, clear_at=at + 1)
    assert calibration.verdict(answer(near)) == "certain" and not calibration.in_doubt(answer(near))
    assert calibration.in_doubt(answer(between)) and calibration.verdict(answer(between)) == "hesitates"
    assert calibration.verdict(answer(far)) == "unknown" and not calibration.in_doubt(answer(far))
    other = (0.3, 0.3, 0.2, 1.2)
    fits, fails = (
        [replace(one, strokes=strokes) for one, strokes in zip(answer(between), (mine, other), strict=True)]
        for mine in ((0.02, 0.02, 0.02, 0.1), (0.4, 0.4, 0.3, 1.6))
    )
    good, bad = calibration.score(fits), calibration.score(fails)
    assert good > bad + 1
    calibration = replace(calibration, certain_at=(good + bad) / 2, unknown_below=bad + 0.1)
    assert calibration.verdict(fits) == "certain" and calibration.verdict(fails) == "unknown"
    assert replace(calibration, unknown_below=bad - 0.1).verdict(fails) == "hesitates"
    assert replace(calibration, least=0.7).verdict(fits) == "hesitates"


def test_a_mark_between_two_names_is_hesitated_about_and_one_that_is_like_none_is_not_in_the_base():
    calibration = Calibration(0.0, 0.0, 99.0, -99.0, 99.0, target=0.05, typical=0.8)
    alone, torn, far = (answer(best) for best in ([(0.8, 1)], [(0.8, 1), (0.79, 2)], [(0.2, 1), (0.19, 2)]))
    high, low = calibration.score(alone), calibration.score(torn)
    assert high > low
    calibration = replace(calibration, doubt_from=(high + low) / 2, alone_at=(high + low) / 2)
    assert calibration.verdict(alone) == "certain"
    assert calibration.verdict(torn) == "hesitates"
    assert calibration.verdict(far) == "unknown"
    assert replace(calibration, least=0.85).verdict(torn) == "unknown"
    three = answer([(0.8, 1), (0.79, 2), (0.79, 3)])
    assert calibration.verdict(three) == "unknown"  # like much of the base: like nothing of it


def test_a_calibration_of_an_earlier_version_can_still_be_read():
    old = {
        "certain_at": 0.2, "margin": 0.1, "unknown_below": -0.1, "target": 0.05, "typical": 0.8, "cohesion": {"7": 0.5},
        "outside": 9, "in_base": 8, "false_accepts": 0.1, "certain": 0.9, "wrong": 0.0, "rejected": 0.1,
    }  # fmt: skip
    read = Calibration.from_json(old)
    assert (read.certain_at, read.outside, read.rejected, read.cohesion) == (0.2, 9, 0.1, {7: 0.5})
    assert (read.sight, read.strokes) == ((), ())  # scored by line art's weights, as it was
    now = calibrate(gallery(*clusters(5, classes=4, each=3, spread=0.5)))
    assert Calibration.from_json(json.loads(json.dumps(now.to_json()))) == now
