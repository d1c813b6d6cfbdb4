"""Policies: checked when made, the same after JSON, saved and found."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ground.errors import ConfigRefused, NotFound
from core.variation import policies
from core.variation.policies import PRESETS, Policy, Step
from core.variation.transforms import TRANSFORMS


@st.composite
def steps(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from(sorted(TRANSFORMS)))
    ranges = {}
    for p in TRANSFORMS[name].parameters:
        values = st.integers(int(p.minimum), int(p.maximum)) if p.whole else st.floats(p.minimum, p.maximum)
        ranges[p.name] = tuple(sorted((draw(values), draw(values))))
    return Step(name, draw(st.floats(0, 1)), ranges)


@given(st.lists(steps(), max_size=6), st.text(min_size=1, max_size=80).filter(str.strip))
def test_a_policy_is_the_same_after_a_round_trip(made, name):
    policy = Policy("mine", name, tuple(made))
    again = Policy.from_bytes(policy.to_bytes())
    assert again == policy and again.digest == policy.digest and again.to_bytes() == policy.to_bytes()


@pytest.mark.parametrize("policy", PRESETS.values(), ids=lambda p: p.id)
def test_the_presets_are_whole_and_leave_orientation_alone(policy):
    assert Policy.from_bytes(policy.to_bytes()) == policy and policy.preset
    assert not [step for step in policy.steps if step.entry.group == "orientation"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Step("{s}"), ["{s}"]),
        (lambda: Step("rotate", 1.5), ["rotate", "1.5"]),
        (lambda: Step("rotate", float("nan")), ["nan"]),
        (lambda: Step("rotate", True), ["True"]),
        (lambda: Step("rotate", 1, {"anglo": (0, 1)}), ["anglo"]),
        (lambda: Step("rotate", 1, {"angle": (-200, 0)}), ["-180", "180", "-200"]),
        (lambda: Step("rotate", 1, {"angle": (5, -5)}), ["angle", "(5, -5)"]),
        (lambda: Step("quarter_turn", 1, {"turns": (1, 1.5)}), ["turns"]),
        (lambda: Policy("../x", "name"), ["../x"]),
        (lambda: Policy("x", " "), ["80"]),
        (lambda: Policy("x", "x", (Step("blur"),) * 41), ["40", "41"]),
    ],
)
def test_what_is_outside_its_rule_is_refused_with_rule_and_value(make, words):
    with pytest.raises(ConfigRefused) as refused:
        make()
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff", b"[" * 100_000,
     b'{"format": 1, "id": "x", "name": "x", "steps": [{"transform": "rotate"}]}',
     b'{"format": 1, "id": "x", "name": "x", "steps": [{"transform": "rotate", "probability": 1, "ranges": 5}]}'],
)  # fmt: skip
def test_a_file_that_is_no_policy_is_refused(data):
    with pytest.raises(ConfigRefused):
        Policy.from_bytes(data)


def test_a_newer_format_is_said_to_be_one():
    record = PRESETS["hand-drawn"].to_json() | {"format": 2}
    with pytest.raises(ConfigRefused, match="newer"):
        Policy.from_bytes(json.dumps(record).encode())


def test_the_digest_follows_the_steps_and_not_the_name():
    policy = PRESETS["hand-drawn"]
    assert policies.copied(policy, "other").digest == policy.digest
    assert policy.without({"elastic"}).digest != policy.digest
    assert "elastic" not in {step.transform for step in policy.without({"elastic"}).steps}


def test_saving_finding_and_deleting(workspace):
    mine = policies.copied(PRESETS["phone-photo"], "étoile {s}")
    policies.save(workspace, mine)
    assert policies.find(workspace, mine.id) == policies.find(workspace, "étoile {s}") == mine
    assert [p.id for p in policies.policies(workspace)] == [*PRESETS, mine.id]
    (workspace.data / "policies" / "broken.json").write_text("{")
    assert len(policies.policies(workspace)) == len(PRESETS) + 1
    policies.delete(workspace, mine.id)
    with pytest.raises(NotFound, match="hand-drawn"):
        policies.find(workspace, mine.id)
    for name in (mine.id, "../workspace"):
        with pytest.raises(NotFound):
            policies.delete(workspace, name)


def test_a_preset_is_copied_and_never_overwritten(workspace):
    with pytest.raises(ConfigRefused, match="copy"):
        policies.save(workspace, PRESETS["hand-drawn"])
