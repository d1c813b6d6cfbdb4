"""From any mode of a decoded file to 8-bit RGB: deep tones scaled, transparency laid on a ground that contrasts.

It opens no file (`core.ground.images`) and does not look for ink (`core.ground.ink`).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
_WIDE = 1e30  # of a span: differences of floats of 32 bits would be infinite
FAINT = 64  # levels: art that nowhere differs by more from white cannot be read on it

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF tags
_NATIVE = ";16L" if sys.byteorder == "little" else ";16B"
_OTHER_BYTE = {";16L": ";16B", ";16B": ";16L"}  # read in the wrong order, a sample of 16 bits gives its low byte


def to_rgb(image: Image.Image, *, low: Image.Image | None = None) -> Image.Image:
    """An RGB picture of ``image``, which is loaded and not used any more: the pixels of one that is RGB are taken over,
    as a copy of a large one is 200 MB. ``low``: what `low_bytes` made of the same file."""
    if image.mode[0] in "IF":
        return _from_deep(image)
    if low is not None:
        image = _deepened(image, low)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        rgb = Image.new("RGB", rgba.size, _ground(rgba))
        rgb.paste(rgba, mask=rgba)
        return rgb
    return taken_over(image) if image.mode == "RGB" else image.convert("RGB")


def taken_over(image: Image.Image) -> Image.Image:
    """The pixels of an opened file without the file: what `Image.copy` gives, and no copy."""
    return image._new(image.im)


def is_shallow(image: Image.Image) -> bool:
    """Whether a loaded picture of 16-bit colours has nothing in the upper half of its tones: a camera's 12 or 10 bits,
    of which Pillow, who keeps the upper byte, has left next to nothing."""
    return all(band.histogram()[128:].count(0) == 128 for name, band in _named(image) if name != "A")


def depth_of(image: ImageFile.ImageFile) -> str:
    """``;16L`` or ``;16B`` where the file of ``image`` (opened, not yet loaded) holds colours of 16 bits, else ""."""
    if image.mode not in ("RGB", "RGBA") or not image.tile:
        return ""
    raw = _raw(image)
    return next((order for order in _OTHER_BYTE if raw.endswith(order)), "")


def low_bytes(image: ImageFile.ImageFile, order: str) -> Image.Image:
    """The low bytes of 16-bit samples, in the mode of ``image``, which is opened anew and of `depth_of` ``order``."""
    grey = _raw(image).startswith("LA")
    raw = "RGBA" if grey else image.mode + _OTHER_BYTE[order]  # of two samples: upper and lower byte in turn
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]
    image.load()
    if not grey:
        return image
    _, tone, _, alpha = image.split()
    return Image.merge("RGBA", (tone, tone, tone, alpha))


def _raw(image: ImageFile.ImageFile) -> str:
    """How Pillow calls the samples of an opened file."""
    raw = image.tile[0].args or ""
    return (raw if isinstance(raw, str) else str(raw[0])).replace(";16N", _NATIVE)


def _deepened(image: Image.Image, low: Image.Image) -> Image.Image:
    """``image`` and its ``low`` bytes as 8 bits, its colours (and its alpha for itself) stretched to their depth."""
    bands = {name: np.asarray(band).astype(np.uint16) << 8 for name, band in _named(image)}
    for name, band in _named(low):
        bands[name] |= np.asarray(band)
    top = _top(max(int(values.max()) for name, values in bands.items() if name != "A"))
    tops = {name: _top(int(values.max())) if name == "A" else top for name, values in bands.items()}
    return Image.merge(image.mode, [Image.fromarray(_scaled(values, 0, tops[n])) for n, values in bands.items()])


def _named(image: Image.Image) -> list[tuple[str, Image.Image]]:
    return list(zip(image.getbands(), image.split(), strict=True))


def _ground(rgba: Image.Image) -> tuple[int, int, int]:
    """White, unless what is visible of a picture with a transparent edge is itself nearly white: then black."""
    alpha = np.asarray(rgba.getchannel("A"))
    edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if 2 * np.count_nonzero(edge > 127) > len(edge):  # a page with holes or round corners, not art by itself
        return WHITE
    darkest = ImageChops.darker(ImageChops.darker(*rgba.split()[:2]), rgba.getchannel("B"))
    visible = 255 - np.asarray(darkest)[alpha > 127]
    return BLACK if visible.size and np.percentile(visible, 95) < FAINT else WHITE


def _from_deep(image: Image.Image) -> Image.Image:
    """A 16-bit, 32-bit or float grey picture as 8-bit, its range scaled and never clipped.

    Whole numbers do not state their depth: it is the least from 8 to 16 bits that holds all of them (12 for a 12-bit
    TIFF). Neither do floats: theirs is 0..1 or such a depth. Else it is the span from the least to the greatest value.
    What is not a number becomes white, what is transparent the ground.
    """
    values: NDArray[np.floating] = np.asarray(image).astype(np.float64 if image.mode == "I" else np.float32)
    finite = np.isfinite(values)
    low, high = _span(image, values[finite])
    if high - low > _WIDE:
        values = values.astype(np.float64)
    grey = np.where(finite, (values - low) * (255 / (high - low)), 255)
    if _tag(image, _PHOTOMETRIC) == 0:  # a TIFF whose zero is white: Pillow turns it for 8 bits only
        grey[finite] = 255 - grey[finite]
    plain = Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return plain
    plain.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return to_rgb(plain)


def _span(image: Image.Image, values: NDArray[np.floating]) -> tuple[float, float]:
    if image.mode.startswith("I;16") and _tag(image, _BITS_PER_SAMPLE) == (12,):
        return 0, 4095
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if image.mode == "F" and low >= 0 and high <= 1:
        return 0, 1
    if low >= 0 and high <= 65535:
        return 0, _top(int(np.ceil(high)))
    return (low, high) if low < high else (low - max(1, abs(low)), high)  # of one tone only: white


def _top(greatest: int) -> int:
    """The greatest tone of the least depth, 8 bits or more, that holds ``greatest``."""
    return (1 << max(8, greatest.bit_length())) - 1


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((values - np.float32(low)) * np.float32(255 / (high - low))).astype(np.uint8)


def _tag(image: Image.Image, number: int) -> Any:
    return getattr(image, "tag_v2", {}).get(number)
