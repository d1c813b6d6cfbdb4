"""The checkpoint that a training goes on from: written whole or not at all, read without running code.

What is in it is the trainer's; this only takes care that a kill at any moment leaves a file that can be read.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from core.embedding.weights import MAX_BYTES
from core.ground.errors import ModelRefused
from core.ground.workspace import write_atomic

FORMAT = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """``state``: plain values and tensors, nested in dicts and lists."""
    import torch

    content = io.BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    write_atomic(path, content.getvalue())


def load(path: Path) -> dict[str, Any]:
    """The state that `save` wrote, on the CPU. Raises `ModelRefused` for anything damaged or foreign."""
    import torch

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelRefused("{name} is larger than {limit} MB.", name=path.name, limit=MAX_BYTES // 1_000_000)
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ModelRefused("{name} is damaged: a checksum in it is wrong.", name=path.name)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except ModelRefused:
        raise
    except OSError as error:
        raise ModelRefused("{name} cannot be read.", name=path.name) from error
    except Exception as error:  # whatever a reader trips over in a damaged file
        raise ModelRefused("{name} is damaged, or not a model file that Burin reads.", name=path.name) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ModelRefused("{name} is no checkpoint of this Burin.", name=path.name)
    return state
