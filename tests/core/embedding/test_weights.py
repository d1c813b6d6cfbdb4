"""`core.embedding.weights`: where weights are found, that nothing hangs without a network, that no file runs code,
and that the bundled ones are what Google published, in timm's network, fed as they were trained.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from core.embedding.weights import ARCHITECTURES, BUNDLED_SHA256, DEFAULT_ARCHITECTURE, read_state, resolve, sha256_of
from core.ground.errors import ModelRefused, WeightsUnavailable
from core.ground.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]

# EfficientNet-B0's blocks (Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1): repeats, kernel, stride, out.
# Lite0 is B0 without squeeze and excitation and with ReLU6 for swish.
BLOCKS = [(1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)]


def reference(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0's logits, written from the paper on the package's own names: no timm, no modules."""

    def conv(x: torch.Tensor, name: str, *, stride: int = 1, groups: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        kernel, side = weight.shape[-1], x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)  # TensorFlow's SAME
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        return F.conv2d(x, weight, stride=stride, groups=groups)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"].view(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-3) * weight + bias

    x = norm(conv(x, "_conv_stem", stride=2), "_bn0").clamp(0, 6)
    index = 0
    for repeats, _, first_stride, out in BLOCKS:
        for repeat in range(repeats):
            name, stride, entering = f"_blocks.{index}", first_stride if repeat == 0 else 1, x
            if f"{name}._expand_conv.weight" in state:
                x = norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
            x = conv(x, f"{name}._depthwise_conv", stride=stride, groups=x.shape[1])
            x = norm(x, f"{name}._bn1").clamp(0, 6)
            x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2")
            assert x.shape[1] == out
            if stride == 1 and x.shape == entering.shape:
                x = x + entering
            index += 1
    x = norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6).mean(dim=(2, 3))
    return x @ state["_fc.weight"].T + state["_fc.bias"]


def picture(package: str, *parts: str) -> torch.Tensor:
    """A photograph that another installed package ships, (1, 3, 224, 224) from 0 to 255, the middle of 256."""
    spec = find_spec(package)
    path = Path(spec.origin).parent.joinpath(*parts) if spec and spec.origin else None
    if path is None or not path.is_file():
        pytest.skip(f"{package} does not ship {'/'.join(parts)}")
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([round(scale * s) for s in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def bundled() -> dict[str, torch.Tensor]:
    return read_state(resolve(allow_network=False).path)


@pytest.fixture(scope="module")
def in_timm(bundled):
    """timm's Lite0 with the package's tensors put in one by one, in order."""
    import timm

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    assert len(bundled) == len(net.state_dict()) == 296
    net.load_state_dict(dict(zip(net.state_dict(), bundled.values(), strict=True)))
    return net.eval()


def test_the_default_is_the_bundled_package():
    weights = resolve(allow_network=False)
    assert (weights.source, weights.architecture) == ("bundled", "tf_efficientnet_lite0")
    assert weights.sha256 == BUNDLED_SHA256 == sha256_of(weights.path)
    assert weights == resolve(DEFAULT_ARCHITECTURE, allow_network=False)


def test_resolving_the_default_imports_no_torch():
    code = "import sys; from core.embedding.weights import resolve; resolve(allow_network=False)"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("side", [96, 128, 224, 75])
def test_the_mapping_onto_timm_gives_the_same_network(bundled, in_timm, side):
    """Against an implementation that shares no code: any two tensors exchanged, another epsilon (1e-5)
    or plain padding would show here."""
    images = torch.from_numpy(np.random.default_rng(side).normal(0, 1, (2, 3, side, side)).astype(np.float32))
    with torch.inference_mode():
        ours, theirs = reference(bundled, images), in_timm(images)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert ours.std() > 0.5  # the logits say something


def test_the_reference_can_tell_epsilon_and_padding_apart(bundled, in_timm):
    import copy

    images = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 96, 96)).astype(np.float32))
    other = copy.deepcopy(in_timm)
    for module in other.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5
    with torch.inference_mode():
        assert (reference(bundled, images) - other(images)).abs().max() > 0.05


@pytest.mark.parametrize(
    ("photograph", "classes"),
    [
        (("skimage", "data", "coffee.png"), {967}),  # espresso
        (("skimage", "data", "chelsea.png"), {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        (("skimage", "data", "camera.png"), {872}),  # tripod
        (("skimage", "data", "rocket.jpg"), {657, 744}),  # missile, projectile
        (("skimage", "data", "motorcycle_left.png"), {665, 670}),  # moped, motor scooter
        (("sklearn.datasets", "images", "flower.jpg"), {985}),  # daisy
        (("sklearn.datasets", "images", "china.jpg"), {698}),  # palace
    ],
)
def test_it_recognises_photographs_fed_as_it_was_trained(in_timm, photograph, classes):
    """ImageNet class numbers, with the normalisation that `ARCHITECTURES` states."""
    known = ARCHITECTURES["tf_efficientnet_lite0"]
    images = (picture(*photograph) - known.mean[0]) / known.std[0]
    with torch.inference_mode():
        assert int(in_timm(images).argmax()) in classes


def test_the_normalisation_is_the_one_it_was_trained_with(in_timm):
    """The likeliest class of photographs of ImageNet's things is surer with (x - 127) / 128 than with the
    means and deviations of ImageNet, or with x / 255."""
    known = ARCHITECTURES["tf_efficientnet_lite0"]
    photographs = {"coffee.png": 967, "rocket.jpg": 657, "motorcycle_left.png": 665}
    mean, std = torch.tensor(ARCHITECTURES["efficientnet_b0"].mean), torch.tensor(ARCHITECTURES["efficientnet_b0"].std)
    sure = {"trained": 0.0, "imagenet": 0.0, "unit": 0.0}
    for name, number in photographs.items():
        pixels = picture("skimage", "data", name)
        fed = {
            "trained": (pixels - known.mean[0]) / known.std[0],
            "imagenet": (pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1),
            "unit": pixels / 255,
        }
        with torch.inference_mode():
            for way, images in fed.items():
                sure[way] += float(in_timm(images).softmax(1)[0, number])
    assert max(sure, key=sure.get) == "trained", sure


def test_a_local_file_is_told_apart_by_its_tensors(tmp_path):
    import timm
    from safetensors.torch import save_file

    workspace = Workspace(tmp_path)
    for architecture in ARCHITECTURES:
        state = timm.create_model(architecture, pretrained=False).state_dict()
        save_file(state, tmp_path / f"{architecture}.safetensors")
        torch.save(state, tmp_path / f"{architecture}.pt")
        for suffix in ("safetensors", "pt"):
            weights = resolve(f"{architecture}.{suffix}", workspace=workspace, allow_network=False)
            assert (weights.source, weights.architecture) == ("file", architecture)
            assert weights.path == tmp_path / f"{architecture}.{suffix}"
            assert weights.sha256 == sha256_of(weights.path)


def test_a_missing_file_and_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(WeightsUnavailable, match="no file of weights"):
        resolve("nowhere.safetensors", workspace=Workspace(tmp_path), allow_network=False)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "small.pt")
    with pytest.raises(ModelRefused, match="architecture that Burin knows"):
        resolve("small.pt", workspace=Workspace(tmp_path), allow_network=False)


def resolve_elsewhere(tmp_path: Path, *, allow_network: bool, **environment: str) -> str:
    """What `resolve` says in a process of its own, with an empty hub cache."""
    code = (
        "from core.embedding.weights import resolve\n"
        "from core.ground.errors import WeightsUnavailable\n"
        f"try: print(resolve('efficientnet_b0', allow_network={allow_network}, timeout_s=1))\n"
        "except WeightsUnavailable as error: print('UNAVAILABLE', error)\n"
    )
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    env = {**clean, "HF_HOME": str(tmp_path), **environment}
    # The limit is only there to turn a hang into a failure: the answer takes a second or two.
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def test_not_asking_the_network_is_a_clear_line(tmp_path):
    said = resolve_elsewhere(tmp_path, allow_network=False)
    assert said.startswith("UNAVAILABLE The weights of efficientnet_b0 are not on this machine")


def test_offline_mode_asks_nobody(tmp_path):
    said = resolve_elsewhere(tmp_path, allow_network=True, HF_HUB_OFFLINE="1")
    assert (
        said == "UNAVAILABLE The weights of efficientnet_b0 are not on this machine, and fetching them was not allowed."
    )


def test_a_refused_connection_is_a_clear_line(tmp_path):
    said = resolve_elsewhere(tmp_path, allow_network=True, HF_ENDPOINT="http://127.0.0.1:9")
    assert said.startswith("UNAVAILABLE") and "127.0.0.1:9 could not give them" in said


def test_a_host_that_never_answers_does_not_hang(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and says nothing
        port = server.getsockname()[1]
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        said = resolve_elsewhere(tmp_path, allow_network=True, HF_ENDPOINT=f"http://127.0.0.1:{port}")
    assert said.startswith("UNAVAILABLE") and "could not give them" in said


def test_the_hub_cache_is_used_without_network(tmp_path):
    """A snapshot laid out as the hub lays it out."""
    repository = tmp_path / "hub" / "models--timm--efficientnet_b0.ra_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots" / "abc123").mkdir(parents=True)
    (repository / "snapshots" / "abc123" / "model.safetensors").write_bytes(b"tensors")
    said = resolve_elsewhere(tmp_path, allow_network=True, HF_ENDPOINT="http://127.0.0.1:9")
    assert "source='hub-cache'" in said and "architecture='efficientnet_b0'" in said


# Hostile and damaged files. `read_state` must refuse each with one sentence.


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def test_code_in_a_file_never_runs(tmp_path):
    canary = tmp_path / "canary"
    for name, save in {
        "zip.pt": lambda p: torch.save({"w": torch.zeros(2), "x": Payload(canary)}, p),
        "legacy.pt": lambda p: torch.save({"x": Payload(canary)}, p, _use_new_zipfile_serialization=False),
        "bare.pt": lambda p: p.write_bytes(pickle.dumps(Payload(canary))),
        "bare.safetensors": lambda p: p.write_bytes(pickle.dumps(Payload(canary))),
    }.items():
        save(tmp_path / name)
        with pytest.raises(ModelRefused):
            read_state(tmp_path / name)
        assert not canary.exists()
    torch.load(tmp_path / "zip.pt", weights_only=False)  # the positive control: the payload is live
    assert canary.exists()


def damage(path: Path, change) -> Path:
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(change(data)))
    return path


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    "change",
    [lambda d: b"", lambda d: b"x", lambda d: d[: len(d) // 2], lambda d: d[:-1], lambda d: b"\xff" * 100 + d[100:]],
    ids=["empty", "one byte", "half", "last byte", "overwritten"],
)
def test_damaged_files_are_refused(tmp_path, suffix, change):
    from safetensors.torch import save_file

    path = tmp_path / f"small.{suffix}"
    state = {"a": torch.arange(1000.0), "b": torch.ones(3, 3)}
    (torch.save if suffix == "pt" else save_file)(state, path)
    assert torch.equal(read_state(path)["a"], state["a"])
    with pytest.raises(ModelRefused):
        read_state(damage(path, change))


def test_a_flipped_bit_in_the_numbers_of_a_pt_file_is_seen(tmp_path):
    path = tmp_path / "flip.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.infolist() if m.filename.endswith("data/0"))
    at = path.read_bytes().find(b"\0" * 4000, member.header_offset) + 2000

    def flip(data: bytearray) -> bytearray:
        data[at] ^= 0x40
        return data

    with pytest.raises(ModelRefused, match="checksum"):
        read_state(damage(path, flip))


def test_a_small_file_that_grows_is_refused(tmp_path):
    expand = tmp_path / "expand.pt"
    torch.save({"w": torch.zeros(1).expand(1_000_000, 1_000_000)}, expand)
    assert expand.stat().st_size < 10_000
    with pytest.raises(ModelRefused, match="something else"):
        read_state(expand)

    stored, deflated = tmp_path / "stored.pt", tmp_path / "deflated.pt"
    torch.save({"w": torch.zeros(1_000_000)}, stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    assert deflated.stat().st_size < 100_000
    with pytest.raises(ModelRefused, match="compressed"):
        read_state(deflated)


def test_only_a_flat_dict_of_tensors_is_a_state(tmp_path):
    for number, content in enumerate(
        [torch.zeros(3), [torch.zeros(3)], {"a": 1}, {"a": {"b": torch.zeros(1)}}, {1: torch.zeros(1)}]
    ):
        path = tmp_path / f"{number}.pt"
        torch.save(content, path)
        with pytest.raises(ModelRefused, match="something else"):
            read_state(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for name in ("none.pt", "none.safetensors"):
        with pytest.raises(ModelRefused, match="none"):
            read_state(tmp_path / name)


def test_tensors_without_numbers_are_no_state(tmp_path):
    """A tensor on the device "meta" says a shape and holds nothing; a sparse one says what it likes."""
    for name, value in (
        ("meta", torch.empty(4, 4, device="meta")),
        ("sparse", torch.eye(4).to_sparse()),
        ("wide", torch.zeros(1).expand(1000, 1000)),
    ):
        torch.save({"w": value}, tmp_path / f"{name}.pt")
        with pytest.raises(ModelRefused):
            read_state(tmp_path / f"{name}.pt")
