"""Arrays on disk: read as they were written, and one error for every kind of damage."""

from __future__ import annotations

import numpy as np
import pytest

from core.ground.arrays import read_arrays


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, numbers=np.arange(1000.0), names=np.array(["(e", "étoile"]))
    return path


def test_read_as_written(saved):
    held = read_arrays(saved)
    assert held.keys() == {"numbers", "names"}
    assert (held["numbers"] == np.arange(1000)).all() and held["names"].tolist() == ["(e", "étoile"]


def test_every_cut_is_damage(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            read_arrays(saved)


def test_objects_are_not_run(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, these=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")
