"""How often a mark is found and named in photographs, beside the way that takes the whole picture.

    python benchmarks/photographs.py [--quick] [--grounds FOLDER] [--only GROUP ...]

Photographs of lenses are made of the shared drawings (`_photographed`, other code than what the finder learns from, and
kinds of scenes that are kept out of it: boards, felt and cutting mats, glass that shifts and refracts what lies below,
window panes, tubes and ring lights laid over it). Marks are engraved into real photographs that the finder never saw
(every fifth picture; FOLDER keeps what is fetched, see `_grounds`; left out without it). Then the shared cases and the
carved signs. The base holds all shared drawings and icons, the ones that are photographed too: what is asked is whether
the mark is found and read. Groups: lens, real, cases, carved, time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import _grounds  # noqa: E402
import _photographed as made  # noqa: E402
from accuracy import SHARED, Share, gallery_of, read_data  # noqa: E402

from core.embedding.embedder import Embedder, load_embedder  # noqa: E402
from core.embedding.gallery import Gallery  # noqa: E402
from core.ground.config import Preprocessing, WorkspaceConfig  # noqa: E402
from core.ground.errors import ImageRefused  # noqa: E402
from core.ground.images import decode  # noqa: E402
from core.ground.preprocessing import see  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.recognition.calibrate import Calibration, calibrate  # noqa: E402
from core.recognition.identify import Answer, identify_marks  # noqa: E402
from core.recognition.ranking import rank  # noqa: E402
from core.recognition.views import VIEWS  # noqa: E402
from core.sight import network, proposals  # noqa: E402
from core.sight.groups import overlap  # noqa: E402
from core.sight.marks import FOUND, find_marks, subject  # noqa: E402

GROUPS = ("lens", "real", "cases", "carved", "time")
NEIGHBOURS = WorkspaceConfig().neighbours
RENAMED = {"manette.avif": "omega", "manette.heic": "omega"}  # what is drawn in them, whatever they are called
LIKE = 0.5  # overlap (intersection over union) from which a box is the right one


@dataclass(frozen=True)
class Base:
    """What pictures are held against."""

    embedder: Embedder
    gallery: Gallery
    names: np.ndarray
    calibration: Calibration

    def answers(self, image: Image.Image) -> list[Answer]:
        return identify_marks(
            image, gallery=self.gallery, calibration=self.calibration, embedder=self.embedder, k=NEIGHBOURS
        )

    def classical(self, image: Image.Image) -> tuple[str, str]:
        """Name and verdict when the picture is taken as the mark."""
        vector = self.embedder.embed(see(image, self.embedder.preprocessing)[None])[0]
        classes = rank(vector, self.gallery, k=NEIGHBOURS, top=2)
        return str(self.names[classes[0].class_id]), str(self.calibration.verdict(classes))


@dataclass
class Tally:
    """Counts over pictures of one kind."""

    asked: int = 0
    boxed: int = 0
    named: int = 0
    before: int = 0
    wrong: int = 0
    wrong_before: int = 0
    nothing: int = 0

    def add(self, base: Base, picture: Image.Image, name: str, box: made.Box | None) -> None:
        """``name`` "": there is no mark in the picture."""
        answers = base.answers(picture)
        first = answers[0]
        said = str(base.names[first.classes[0].class_id]) if first.classes else ""
        before, verdict = base.classical(picture)
        self.asked += 1
        self.nothing += first.verdict == "not_found"
        self.boxed += box is not None and first.box is not None and overlap(first.box, box) >= LIKE
        self.named += bool(name) and first.verdict != "not_found" and said == name
        self.before += before == name
        names = [str(base.names[a.classes[0].class_id]) for a in answers if a.verdict == "certain" and a.classes]
        self.wrong += any(certain != name for certain in names)
        self.wrong_before += verdict == "certain" and before != name

    def line(self, label: str) -> str:
        def share(hits: int) -> str:
            return f"{hits:4d} / {self.asked:<4d}{Share(hits, self.asked, self.asked)!s:22}"

        return (
            f"{label:34}{share(self.boxed)}{share(self.named)}{self.before:4d}     "
            f"{self.wrong:3d}{self.wrong_before:7d}  {self.nothing:9d}"
        )


HEAD = (
    f"{'':34}{'box is right':33}{'name is right (rank 1)':33}{'whole':9}{'certain, wrong':15}{'no mark found'}\n"
    f"{'':34}{'':33}{'':33}{'picture':9}{'now  before':15}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a third of the pictures")
    parser.add_argument("--grounds", type=Path, metavar="FOLDER", help="where photographs of free licence are kept")
    parser.add_argument("--only", nargs="*", choices=GROUPS, default=GROUPS)
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    cv2.setNumThreads(2)
    with tempfile.TemporaryDirectory() as folder:
        base = drawings_base(Path(folder))
        print(f"{len(base.gallery)} references of {len(base.names)} classes\n\n{HEAD}", flush=True)
        count = 20 if options.quick else 60
        grounds = list(_grounds.pictures(options.grounds, held_out=True).values()) if options.grounds else []
        if "lens" in options.only:
            drawn(base, count)
            lenses(base, count, "bold", made.BOLD, 24)
            lenses(base, count, "plain", made.PLAIN, 23)
            lenses(base, count, "faint", made.FAINT, 21)
        if "real" in options.only and grounds:
            real(base, grounds, 14 if options.quick else 40)
        if "cases" in options.only:
            cases(base)
        if "carved" in options.only:
            carved(base, draws=2 if options.quick else 5)
        if "time" in options.only:
            timed()


def drawings_base(folder: Path, preprocessing: Preprocessing | None = None) -> Base:
    """All shared drawings and icons."""
    workspace = Workspace(folder)
    workspace.save_config(WorkspaceConfig(preprocessing=preprocessing or Preprocessing()))
    embedder = load_embedder(workspace)
    data = read_data(every=100)
    images, names = [*data.drawings.images, *data.icons.images], np.append(data.drawings.names, data.icons.names)
    vectors = np.stack([v for v in embedder.embed_images(images) if isinstance(v, np.ndarray)])
    gallery, classes = gallery_of(names, vectors, np.arange(len(names)))
    return Base(embedder, gallery, classes, calibrate(gallery, k=NEIGHBOURS))


# ---- made photographs


def _drawings(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Shared drawings without end, of one class after another."""
    folders = sorted(p for p in (SHARED / "gravures" / "raw_gravures").iterdir() if p.is_dir())
    while True:
        for i in rng.permutation(len(folders)):
            files = sorted(folders[i].glob("*.png"))
            path = files[int(rng.integers(len(files)))]
            yield path.parent.name, np.asarray(decode(path).convert("L"))


def lenses(base: Base, count: int, kind: str, depth: tuple[float, float], seed: int) -> None:
    tallies = {framing: Tally() for framing in made.FRAMINGS}
    without = Tally()
    drawings = _drawings(np.random.default_rng(7))
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        name, drawing = next(drawings)
        negative = made.lens(drawing, rng, depth=depth)
        for framing in made.FRAMINGS:
            photograph = made.developed(negative, framing, rng)
            tallies[framing].add(base, Image.fromarray(photograph.picture), name, photograph.box)
        if i % 2 == 0:
            empty = made.developed(made.lens(None, rng), "whole photograph", rng)
            without.add(base, Image.fromarray(empty.picture), "", None)
    for framing, tally in tallies.items():
        print(tally.line(f"{kind}: {framing}"), flush=True)
    print(without.line("lens without a mark"), flush=True)


def drawn(base: Base, count: int) -> None:
    tally, drawings = Tally(), _drawings(np.random.default_rng(7))
    for _ in range(count):
        name, drawing = next(drawings)
        tally.add(base, Image.fromarray(drawing), name, None)
    print(tally.line("the drawing itself"), flush=True)


def real(base: Base, grounds: Sequence[np.ndarray], count: int) -> None:
    with_mark, without = Tally(), Tally()
    drawings = _drawings(np.random.default_rng(8))
    order = np.random.default_rng(9).permutation(len(grounds))
    for i in range(count):
        rng = np.random.default_rng([22, i])
        name, drawing = next(drawings)
        photograph = made.engraved(drawing, grounds[order[i % len(grounds)]], rng)
        with_mark.add(base, Image.fromarray(photograph.picture), name, photograph.box)
        empty = made.engraved(None, grounds[order[(i + count) % len(grounds)]], rng)
        without.add(base, Image.fromarray(empty.picture), "", None)
    print(with_mark.line("engraved in real photographs"))
    print(without.line("real photographs without a mark"), flush=True)


# ---- the shared pictures


def cases(base: Base) -> None:
    tally, missed = Tally(), []
    for path in sorted((SHARED / "cases").iterdir()):
        name = RENAMED.get(path.name) or path.stem.partition("__")[2] or path.stem
        if path.suffix == ".zip":
            continue
        try:
            picture = decode(path)
        except ImageRefused:
            missed.append(f"{path.name} (not opened)")
            continue
        named = tally.named
        tally.add(base, picture, name, None)
        if tally.named == named:
            missed.append(path.name)
    print(tally.line("cases"))
    print(f"{'':4}not named: {', '.join(missed)}", flush=True)


def carved(base: Base, *, draws: int) -> None:
    """Carved signs among themselves, one, two and five references a class, the others asked, seen in every way."""
    files = sorted((SHARED / "photos" / "carved").glob("*/*.png"))
    names = np.array([path.parent.name for path in files])
    images = [decode(path) for path in files]
    found = sum(bool((marks := find_marks(image, most=1)) and marks[0].sure >= FOUND) for image in images)
    print(f"\ncarved signs, rank 1 in per cent with 1 / 2 / 5 references; a mark is found in {found} of {len(images)}")
    looked_at = [subject(image, base.embedder.preprocessing) for image in images]
    found_or_whole = np.stack([see(one.picture, base.embedder.preprocessing) for one in looked_at])
    ways: dict[str, Callable[[], np.ndarray]] = {
        "found or whole, strokes alone": lambda: base.embedder.embed(found_or_whole),
        "found or whole, as embedded": lambda: base.embedder.embed(found_or_whole, looked_at),
    }

    def whole(embedder: Embedder) -> np.ndarray:
        return embedder.embed(np.stack([see(image, embedder.preprocessing) for image in images]))

    with tempfile.TemporaryDirectory() as folder:
        for view in VIEWS:
            embedder = load_embedder(Workspace(Path(folder)), preprocessing=view)
            ways[f"{view.mode} at {view.size} px, whole"] = partial(whole, embedder)
        for label, way in ways.items():
            vectors = way()
            shares = [_shots(names, vectors, shots, draws) for shots in (1, 2, 5)]
            print(f"{label:34}{'  '.join(str(share) for share in shares)}", flush=True)


def _shots(names: np.ndarray, vectors: np.ndarray, shots: int, draws: int) -> Share:
    hits = asked = 0
    for draw in range(draws):
        rng = np.random.default_rng([3, draw])
        chosen = np.zeros(len(names), bool)
        for name in np.unique(names):
            chosen[rng.permutation(np.flatnonzero(names == name))[:shots]] = True
        near = (vectors[~chosen] @ vectors[chosen].T).argmax(axis=1)
        hits += int((names[chosen][near] == names[~chosen]).sum())
        asked += int((~chosen).sum())
    return Share(hits, asked, len(names))


# ---- time


def timed() -> None:
    """From a file's bytes to the strokes of its surest mark, and the parts of that, beside one pass of the network over
    512 x 512 pixels and beside the way that takes the whole picture: in turns, so that all share what else runs."""
    rng = np.random.default_rng(5)
    drawing = next(_drawings(rng))[1]
    negative = made.lens(drawing, rng)
    shown = {
        "whole, 4000 x 3000": made.developed(negative, "whole photograph", rng).picture,
        "a quarter, 512 x 512": _sized(made.developed(negative, "a quarter of the frame", rng).picture, 512),
        "without a mark, 512 x 384": _sized(made.developed(made.lens(None, rng), "whole photograph", rng).picture, 512),
        "clean drawing": np.repeat(drawing[..., None], 3, axis=2),
    }
    one = [np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)]
    heads = ("decoded", "found", "read", "together", "network at 512", "whole picture", "network pixels")
    print(f"\n{'ms, median of 9':34}{''.join(f'{head:>16}' for head in heads)}")
    for label, picture in shown.items():
        coded = cv2.imencode(".jpg" if label != "clean drawing" else ".png", picture[..., ::-1])[1].tobytes()
        spent: list[list[float]] = [[] for _ in range(5)]
        for _ in range(9):
            at = [time.perf_counter()]
            image = decode(coded)
            at.append(time.perf_counter())
            marks = find_marks(image)
            at.append(time.perf_counter())
            see(marks[0].picture if marks else image, Preprocessing())
            at.append(time.perf_counter())
            network.look(one)
            at.append(time.perf_counter())
            see(image, Preprocessing())
            at.append(time.perf_counter())
            for i in range(5):
                spent[i].append(1000 * (at[i + 1] - at[i]))
        decoded, found, read, peer, whole = (sorted(part)[4] for part in spent)
        times = "".join(f"{ms:16.1f}" for ms in (decoded, found, read, decoded + found + read, peer, whole))
        print(f"{label:34}{times}{_looked_at(image):16,d}", flush=True)


def _sized(picture: np.ndarray, side: int) -> np.ndarray:
    factor = side / max(picture.shape[:2])
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def _looked_at(image: Image.Image) -> int:
    """How many pixels the networks are given until the strokes of the surest mark are read."""
    count = 0

    def counted(pictures: list[np.ndarray]) -> list[network.Seen]:
        nonlocal count
        count += sum(picture.shape[0] * picture.shape[1] for picture in pictures)
        return network.look(pictures)

    def windows(given: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal count
        count += len(given) * given.shape[-1] * given.shape[-2]
        return read(given, judged)

    read = network.read
    with mock.patch.object(proposals, "look", counted), mock.patch.object(network, "read", windows):
        marks = find_marks(image)
        see(marks[0].picture if marks else image, Preprocessing())
    return count


if __name__ == "__main__":
    main()
