"""The boxes of a HEIC or AVIF file (ISO-BMFF), walked with limits: which picture it opens with, of what parts.

Decoders trust what a file says of itself: one of some hundred bytes can ask for thousands of pictures, or for one far
larger than it states. Nothing is decoded here. ISO/IEC 14496-12 (boxes), 23008-12 (items), AV1 bitstream 5.5 and 5.9.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

MAX_BOXES = 5_000
MAX_ITEMS = 2_000  # the largest telephone's picture is 192 tiles, with some hundred for its depth and light
MAX_REFERENCES = 8_000
MAX_EXTENTS = 8_000
MAX_UNITS = 4_000  # of one coded picture: headers, slices, tiles
MAX_FRAMES = 8  # of one coded picture: it has one, a layered one up to four
MAX_TILING = 4  # times the largest picture's pixels that its tiles may hold together

Codec = Literal["HEIF", "AVIF"]
_CODECS: dict[bytes, Codec] = {b"hvc1": "HEIF", b"av01": "AVIF"}
_BRANDS: dict[Codec, bytes] = {"HEIF": b"heic", "AVIF": b"avif"}
_METADATA = (b"Exif", b"mime", b"uri ")


class TooIntricate(ValueError):
    """The structure has more parts than any honest file's."""


@dataclass(frozen=True)
class Still:
    """The picture that a file opens with: its ``codec`` as Pillow calls it, the file's ``data`` without metadata and
    films, and ``sizes`` (width, height) of all that has to be decoded for it, as stated and as coded."""

    codec: Codec
    data: bytes
    sizes: tuple[tuple[int, int], ...]


def still(data: bytes) -> Still | None:
    """The picture of a HEIC or AVIF file; None where it holds none in these codecs.

    Raises `TooIntricate` for what no decoder should be given, and another ValueError, IndexError or struct.error
    where the file is damaged.
    """
    plain = bytearray(data)
    count = [0]
    metas = []
    for kind, start, end in _boxes(data, 0, len(data), count):
        if kind == b"meta":
            metas.append((start, end))
        elif kind == b"moov":
            plain[start - 4 : start] = b"free"  # a film, or frames of an animation: the still picture is enough
    if len(metas) != 1:
        return None
    items = _meta(data, *metas[0], count, plain)
    codec = items.codec()
    if codec is None:
        return None
    sizes = items.sizes(data, codec)
    ftyp_end = struct.unpack_from(">I", data)[0]
    plain[8:12] = _BRANDS[codec]
    for at in range(16, min(ftyp_end, 16 + 4 * 64), 4):
        if plain[at : at + 4] in (b"avis", b"msf1", b"hevc", b"hevx"):
            plain[at : at + 4] = b"mif1"
    return Still(codec, bytes(plain), sizes)


@dataclass
class _Items:
    """What a ``meta`` box says: types, sizes and extents of its items by number, and who is made of whom."""

    primary: int = -1
    types: dict[int, bytes] = field(default_factory=dict)
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)  # type, start and end of each, from 1
    has: dict[int, list[int]] = field(default_factory=dict)
    made_of: dict[int, list[int]] = field(default_factory=dict)
    beside: dict[int, list[int]] = field(default_factory=dict)  # auxiliary pictures (transparency)
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def codec(self) -> Codec | None:
        """Of the primary item, or of its tiles."""
        kind = self.types.get(self.primary, b"")
        tiles = {self.types.get(tile, b"") for tile in self.made_of.get(self.primary, [])}
        if kind == b"grid" and len(tiles) == 1:
            return _CODECS.get(tiles.pop())
        return _CODECS.get(kind)

    def sizes(self, data: bytes, codec: Codec) -> tuple[tuple[int, int], ...]:
        shown = [self.primary, *self.beside.get(self.primary, [])]
        coded = []
        for item in shown:
            tiles = self.made_of.get(item, [])
            if self.types.get(item) == b"grid":
                coded += tiles
            elif tiles:
                raise TooIntricate("a picture made of others in another way than a grid")
            else:
                coded.append(item)
        if any(_CODECS.get(self.types.get(item, b"")) != codec for item in coded):
            raise TooIntricate("parts in parts, or in several codecs")
        stated = {item: self._stated(data, item) for item in {*shown, *coded}}
        together = sum(stated[item][0] * stated[item][1] for item in coded)
        if together > MAX_TILING * max(w * h for w, h in stated.values()):
            raise TooIntricate("tiles laid over each other")
        frames = _av1_sizes if codec == "AVIF" else _hevc_frames
        real = [size for item in set(coded) for size in frames(self._content(data, item), *self._unit(data, item))]
        return (*stated.values(), *real)

    def _stated(self, data: bytes, item: int) -> tuple[int, int]:
        for kind, start, end in self._of(item):
            if kind == b"ispe" and end - start >= 12:
                return struct.unpack_from(">II", data, start + 4)
        raise ValueError("a picture without a size")

    def _unit(self, data: bytes, item: int) -> tuple[int]:
        """How many bytes the length of a unit takes (HEVC)."""
        for kind, start, end in self._of(item):
            if kind == b"hvcC" and end - start > 21:
                return ((data[start + 21] & 3) + 1,)
        return (4,)

    def _of(self, item: int) -> Iterator[tuple[bytes, int, int]]:
        return (self.properties[k - 1] for k in self.has.get(item, []) if 1 <= k <= len(self.properties))

    def _content(self, data: bytes, item: int) -> bytes:
        return b"".join(data[start : start + length] for start, length in self.extents.get(item, []))


def _boxes(data: bytes, at: int, end: int, count: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes from ``at`` to ``end``: type, and where what it holds starts and ends."""
    while at + 8 <= end:
        count[0] += 1
        if count[0] > MAX_BOXES:
            raise TooIntricate("too many boxes")
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif size == 0:
            size = end - at
        if at + size > end or size < start - at:
            raise ValueError("a box is longer than what holds it")
        yield kind, start, at + size
        at += size


def _meta(data: bytes, start: int, end: int, count: list[int], plain: bytearray) -> _Items:
    items = _Items()
    places, inside = None, 0
    for kind, at, stop in _boxes(data, start + 4, end, count):
        wide = stop > at and data[at] > 0
        if kind == b"pitm":
            items.primary = _number(data, at + 4, 4 if wide else 2)
        elif kind == b"iinf":
            for name, one, _ in _boxes(data, at + (8 if wide else 6), stop, count):
                if name == b"infe" and data[one] >= 2:
                    width = 2 if data[one] == 2 else 4
                    type_at = one + 4 + width + 2
                    items.types[_number(data, one + 4, width)] = data[type_at : type_at + 4]
                    if data[type_at : type_at + 4] in _METADATA:
                        plain[type_at : type_at + 4] = b"skip"
            if len(items.types) > MAX_ITEMS:
                raise TooIntricate("too many items")
        elif kind == b"iref":
            _references(data, at, stop, count, items)
        elif kind == b"iprp":
            _properties(data, at, stop, count, items)
        elif kind == b"iloc":
            places = at
        elif kind == b"idat":
            inside = at
    if places is not None:
        _extents(data, places, inside, items)
    return items


def _references(data: bytes, start: int, end: int, count: list[int], items: _Items) -> None:
    width = 4 if data[start] else 2
    total = 0
    for kind, at, stop in _boxes(data, start + 4, end, count):
        number = _number(data, at + width, 2)
        total += number
        if total > MAX_REFERENCES:
            raise TooIntricate("too many references")
        at_targets = at + width + 2
        if at_targets + number * width > stop:
            raise ValueError("references cut short")
        source = _number(data, at, width)
        targets = [_number(data, at_targets + k * width, width) for k in range(number)]
        if kind == b"dimg":
            items.made_of.setdefault(source, []).extend(targets)
        elif kind == b"auxl":
            for target in targets:
                items.beside.setdefault(target, []).append(source)


def _properties(data: bytes, start: int, end: int, count: list[int], items: _Items) -> None:
    total = 0
    for kind, at, stop in _boxes(data, start, end, count):
        if kind == b"ipco":
            items.properties = list(_boxes(data, at, stop, count))
        elif kind == b"ipma":
            width, wide = (4 if data[at] else 2), data[at + 3] & 1
            entries, at = _number(data, at + 4, 4), at + 8
            for _ in range(entries):
                item, number = _number(data, at, width), data[at + width]
                at += width + 1
                total += number + 1
                if total > MAX_REFERENCES:
                    raise TooIntricate("too many properties")
                step = 2 if wide else 1
                mask = 0x7FFF if wide else 0x7F
                items.has.setdefault(item, []).extend(_number(data, at + k * step, step) & mask for k in range(number))
                at += number * step


def _extents(data: bytes, at: int, inside: int, items: _Items) -> None:
    version = data[at]
    offset_size, length_size = data[at + 4] >> 4, data[at + 4] & 15
    base_size, index_size = data[at + 5] >> 4, (data[at + 5] & 15 if version else 0)
    width = 4 if version == 2 else 2
    number, at = _number(data, at + 6, width), at + 6 + width
    total = length_in_all = 0
    for _ in range(number):
        item, at = _number(data, at, width), at + width
        method = _number(data, at, 2) & 15 if version else 0
        at += 4 if version else 2
        base, at = _number(data, at, base_size), at + base_size
        extents, at = _number(data, at, 2), at + 2
        total += extents + 1
        if total > MAX_EXTENTS:
            raise TooIntricate("too many extents")
        for _ in range(extents):
            at += index_size
            start, at = base + _number(data, at, offset_size) + (inside if method == 1 else 0), at + offset_size
            length, at = _number(data, at, length_size), at + length_size
            length_in_all += length
            items.extents.setdefault(item, []).append((start, length or len(data)))
    if length_in_all > 2 * len(data):
        raise TooIntricate("extents laid over each other")


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise IndexError("cut short")
    return int.from_bytes(data[at : at + width], "big")


def _hevc_frames(content: bytes, length_size: int) -> list[tuple[int, int]]:
    """No sizes: the decoder holds a coded picture to the stated one. That it is one picture is counted here."""
    at = units = frames = 0
    while at + length_size + 3 <= len(content):
        length, at = _number(content, at, length_size), at + length_size
        units += 1
        kind = content[at] >> 1 & 63
        if kind == 33:  # a sequence header, which hvc1 keeps with the properties, where its size is looked at
            raise TooIntricate("a header among the slices")
        frames += kind < 32 and content[at + 2] >> 7  # the first slice of a picture
        if units > MAX_UNITS or frames > MAX_FRAMES:
            raise TooIntricate("too many pictures in one")
        at += length
    return []


def _av1_sizes(content: bytes, _: int) -> list[tuple[int, int]]:
    """The sizes in the sequence headers of a coded AV1 picture: its frames are no larger, whatever the file states."""
    sizes, at, units, frames = [], 0, 0, 0
    while at < len(content):
        units += 1
        kind, at_body = content[at] >> 3 & 15, at + (2 if content[at] & 4 else 1)
        length = len(content) - at_body
        if content[at] & 2:
            length, shift = 0, 0
            for shift in range(0, 56, 7):
                byte, at_body = content[at_body], at_body + 1
                length |= (byte & 127) << shift
                if byte < 128:
                    break
        frames += kind in (3, 6)
        if units > MAX_UNITS or frames > MAX_FRAMES:
            raise TooIntricate("too many pictures in one")
        if kind == 1:
            sizes.append(_sequence_size(content[at_body : at_body + min(length, 256)]))
        at = at_body + length
    return sizes


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError("cut short")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned_exponential(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros) if zeros < 32 else 0


def _sequence_size(header: bytes) -> tuple[int, int]:
    """(width, height) of an AV1 sequence header (5.5.1)."""
    bits = _Bits(header)
    bits.take(4)
    if bits.take(1):  # reduced still picture header
        bits.take(5)
    else:
        modelled, delay_bits = 0, 0
        if bits.take(1):  # timing
            bits.take(64)
            if bits.take(1):
                bits.unsigned_exponential()
            modelled = bits.take(1)
            if modelled:
                delay_bits = bits.take(5) + 1
                bits.take(42)
        delayed = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if modelled and bits.take(1):
                bits.take(2 * delay_bits + 1)
            if delayed and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1
