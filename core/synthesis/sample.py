"""The sample: two dozen invented classes of marks, drawn by `core.synthesis.drawing`, to try Burin on.

Written only into a workspace without images, listed with their hashes in ``data/sample.json``,
and removed by that list. It is no real data and says so wherever it is shown. A few near copies and wrong labels are
planted in it, for the pages that look for such. What else the sample has is laid out by `core.showcase`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image, ImageOps

from core.collection.dataset import Dataset
from core.collection.walk import walk
from core.ground.config import Kind
from core.ground.errors import Conflict, NotFound
from core.ground.images import content_hash, decode, encode_png
from core.ground.names import folder_for, is_plain
from core.ground.rights import Actor
from core.ground.workspace import Workspace, write_atomic
from core.synthesis.drawing import Style, draw
from core.synthesis.hands import HANDS, random_hand
from core.synthesis.marks import FENCES, LETTERS, SIGNS, fenced, written
from core.synthesis.strokes import Stroke, Template, path, placed

MANIFEST = "sample.json"  # in the workspace's data folder

_PEOPLE = 7  # hands that share the work
_INVENTED = "Invented for Burin's sample: not a real mark."


@dataclass(frozen=True)
class SampleClass:
    """One class: its name, its form, how many originals of each kind, and its display fields."""

    name: str
    template: Template
    drawings: int
    photos: int = 0
    icons: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def styles(self) -> tuple[Style, ...]:
        counted: tuple[tuple[Style, int], ...] = (
            ("drawing", self.drawings),
            ("photo", self.photos),
            ("icon", self.icons),
        )
        return tuple(style for style, count in counted for _ in range(count))


@dataclass(frozen=True)
class SampleImage:
    """One original: its class, file name, kind and bytes. ``shows``: the class that a planted wrong label really is
    of; ``copy_of``: the file of the same class that a planted near copy was made from."""

    class_name: str
    file: str
    kind: Kind
    data: bytes
    shows: str = ""
    copy_of: str = ""


def _product(maker: str, product: str) -> dict[str, str]:
    return {"maker": f"{maker} (sample)", "product": product, "note": _INVENTED}


def _over(inner: Sequence[Stroke], *signs: str) -> list[Stroke]:
    """``inner`` with signs under and over it, from the top: ``_over(x, "bar", "", "bar")`` puts x between bars."""
    here = signs.index("")
    out = list(inner)
    for i, sign in enumerate(signs):
        if sign:
            out += placed(SIGNS[sign], -0.25, 0.3 + (i - here) * 0.72, 1.5, 0.4)
    return out


_E = placed(LETTERS["e"], 0, 0, 0.8, 1)
_SL = [s for i, letter in enumerate("sl") for s in placed(LETTERS[letter], i * 0.62, 0, 0.5, 1)]
_PAREN_E = Template.of(fenced(_E, left="("))
_BRACKET_SL = Template.of([*_SL, *placed(FENCES["["], -0.55, -0.15, 0.38, 1.3)])
_MOON = Template.of(SIGNS["moon"])
_ARROW = Template.of(SIGNS["arrow"])
_RAYS = [path((-0.85, 0.2), (-0.2, 0.3)), path((-0.9, 0.56), (-0.24, 0.56)), path((-0.8, 0.95), (-0.2, 0.8))]
_PERCENT = [*placed(SIGNS["circle"], 0, 0, 0.36, 0.36), *placed(SIGNS["circle"], 0.64, 0.64, 0.36, 0.36)]
_DOTS = [s for x, y in ((0.4, 0), (0, 0.7), (0.8, 0.7)) for s in placed(SIGNS["dot"], x, y, 0.2, 0.2)]

CLASSES: tuple[SampleClass, ...] = (
    SampleClass("(e", _PAREN_E, 15, 2, 1, _product("Atelier Lumen", "Lumen One")),
    SampleClass("e)", _PAREN_E.mirrored(), 12, 2, 0, _product("Atelier Lumen", "Lumen One, left")),
    SampleClass("(e)", Template.of(fenced(_E, left="(", right="(")), 8, 1, 0, _product("Atelier Lumen", "Lumen Duo")),
    SampleClass("---e", Template.of([*_E, *_RAYS]), 11, 1),
    SampleClass("[sl", _BRACKET_SL, 8, 0, 0, _product("Maison Verre", "SL 14")),
    SampleClass("ls]", _BRACKET_SL.mirrored(), 5),
    SampleClass("_x_", Template.of(_over(LETTERS["x"], "bar", "", "bar")), 10, 1),
    SampleClass("{s}", Template.of(fenced(placed(LETTERS["s"], 0.1, 0, 0.7, 1), left="{", right="{")), 6, 1),
    SampleClass("étoile", Template.of(SIGNS["star"]), 16, 3, 1, _product("Étoile Optique", "Nova")),
    SampleClass("^", Template.of(SIGNS["peak"]), 14, 2),
    SampleClass("lune à droite", _MOON, 10, 2, 1, _product("Étoile Optique", "Luna D")),
    SampleClass("lune à gauche", _MOON.mirrored(), 4),
    SampleClass("->", _ARROW, 8, 1, 1),
    SampleClass("<-", _ARROW.mirrored(), 6),
    SampleClass("vague", Template.of(SIGNS["wave"]), 8, 1),
    SampleClass("ø", Template.of(SIGNS["crossed"]), 12, 2, 1, _product("Nordlys Test", "Null")),
    SampleClass("œil", Template.of(SIGNS["eye"]), 6, 1, 1),
    SampleClass("Ω", Template.of(SIGNS["omega"]), 10, 2, 0, _product("Maison Verre", "Ohm")),
    SampleClass("π", Template.of(SIGNS["pi"]), 8, 1, 1),
    SampleClass("sablier", Template.of(SIGNS["hourglass"]), 3),
    SampleClass("ancre", Template.of(SIGNS["anchor"]), 5, 1, 1, _product("Atelier Lumen", "Lumen One")),
    SampleClass("100%", Template.of([*_PERCENT, path((0.85, 0.02), (0.15, 0.98))]), 3),
    SampleClass("...", Template.of(_DOTS), 3),
    SampleClass("=A", Template.of(_over(written("A"), "", "bar", "bar")), 4),
)

# Drawings of the second class that lie in the folder of the first.
WRONG_LABELS = (("ancre", "étoile"), ("vague", "ø"), ("π", "^"))
# Drawings that lie a second time in their class's folder: on a larger page, white on black, made smaller.
NEAR_COPIES: tuple[tuple[str, int, Callable[[Image.Image], Image.Image]], ...] = (
    ("(e", 3, lambda image: ImageOps.expand(image, 10, "white")),
    ("étoile", 5, ImageOps.invert),
    ("ø", 2, lambda image: image.resize((image.width * 3 // 4,) * 2)),
)
PLANTED = len(WRONG_LABELS) + len(NEAR_COPIES)


def make_sample(workspace: Workspace, *, seed: int = 7, on_progress: Callable[[int, int], None] | None = None) -> int:
    """Write the sample into ``workspace`` and say so in its settings; how many images.

    The same seed gives the same files. Raises `Conflict` where there are images already.
    """
    workspace.allow("sample")
    workspace = workspace.acting_as(Actor("sample"))
    dataset = Dataset(workspace)
    held = dataset.counts()
    if held.originals or held.trash or walk(workspace).files:
        raise Conflict("This workspace already holds images: the sample goes into an empty one.")
    total = sum(len(c.styles) for c in CLASSES) + PLANTED
    images = []
    for image in sample_images(seed=seed):
        images.append(image)
        if on_progress:
            on_progress(len(images), total)
    _write(workspace, images, seed)
    workspace.save_config(workspace.config().with_(sample=True))
    dataset.rescan()
    _describe(dataset, images)
    return total


def remove_sample(workspace: Workspace) -> int:
    """Delete the sample's images, wherever they were moved to; how many.

    What the user added stays, and so does a sample image whose content was changed, a class that
    still holds something, and every field that was edited. Raises `NotFound` without a sample.
    """
    workspace.allow("sample")
    workspace = workspace.acting_as(Actor("sample"))
    manifest, dataset = _manifest(workspace), Dataset(workspace)
    hashes = {entry["sha256"] for entry in manifest["files"]}
    sizes = {entry["size"] for entry in manifest["files"]}
    removed = 0
    for found in walk(workspace).files.values():
        path = workspace.data / found.place
        if found.size in sizes and content_hash(path.read_bytes()) in hashes:
            path.unlink()
            removed += 1
    invented = {c.name: c.fields for c in CLASSES}
    for record in dataset.classes():
        ours = [key for key, value in invented.get(record.name, {}).items() if record.fields.get(key) == value]
        if ours:
            dataset.edit_fields(record.id, **dict.fromkeys(ours))
    for folder in filter(is_plain, manifest["folders"]):
        with suppress(OSError):  # gone, or not empty
            (workspace.raw / folder).rmdir()
    dataset.rescan()
    workspace.save_config(workspace.config().with_(sample=False))
    (workspace.data / MANIFEST).unlink()
    return removed


def remove_too(workspace: Workspace, *files: Path) -> None:
    """Let `remove_sample` remove files of these contents as well, should they become originals."""
    manifest = _manifest(workspace)
    for file in files:
        content = file.read_bytes()
        manifest["files"].append({"path": "", "sha256": content_hash(content), "size": len(content)})
    _save(workspace, manifest)


def sample_images(*, seed: int = 7) -> Iterator[SampleImage]:
    """Every image of the sample, class by class, then what is planted; the same seed gives the same bytes."""
    images = list(_drawn(seed))
    yield from images
    yield from _planted(images, seed)


def wrong_files() -> list[str]:
    """Where the planted wrong labels lie, as folder/file."""
    return [f"{folder_for(label)}/{_next_file(label)}" for label, _shows in WRONG_LABELS]


def _next_file(name: str) -> str:
    """What a planted image of this class's folder is called."""
    return f"sample_{sum(len(c.styles) for c in CLASSES if c.name == name) + 1:02d}.png"


def _drawn(seed: int) -> Iterator[SampleImage]:
    people = [random_hand(np.random.default_rng([seed, 0, person])) for person in range(_PEOPLE)]
    for number, sample in enumerate(CLASSES, start=1):
        for i, style in enumerate(sample.styles):
            rng = np.random.default_rng([seed, number, i])
            hand = people[int(rng.integers(_PEOPLE))]
            sizes = {"drawing": (96, 128, 160, 192, 224, 256), "photo": (224, 256, 300), "icon": (96, 128, 160)}[style]
            picture = draw(sample.template, rng, hand=hand, style=style, size=int(rng.choice(sizes)))
            if style == "photo":
                buffer = io.BytesIO()
                picture.save(buffer, "JPEG", quality=int(rng.integers(80, 93)))
                yield SampleImage(sample.name, f"sample_{i + 1:02d}.jpg", style, buffer.getvalue())
            else:
                yield SampleImage(sample.name, f"sample_{i + 1:02d}.png", style, encode_png(picture))


def _planted(images: Sequence[SampleImage], seed: int) -> Iterator[SampleImage]:
    """Wrong labels and near copies of these images, under the next numbers of their folders."""
    templates, careful = {c.name: c.template for c in CLASSES}, HANDS["careful"]
    for place, (label, shows) in enumerate(WRONG_LABELS):
        rng = np.random.default_rng([seed, 132, place])
        data = encode_png(draw(templates[shows], rng, hand=careful, size=192))
        yield SampleImage(label, _next_file(label), "drawing", data, shows=shows)
    for name, which, changed in NEAR_COPIES:
        file = f"sample_{which:02d}.png"
        (original,) = (image for image in images if image.class_name == name and image.file == file)
        data = encode_png(changed(decode(original.data)))
        yield SampleImage(name, _next_file(name), "drawing", data, copy_of=file)


def _write(workspace: Workspace, images: Sequence[SampleImage], seed: int) -> None:
    """The list first, so that whatever a crash leaves behind can be removed by it."""
    files = [
        {
            "path": f"{folder_for(image.class_name)}/{image.file}",
            "sha256": content_hash(image.data),
            "size": len(image.data),
        }
        for image in images
    ]
    folders = [folder for c in CLASSES if not (workspace.raw / (folder := folder_for(c.name))).exists()]
    manifest = {"seed": seed, "folders": folders, "files": files}
    _save(workspace, manifest)
    for entry, image in zip(files, images, strict=True):
        write_atomic(workspace.raw / str(entry["path"]), image.data)


def _save(workspace: Workspace, manifest: dict[str, Any]) -> None:
    write_atomic(workspace.data / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def _describe(dataset: Dataset, images: Sequence[SampleImage]) -> None:
    """State what each image is, since a guess may err, and fill the display fields."""
    kinds = {content_hash(image.data): image.kind for image in images}
    for kind in get_args(Kind):
        dataset.set_kind([i.id for i in dataset.items(limit=None) if kinds.get(i.sha256) == kind], kind)
    fields = {c.name: c.fields for c in CLASSES if c.fields}
    for record in dataset.classes():
        if record.name in fields:
            dataset.edit_fields(record.id, **fields[record.name])


def _manifest(workspace: Workspace) -> dict[str, Any]:
    place: Path = workspace.data / MANIFEST
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotFound("This workspace holds no sample.") from error
