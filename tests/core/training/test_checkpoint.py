"""`core.training.checkpoint`: comes back as it was; a damaged or foreign file is refused, never read less strictly."""

from __future__ import annotations

import pickle

import pytest
import torch

from core.ground.errors import ModelRefused
from core.training import checkpoint


def test_a_state_comes_back(tmp_path):
    state = {"epoch": 3, "net": {"w": torch.arange(4.0)}, "best": [1, 0.5], "random": {"cpu": torch.get_rng_state()}}
    checkpoint.save(tmp_path / "resume.pt", state)
    loaded = checkpoint.load(tmp_path / "resume.pt")
    assert loaded["epoch"] == 3 and loaded["best"] == [1, 0.5]
    assert torch.equal(loaded["net"]["w"], torch.arange(4.0))
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pt"]


def test_damage_is_refused(tmp_path):
    path = tmp_path / "resume.pt"
    checkpoint.save(path, {"net": {"w": torch.arange(1000.0)}})
    content = path.read_bytes()
    for at in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            loaded = checkpoint.load(path)
        except ModelRefused:
            continue
        assert torch.equal(loaded["net"]["w"], torch.arange(1000.0))  # a byte that holds nothing
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelRefused, match="damaged"):
        checkpoint.load(path)
    with pytest.raises(ModelRefused, match="cannot be read"):
        checkpoint.load(tmp_path / "none.pt")


class _Runs:
    def __reduce__(self):
        return (print, ("run",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    path = tmp_path / "resume.pt"
    path.write_bytes(pickle.dumps(_Runs()))
    with pytest.raises(ModelRefused):
        checkpoint.load(path)
    torch.save({"format": 1, "x": _Runs()}, path)
    with pytest.raises(ModelRefused):
        checkpoint.load(path)
    torch.save({"format": 99}, path)
    with pytest.raises(ModelRefused, match="no checkpoint of this Burin"):
        checkpoint.load(path)
    assert capsys.readouterr().out == ""
