"""What a saved model is: its card, kept in the header of the .safetensors file that it describes.

One file, so that card and tensors cannot come apart, and one digest over every byte of it.
Reads and checks a file without torch; the tensors are `core.embedding.model`'s.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from core.embedding.weights import ARCHITECTURES, MAX_BYTES
from core.ground.config import Preprocessing
from core.ground.errors import BurinError, ModelRefused

MAX_HEADER_BYTES = 16_000_000
MAX_CLASSES = 100_000
MAX_NAME = 300  # characters in the name of a class
NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class ModelCard:
    """How to rebuild a network and feed it.

    ``architecture``: a key of `ARCHITECTURES`; ``stage``: the last block of the trunk that is
    kept (None: the whole trunk); ``grid``: its features are averaged on grid x grid cells;
    ``embedding_size``: dimension of the embedding, None for the features themselves;
    ``preprocessing``: what it was trained to see; ``classes``: the names it was trained on;
    ``comparison``: of a siamese network, (scale, threshold) of its logit scale x (cosine - threshold).
    Raises `ModelRefused` when a value is outside its rule.
    """

    architecture: str
    embedding_size: int | None = 256
    stage: int | None = None
    grid: int = 1
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    classes: tuple[str, ...] = ()
    comparison: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ModelRefused(
                "{architecture} is not an architecture that Burin builds.", architecture=self.architecture
            )
        if self.embedding_size is not None and not _whole(self.embedding_size, 2, 4096):
            raise ModelRefused("The embedding size must be from 2 to 4096, not {value}.", value=self.embedding_size)
        if self.stage is not None and not _whole(self.stage, 0, 6):
            raise ModelRefused("The stage must be from 0 to 6, not {value}.", value=self.stage)
        if not _whole(self.grid, 1, 8):
            raise ModelRefused("The grid must be from 1 to 8, not {value}.", value=self.grid)
        if len(self.classes) > MAX_CLASSES or not all(_is_name(name) for name in self.classes):
            raise ModelRefused("The list of classes is not a list of names.")
        if self.comparison is not None and not _two_numbers(self.comparison):
            raise ModelRefused("The comparison of a siamese network is two numbers.")

    def to_json(self) -> dict[str, Any]:
        record = {"format": 1, **asdict(self), "classes": list(self.classes)}
        if self.comparison is None:
            del record["comparison"]  # so that the card of any other network is as it always was
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Raises `ModelRefused` on anything that is not a card, or is one from a newer Burin."""
        try:
            values = dict(record)
            if values.pop("format") != 1:
                raise ModelRefused("The model was saved by a newer Burin.")
            values["preprocessing"] = Preprocessing(**values["preprocessing"])
            values["classes"] = tuple(values["classes"])
            if values.get("comparison") is not None:
                values["comparison"] = tuple(values["comparison"])
            return cls(**values)
        except ModelRefused:
            raise
        except BurinError as error:
            raise ModelRefused(error.template, **error.values) from error
        except (KeyError, TypeError, ValueError) as error:
            raise ModelRefused("The model has no readable card.") from error

    def header(self) -> dict[str, str]:
        """The metadata to save with the tensors; `seal` fills in the digest."""
        return {"card": json.dumps(self.to_json(), ensure_ascii=False), "sha256": NO_DIGEST}


def seal(content: bytes) -> bytes:
    """``content``, a .safetensors file made with `ModelCard.header`, with its digest written into it."""
    at = _digest_at(content)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + 64 :]


def read_sealed(path: Path) -> tuple[ModelCard, bytes]:
    """The card and the whole content of a saved model, its digest checked.

    Raises `ModelRefused` when a single byte differs from what was saved, or no card is there.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelRefused("{name} is larger than {limit} MB.", name=path.name, limit=MAX_BYTES // 1_000_000)
        content = path.read_bytes()
    except OSError as error:
        raise ModelRefused("{name} cannot be read.", name=path.name) from error
    try:
        at = _digest_at(content)
        card = json.loads(_header(content)["__metadata__"]["card"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelRefused("{name} is damaged, or was not saved by Burin.", name=path.name) from error
    unsealed = content[:at] + NO_DIGEST.encode() + content[at + 64 :]
    if hashlib.sha256(unsealed).hexdigest().encode() != content[at : at + 64]:
        raise ModelRefused("{name} is damaged: it is not what was saved.", name=path.name)
    return ModelCard.from_json(card), content


def _header(content: bytes) -> dict[str, Any]:
    """The JSON header: https://huggingface.co/docs/safetensors (8 bytes of length, then the header)."""
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise ValueError("no header")
    return json.loads(content[8 : 8 + length])


def _digest_at(content: bytes) -> int:
    """Where the 64 hex digits of the digest stand; `ValueError` when there are none."""
    digest = _header(content)["__metadata__"]["sha256"]
    if not (isinstance(digest, str) and len(digest) == 64):
        raise ValueError("no digest")
    return content.index(f'"sha256":"{digest}"'.encode()) + len('"sha256":"')


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _two_numbers(value: tuple[float, ...]) -> bool:
    return len(value) == 2 and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
