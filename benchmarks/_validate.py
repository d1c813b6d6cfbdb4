"""What settings of `pretrain` are chosen by: handwriting fonts, which are real hands, and classes kept out of training.

The letters that real people drew for a font are asked, with another font's as the gallery. Nothing here is trained on.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _sources import HANDWRITING, members
from PIL import Image, ImageDraw, ImageFont

from core.ground.config import Preprocessing
from core.ground.preprocessing import see

CHARACTERS = "ABDEFGHJKLMNPQRTUVWXYZ2345678&?@abdefghmnrt"  # no two alike in shape
Embed = Callable[[np.ndarray], np.ndarray]


def handwriting(folder: Path, preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the model sees of every character of every font (N, S, S), the character and the font of each."""
    seen, characters, fonts = [], [], []
    for number, source in enumerate(HANDWRITING):
        for _, content in members(source, folder):
            face = ImageFont.truetype(io.BytesIO(content), 110)
            for character in CHARACTERS:
                left, top, right, bottom = face.getbbox(character)
                page = Image.new("L", (int(right - left) + 24, int(bottom - top) + 24), 255)
                ImageDraw.Draw(page).text((12 - left, 12 - top), character, fill=0, font=face)
                seen.append(see(page.convert("RGB"), preprocessing)[..., 0])
                characters.append(character.lower())  # some fonts have capitals for small letters
                fonts.append(number)
    return np.stack(seen), np.array(characters), np.array(fonts)


def report(embed: Embed, folder: Path, preprocessing: Preprocessing, held_out: np.ndarray) -> str:
    """Rank 1 of both in a sentence. ``embed``: (N, S, S) to (N, D), L2-normalised; ``held_out`` (classes, views, S, S),
    of which the first is printed and those from the third on are drawn."""
    seen, characters, fonts = handwriting(folder, preprocessing)
    vectors, right, asked = embed(seen), 0, 0
    for font in np.unique(fonts):
        base = fonts == font
        first = (vectors[~base] @ vectors[base].T).argmax(axis=1)
        right += int((characters[base][first] == characters[~base]).sum())
        asked += int((~base).sum())
    classes = embed(held_out.reshape(-1, *held_out.shape[2:])).reshape(*held_out.shape[:2], -1)
    shares = [100 * right / asked]
    for gallery, queries in ((classes[:, 0], classes[:, 2:6]), (classes[:, 2], classes[:, 3:6])):
        first = np.einsum("cvd,gd->cvg", queries, gallery).argmax(axis=2)
        shares.append(100 * float((first == np.arange(len(classes))[:, None]).mean()))
    return (
        "rank 1: handwriting fonts, one for another, {:.1f} %; classes kept out, icons to drawings {:.1f} %, "
        "drawings to drawings {:.1f} %"
    ).format(*shares)
