"""What is fuzzed: the readers that are given files from outside, the files that are changed for it, and what may come.

A reader may give its result or raise its one refusal. Anything else is a finding: another exception, an "unexpected
error" that the decoder logs, a result that breaks a promise, more than `LONGEST_S`, the end of the process.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from hypothesis import strategies as st
from PIL import Image

from core.ground.errors import ArchiveRefused, ImageRefused, ModelRefused
from core.ground.images import MAX_PIXELS, decode, size_of
from tests import hostile

FOUND = Path(__file__).parent / "found"  # what was ever found, one file each: tried again in every run
LONGEST_S = 20
_LARGEST_SEED = 60_000  # bytes: what is larger is slow to change and finds nothing more
_TELLING = (0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0xFE, 0xFF)
_NUMBERS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Target:
    """``check`` is given bytes and returns, or raises what was found; ``seeds`` are files it starts from."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]

    def found(self) -> list[Path]:
        """What was found before."""
        return sorted(FOUND.glob(f"{self.name}-*.bin"))

    def keep(self, data: bytes) -> Path:
        """Keep a finding: it belongs into the repository with what mends it."""
        import hashlib

        path = FOUND / f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
        FOUND.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Seeds with a few changes."""
        return _changed([*self.seeds(), *(path.read_bytes() for path in self.found())])


def check_image(data: bytes) -> None:
    for how in ({}, {"within": 32}, {"grey": True}):
        try:
            image = decode(data, name="a.png", **how)  # type: ignore[arg-type]
        except ImageRefused as refusal:
            assert "unexpected error" not in str(refusal), refusal
            continue
        assert type(image) is Image.Image and image.mode in ("RGB", "L") and not image.info
        assert 0 < image.width * image.height <= MAX_PIXELS
        if not how:
            assert size_of(data) == image.size, (size_of(data), image.size)


def check_archive(data: bytes) -> None:
    from core.intake.archives import Archive, Limits

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(data)
        limits = Limits()
        try:
            with Archive(path) as archive:
                for member in archive.members[:50]:
                    assert ".." not in PurePosixPath(member.name).parts and not member.name.startswith("/")
                    try:
                        content = archive.read(member)
                    except ImageRefused:
                        continue
                    assert len(content) <= member.info.file_size <= limits.unpacked
        except ArchiveRefused:
            pass
        assert [one.name for one in Path(folder).iterdir()] == ["a.zip"]


def check_checkpoint(data: bytes) -> None:
    from core.embedding.card import read_sealed, seal
    from core.embedding.weights import read_state
    from core.training import checkpoint

    with tempfile.TemporaryDirectory() as folder:
        own, foreign = Path(folder) / "a.safetensors", Path(folder) / "a.pt"
        try:
            sealed = seal(data)  # so that the changes are met behind the digest too
        except Exception:  # no place for one: then it is refused as it is
            sealed = data
        for content in {data, sealed}:
            own.write_bytes(content)
            for read in (read_sealed, read_state):
                try:
                    read(own)
                except ModelRefused:
                    continue
        foreign.write_bytes(data)
        for read in (read_state, checkpoint.load):
            try:
                state = read(foreign)
            except ModelRefused:
                continue
            assert isinstance(state, dict)
        assert sorted(one.name for one in Path(folder).iterdir()) == ["a.pt", "a.safetensors"]


@cache
def _images() -> list[bytes]:
    opens = {name: case for name, case in hostile.IMAGES.items() if case.opens is not False and "frames" not in name}
    small = [case.make() for case in opens.values()]
    forms = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
    made = [hostile.saved(hostile.picture(24), form) for form in forms]
    made += [hostile.saved(hostile.noise(16), "JPEG", progressive=True), hostile.saved(hostile.noise(16), "PNG")]
    made += [hostile.saved(hostile.picture(24).convert(mode), "TIFF") for mode in ("1", "L", "P", "CMYK", "I;16", "F")]
    return [*made, *(data for data in small if len(data) < _LARGEST_SEED)]


@cache
def _archives() -> list[bytes]:
    png = hostile.saved(hostile.picture(8), "PNG")

    def packed(*members: tuple[str, bytes], stored: bool = False) -> bytes:
        """Always the same bytes: without the time of day."""
        infos = [(zipfile.ZipInfo(name), content) for name, content in members]
        for info, _ in infos:
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with warnings.catch_warnings(action="ignore"):  # of doubles, which are meant
            return hostile.archive(infos)

    table = b"file_name,label,region\na/1.png,x,\n"
    return [
        packed(("a/1.png", png), ("b/2.png", png)),
        packed(("a/1.png", png), ("labels.csv", table), ("__MACOSX/._1.png", b"x"), stored=True),
        packed(("classes.csv", b"name,note\na,b\n"), ("étoile/1.png", png), ("étoile/1.png", png)),
        packed(("inner.zip", packed(("a/1.png", png)))),
        packed(*((name, png) for name in hostile.BAD_PATHS[:6])),
        packed(),
    ]


@cache
def _checkpoints() -> list[bytes]:
    import torch
    from safetensors.torch import save

    from core.embedding.card import ModelCard, seal

    state = {"head.weight": torch.ones(2, 3), "head.bias": torch.zeros(2)}
    card = ModelCard("tf_efficientnet_lite0", 2, 1, 1)
    made = [seal(save(state, metadata=card.header())), save(state)]
    for content in (state, {"format": 1, "model": state, "epoch": 3}, {"state_dict": state}):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        made.append(buffer.getvalue())
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return [*made, len(header).to_bytes(8, "little") + header + bytes(4)]


TARGETS = {
    target.name: target
    for target in (
        Target("image", check_image, _images),
        Target("archive", check_archive, _archives),
        Target("checkpoint", check_checkpoint, _checkpoints),
    )
}


@st.composite
def _changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((1, 2, 4, 8, 64, 1024)))
        change = draw(st.sampled_from(("byte", "number", "bits", "cut", "end", "twice", "fill", "splice", "new")))
        if change == "byte":
            data[at : at + 1] = bytes([draw(st.sampled_from(_TELLING))])
        elif change == "number":
            number, order = draw(st.sampled_from(_NUMBERS)), draw(st.sampled_from(("big", "little")))
            size = draw(st.sampled_from((2, 4)))
            data[at : at + size] = (number & (256**size - 1)).to_bytes(size, order)
        elif change == "bits" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "cut":
            del data[at : at + length]
        elif change == "end":
            del data[at:]
        elif change == "twice":
            data[at:at] = data[at : at + length] * draw(st.sampled_from((1, 2, 50)))
        elif change == "fill":
            data[at : at + length] = bytes([draw(st.sampled_from((0, 0x41, 0xFF)))]) * length
        elif change == "splice":
            other = draw(st.sampled_from(seeds))
            start = draw(st.integers(0, len(other)))
            data[at : at + length] = other[start : start + length]
        else:
            data[at:at] = draw(st.binary(max_size=16))
        if len(data) > 4 * _LARGEST_SEED:
            del data[4 * _LARGEST_SEED :]
    return bytes(data)
