"""`core.embedding.card`: a saved model is read only when every byte of it is what was saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from core.embedding.card import ModelCard, read_sealed, seal
from core.ground.config import Preprocessing
from core.ground.errors import ModelRefused

CARD = ModelCard("tf_efficientnet_lite0", 64, 4, 4, Preprocessing("crop", 96), ("(e", "étoile", '"sha256":"', "nan"))


def sealed(card: ModelCard = CARD) -> bytes:
    return seal(save({"w": np.arange(12, dtype=np.float32)}, metadata=card.header()))


def test_a_card_comes_back_as_it_was(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(sealed())
    card, content = read_sealed(path)
    assert card == CARD
    assert load(content)["w"].tolist() == list(range(12))


def test_any_changed_byte_is_refused(tmp_path):
    """Every byte of the file in turn, header and numbers alike."""
    path, content = tmp_path / "model.safetensors", sealed()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        with pytest.raises(ModelRefused):
            read_sealed(path)


def test_any_cut_is_refused(tmp_path):
    path, content = tmp_path / "model.safetensors", sealed()
    for length in (*range(0, len(content), 37), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ModelRefused):
            read_sealed(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ModelRefused):
        read_sealed(path)


def test_a_file_without_a_card_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    for metadata in (None, {"card": "{}"}, {"card": "{}", "sha256": "short"}, {"sha256": "0" * 64}):
        path.write_bytes(save({"w": np.zeros(3, np.float32)}, metadata=metadata))
        with pytest.raises(ModelRefused, match="not saved by Burin"):
            read_sealed(path)
    with pytest.raises(ModelRefused, match="cannot be read"):
        read_sealed(tmp_path / "none.safetensors")


def test_an_endless_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + b"{" * 100)
    with pytest.raises(ModelRefused):
        read_sealed(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "../../etc/passwd"}, "not an architecture"),
        ({"architecture": "resnet50"}, "not an architecture"),
        ({"embedding_size": 10**9}, "embedding size"),
        ({"embedding_size": "256"}, "embedding size"),
        ({"embedding_size": True}, "embedding size"),
        ({"stage": 7}, "stage"),
        ({"grid": 0}, "grid"),
        ({"classes": ["a", 1]}, "classes"),
        ({"classes": ["a", ""]}, "classes"),
        ({"preprocessing": {"mode": "magic", "size": 128}}, "mode"),
        ({"classes": ["x" * 5_000_000]}, "classes"),
        ({"preprocessing": {"mode": "crop", "size": 100_000}}, "size"),
        ({"preprocessing": {"mode": "crop", "size": 96.0}}, "size"),
        ({"preprocessing": None}, "no readable card"),
        ({"format": 2}, "newer Burin"),
        ({"unheard": 1}, "no readable card"),
    ],
)
def test_a_card_outside_its_rules_is_refused(tmp_path, change, message):
    """Sealed properly, so that only the values are wrong."""
    path = tmp_path / "model.safetensors"
    header = {**CARD.header(), "card": json.dumps({**CARD.to_json(), **change})}
    path.write_bytes(seal(save({"w": np.zeros(3, np.float32)}, metadata=header)))
    with pytest.raises(ModelRefused, match=message):
        read_sealed(path)
