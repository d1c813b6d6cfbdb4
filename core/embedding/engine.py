"""The ONNX engine: a network exported once, checked against PyTorch, kept in the workspace's cache.

A cached file carries its own hash in its name, so that a torn or foreign one is never used. What
the vectors mean (space, preprocessing) is `core.embedding.embedder`'s; this module knows tensors only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.ground.workspace import write_atomic

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from core.embedding.model import EmbeddingNet
    from core.embedding.timm_encoder import ForeignNet

GRAPH_VERSION = 1  # of what `export` makes of a network: raise it when that changes
OPSET = 17
TOLERANCE = 1e-4  # of the cosine between the two engines' embeddings
FACTS = "burin"
_ELSEWHERE = b"\n\x08location\x12"  # the entry of a tensor's external data that names a file (onnx.proto3)


class ExportFailed(Exception):
    """The network cannot be exported here, or the exported one answers otherwise."""


def engine_key(facts: Mapping[str, Any]) -> str:
    """A name for the engine of one network at one input size; ``facts`` are JSON values."""
    text = json.dumps({"graph": GRAPH_VERSION, **facts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def find(folder: Path, key: str) -> bytes | None:
    """The cached engine ``key``, or None. A file that is not what its name says is removed."""
    for path in sorted(folder.glob(f"{key}-*.onnx")):
        with suppress(OSError):
            content = path.read_bytes()
            if path.name == _file_name(key, content):
                return content
            path.unlink()
    return None


def keep(folder: Path, key: str, content: bytes) -> Path:
    """Write an engine into the cache, whole or not at all."""
    path = folder / _file_name(key, content)
    write_atomic(path, content)
    return path


def export(
    net: EmbeddingNet | ForeignNet, *, size: int, facts: Mapping[str, Any], described: Mapping[str, str] | None = None
) -> bytes:
    """``net`` as an ONNX model: uint8 (N, size, size, 3) in, float32 (N, D) L2-normalised out.

    ``facts`` are kept in the file, see `facts_of`; ``described``: further entries of its metadata, for other
    programs. Raises `ExportFailed` when there is no
    exporter, or when a probe's embedding differs from PyTorch's by more than `TOLERANCE`.
    """
    try:
        content = _to_onnx(net, size, {**(described or {}), FACTS: json.dumps(dict(facts), ensure_ascii=False)})
        probe = _probe(size)
        given = session(content, threads=1).run(None, {"images": probe})[0]
    except Exception as error:  # the exporter has no error type of its own
        raise ExportFailed(f"{type(error).__name__}: {error}") from error
    expected = _in_torch(net, probe)
    worst = float(np.abs(1 - (given * expected).sum(axis=1)).max())
    if not worst <= TOLERANCE or given.dtype != np.float32:
        raise ExportFailed(f"the exported network differs from PyTorch's by a cosine of {worst:.1e}")
    return content


def session(content: bytes, *, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU. Safe to run from several threads at once. Raises ValueError for a model that
    keeps its numbers in other files, which may be anybody's: none that is made here does."""
    import onnxruntime

    if _ELSEWHERE in content:
        raise ValueError("this model keeps its weights in other files")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning pool answers one image some 10 % sooner on an idle machine and takes a core from
    # everybody else on a busy one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def facts_of(loaded: onnxruntime.InferenceSession) -> dict[str, Any]:
    """The facts given to `export`."""
    return json.loads(loaded.get_modelmeta().custom_metadata_map[FACTS])


def _file_name(key: str, content: bytes) -> str:
    return f"{key}-{hashlib.sha256(content).hexdigest()[:40]}.onnx"


def _to_onnx(net: EmbeddingNet | ForeignNet, size: int, metadata: dict[str, str]) -> bytes:
    import copy

    import onnx
    import torch

    class Graph(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(images.permute(0, 3, 1, 2))

    plain = copy.deepcopy(net).cpu().eval()
    same = _without_same_padding(plain)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dynamo=False is deprecated; the other exporter needs onnxscript
        torch.onnx.export(
            Graph(plain).eval(),
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            buffer,  # type: ignore[arg-type]  # dynamo=False writes to a stream too
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_axes={"images": {0: "n"}, "embeddings": {0: "n"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    if same:
        _pad_at_the_end(model)
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString()


def _without_same_padding(net: Any) -> bool:
    """Turn timm's `Conv2dSame` into plain convolutions of the same output size; True if there were any.

    As `Conv2dSame` pads in a layer of its own, ONNX Runtime would leave its blocked layout and
    copy the features at each of them: measured 17 % of the forward of one image.
    """
    import torch
    from timm.layers import Conv2dSame

    found = False
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Conv2dSame):
                k, s = child.kernel_size[0], child.stride[0]
                plain = torch.nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    k,
                    stride=s,
                    padding=k // 2,
                    groups=child.groups,
                    bias=child.bias is not None,
                )
                plain.load_state_dict(child.state_dict())
                setattr(module, name, plain)
                found = True
    return found


def _pad_at_the_end(model: onnx.ModelProto) -> None:
    """Give every strided convolution TensorFlow's padding, the odd pixel at the end.

    For an even side (a size that is a multiple of 32 has no other), stride 2 and kernel k, SAME
    pads k - 2 pixels in all: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    for node in model.graph.node:
        attributes = {a.name: a for a in node.attribute}
        if node.op_type == "Conv" and list(attributes["strides"].ints) == [2, 2]:
            total = [k - 2 for k in attributes["kernel_shape"].ints]
            attributes["pads"].ints[:] = [t // 2 for t in total] + [t - t // 2 for t in total]


def _probe(size: int) -> np.ndarray:
    """Two pictures to compare engines on: strokes on white, and noise that fills every corner."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    strokes = np.full((size, size, 3), 255, np.uint8)
    strokes[size // 8 : -size // 8, size // 3 : size // 3 + 4] = 0
    strokes[size // 2 : size // 2 + 4, size // 8 :] = 0
    return np.stack([strokes, noise])


def _in_torch(net: EmbeddingNet | ForeignNet, seen: np.ndarray) -> np.ndarray:
    import torch

    device = next(net.parameters()).device
    with torch.inference_mode():
        return net(torch.from_numpy(seen).to(device).permute(0, 3, 1, 2)).cpu().numpy()


def cores() -> int:
    """CPUs that this process may use: its affinity, and the quota of its control group (Linux)."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count
