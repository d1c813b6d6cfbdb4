"""Label safety: whether an augmented image still is what its label says, as the model sees it.

A draw is unsafe when it lies nearer to another class than to its own. Flips and turns are tried
exactly on every class, to find its twins; all transforms are measured by draws. It measures and
says what must be left out; `core.variation.writer` leaves it out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import ImageRefused
from core.variation.augment import Draw, draw, draw_seed
from core.variation.policies import Policy, Step
from core.variation.sources import Original
from core.variation.transforms import _

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder, Picture

TOLERANCE = 0.15  # share of unsafe draws above which a transform is left out for a class
TWIN_SHARE = 0.5  # share of a class's flipped or turned originals that must land in another class to call it a twin
WHOLE = ""  # in place of a transform's name: all steps together, as they would be written

Symmetry = tuple[int, bool]  # (quarter turns anticlockwise, mirrored before)

SYMMETRIES: dict[Symmetry, str] = {
    (0, True): _("mirrored left to right"),
    (2, True): _("mirrored top to bottom"),
    (1, False): _("turned by 90° to the left"),
    (2, False): _("turned by 180°"),
    (3, False): _("turned by 90° to the right"),
    (1, True): _("mirrored and turned to the left"),
    (3, True): _("mirrored and turned to the right"),
}


@dataclass(frozen=True)
class References:
    """Originals with their vectors (N, D) float32, L2-normalised, sorted by class folder; ``owners`` (N,)
    index ``folders``."""

    space: str
    originals: tuple[Original, ...]
    vectors: np.ndarray
    refused: tuple[FileOutcome, ...] = ()

    @cached_property
    def folders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(original.folder for original in self.originals))

    @cached_property
    def names(self) -> dict[str, str]:
        return {original.folder: original.class_name for original in self.originals}

    @cached_property
    def owners(self) -> np.ndarray:
        number = {folder: i for i, folder in enumerate(self.folders)}
        return np.array([number[original.folder] for original in self.originals], dtype=np.int64)

    @cached_property
    def starts(self) -> np.ndarray:
        return np.searchsorted(self.owners, np.arange(len(self.folders)))

    @cached_property
    def rows(self) -> dict[Original, int]:
        return {original: i for i, original in enumerate(self.originals)}

    @cached_property
    def typical(self) -> float:
        """How near members of one class are to each other: the first quartile, over up to 20 originals a class,
        of the cosine similarity to the nearest other one of the class. 1 where no class has two."""
        found: list[float] = []
        for number in range(len(self.folders)):
            some = self.vectors[self.owners == number][:20]
            alike = some @ some.T
            np.fill_diagonal(alike, -np.inf)
            found += alike.max(axis=1).tolist() if len(some) > 1 else []
        return float(np.quantile(found, 0.25)) if found else 1.0

    def of(self, folder: str) -> list[Original]:
        return [original for original in self.originals if original.folder == folder]

    def nearest(self, vectors: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For vectors (M, D) of the classes ``owners`` (M,): the similarity to the nearest reference of the own
        class, to the nearest of any other (-1 where there is no other), and which class that is (-1)."""
        rows = np.arange(len(vectors))
        best = np.maximum.reduceat(vectors @ self.vectors.T, self.starts, axis=1)
        own = best[rows, owners].copy()
        best[rows, owners] = -np.inf
        other = best.argmax(axis=1)
        similarity = best[rows, other]
        alone = ~np.isfinite(similarity)
        return own, np.where(alone, -1.0, similarity), np.where(alone, -1, other)


@dataclass(frozen=True)
class Judged:
    """One draw: how far it ``moved`` from its original (1 - cosine), the ``margin`` by which it is nearer to
    its own class than to the ``nearest`` other one (its name; "" where there is none), the ``similarity`` to
    that one, and whether it is ``unsafe``: margin below 0."""

    moved: float
    margin: float
    nearest: str
    similarity: float

    @property
    def unsafe(self) -> bool:
        return self.margin < 0


@dataclass(frozen=True)
class Row:
    """One transform (or `WHOLE`) on one class: the number of ``draws``, means of `Judged.moved` and
    ``margin``, the ``worst`` margin, how many were ``unsafe``, and the class (``towards``) that those, or else
    all, came nearest to."""

    folder: str
    class_name: str
    transform: str
    draws: int
    moved: float
    margin: float
    worst: float
    unsafe: int
    towards: str

    @property
    def share(self) -> float:
        return self.unsafe / self.draws


@dataclass(frozen=True)
class Twin:
    """A class whose originals come nearer to another class than to their own under a symmetry: a ``share``
    of them did, with this mean cosine ``similarity``.

    ``genuine``: they are as near to it as its own members are, `(e` mirrored and `e)`; otherwise the
    symmetry takes them out of their class without making them another.
    """

    folder: str
    class_name: str
    symmetry: Symmetry
    twin_folder: str
    twin_name: str
    share: float
    similarity: float
    genuine: bool

    @property
    def title(self) -> str:
        return SYMMETRIES[self.symmetry]


@dataclass(frozen=True)
class Refusal:
    """A transform that is left out for a class, and why: it leads to a genuine ``twin``, a flip or turn leads
    ``out`` of the class, or too many ``draws`` are unsafe; ``towards`` names the other class."""

    folder: str
    class_name: str
    transform: str
    reason: Literal["twin", "out", "draws"]
    towards: str
    share: float


@dataclass(frozen=True)
class SafetyReport:
    """What `check` found for one policy in one embedding space."""

    policy: Policy
    space: str
    tolerance: float
    rows: tuple[Row, ...]
    twins: tuple[Twin, ...]
    refusals: tuple[Refusal, ...]
    outcomes: tuple[FileOutcome, ...] = field(default=(), repr=False)

    @property
    def safe(self) -> bool:
        return not self.refusals

    def refused(self, folder: str) -> frozenset[str]:
        """The transforms that are left out for a class."""
        return frozenset(refusal.transform for refusal in self.refusals if refusal.folder == folder)

    def policy_for(self, folder: str) -> Policy:
        """The policy as it is written for a class."""
        return self.policy.without(self.refused(folder))

    def records(self) -> list[dict[str, Any]]:
        """The rows as plain records, for a table or a plot."""
        return [asdict(row) | {"share": row.share} for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy.to_json(),
            "space": self.space,
            "tolerance": self.tolerance,
            "rows": self.records(),
            "twins": [asdict(twin) for twin in self.twins],
            "refusals": [asdict(refusal) for refusal in self.refusals],
        }


def references(originals: Sequence[Original], embedder: Embedder, dataset: Dataset | None = None) -> References:
    """Embed ``originals``, with the vectors that ``dataset`` has already; unreadable ones are listed in
    ``refused`` and left out."""
    originals = sorted(originals, key=lambda original: original.folder)
    known: dict[int, np.ndarray] = {}
    if dataset is not None:
        ids, _classes, _kinds, matrix = dataset.vectors(embedder.space)
        known = dict(zip(ids.tolist(), matrix, strict=True))
    missing = [o for o in originals if o.item_id is None or o.item_id not in known]
    fresh = dict(zip(missing, embedder.embed_images(o.read for o in missing), strict=True))
    kept, vectors, refused = [], [], []
    for original in originals:
        vector = fresh[original] if original in fresh else known[original.item_id or 0]
        if isinstance(vector, ImageRefused):
            refused.append(FileOutcome(f"{original.folder}/{original.path.name}", "refused", vector))
        else:
            kept.append(original)
            vectors.append(vector)
    matrix = np.stack(vectors) if vectors else np.empty((0, embedder.dimension), np.float32)
    return References(embedder.space, tuple(kept), matrix, tuple(refused))


def judge(draws: Sequence[Draw], original: Original, refs: References, embedder: Embedder) -> list[Judged]:
    """How safe each draw of ``original``, one of the references, is."""
    return list(_judged(((original, each.image) for each in draws), refs, embedder))


def check(
    policy: Policy,
    refs: References,
    embedder: Embedder,
    *,
    folders: Iterable[str] | None = None,
    seed: int = 0,
    per_class: int = 4,
    draws: int = 2,
    tolerance: float = TOLERANCE,
    on_progress: Callable[[int, int], None] | None = None,
) -> SafetyReport:
    """Measure ``policy`` on up to ``per_class`` originals of each class (or of these ``folders``), by ``draws``
    draws for each transform alone, and as many for what remains of the policy together.

    A transform is refused for a class when a twin can be reached with it, or when more than
    ``tolerance`` of its draws are unsafe. When the remaining steps are unsafe together, the one
    that moves the image farthest is refused, until they are safe.
    """
    steps = [step for step in policy.steps if step.probability > 0]
    steps = [step for step in policy.steps if step.probability > 0]
    names = list(dict.fromkeys(step.transform for step in steps))
    chosen = list(refs.folders if folders is None else [f for f in refs.folders if f in set(folders)])
    found = twins(refs, embedder, folders=chosen, symmetries=reachable(steps), per_class=2 * per_class)
    some = {folder: _spread(refs.of(folder), per_class) for folder in chosen}
    certain = [replace(step, probability=1.0) for step in steps]
    alone = {n: replace(policy, steps=tuple(step for step in certain if step.transform == n)) for n in names}
    trials = [_Trial(folder, name, alone[name], draws) for folder in chosen for name in names]
    rows = _measured(trials, some, refs, embedder, seed, on_progress)

    left_out = {folder: _by_twins(steps, [twin for twin in found if twin.folder == folder]) for folder in chosen}
    for row in rows:
        if row.share > tolerance and row.transform not in left_out[row.folder]:
            left_out[row.folder][row.transform] = _refusal(row, row.transform)
    moved = {(row.folder, row.transform): row.moved for row in rows}
    waiting = chosen
    while waiting:
        trials = [_Trial(folder, WHOLE, policy.without(left_out[folder]), 2 * draws) for folder in waiting]
        waiting = []
        for row, trial in zip(_measured(trials, some, refs, embedder, seed, None), trials, strict=True):
            if row.share <= tolerance or not trial.policy.steps:
                rows.append(row)
                continue
            rest = [step.transform for step in trial.policy.steps]
            farthest = max(rest, key=lambda name, folder=row.folder: moved.get((folder, name), -1.0))  # type: ignore[misc]
            left_out[row.folder][farthest] = _refusal(row, farthest)
            waiting.append(row.folder)
    refusals = tuple(refusal for folder in chosen for refusal in left_out[folder].values())
    return SafetyReport(policy, refs.space, tolerance, tuple(rows), tuple(found), refusals, refs.refused)


def twins(
    refs: References,
    embedder: Embedder,
    *,
    folders: Sequence[str] | None = None,
    symmetries: Iterable[Symmetry] = tuple(SYMMETRIES),
    per_class: int = 8,
) -> list[Twin]:
    """The classes that a flip or a turn makes into another class, tried on up to ``per_class`` originals each."""
    tried = [symmetry for symmetry in SYMMETRIES if symmetry in set(symmetries)]
    pairs = [
        (original, symmetry)
        for folder in (refs.folders if folders is None else folders)
        for original in _spread(refs.of(folder), per_class)
        for symmetry in tried
    ]
    read = lru_cache(maxsize=64)(Original.read)
    pictures = ((o, lambda o=o, s=s: _turned(read(o), s)) for o, s in pairs)
    landed: dict[tuple[str, Symmetry], list[Judged]] = {}
    for (original, symmetry), judged in zip(pairs, _judged(pictures, refs, embedder), strict=True):
        landed.setdefault((original.folder, symmetry), []).append(judged)
    found = []
    folder_of = {name: folder for folder, name in refs.names.items()}
    for (folder, symmetry), each in landed.items():
        out = [judged for judged in each if judged.unsafe]
        if out and len(out) >= TWIN_SHARE * len(each):
            name, _count = Counter(judged.nearest for judged in out).most_common(1)[0]
            similarity = float(np.mean([judged.similarity for judged in out if judged.nearest == name]))
            share = len(out) / len(each)
            pair = (refs.names[folder], symmetry, folder_of[name], name)
            found.append(Twin(folder, *pair, share, similarity, similarity >= refs.typical))
    sure = {(twin.twin_folder, twin.folder, _undone(twin.symmetry)) for twin in found if twin.genuine}
    return [replace(t, genuine=True) if (t.folder, t.twin_folder, t.symmetry) in sure else t for t in found]


def reachable(steps: Iterable[Step]) -> set[Symmetry]:
    """The flips and turns that a draw of these steps can amount to, the identity left out. A rotation
    counts as the quarter turns that it comes within 45 degrees of."""
    reached: set[Symmetry] = {(0, False)}
    for step in steps:
        reached |= {_then(before, after) for before in reached for after in _own(step)}
    return reached - {(0, False)}


def _own(step: Step) -> set[Symmetry]:
    if step.transform == "flip_horizontal":
        return {(0, True)}
    if step.transform == "flip_vertical":
        return {(2, True)}
    if step.transform == "quarter_turn":
        low, high = step.ranges["turns"]
        return {(turns % 4, False) for turns in range(int(low), int(high) + 1)}
    if step.transform == "rotate":
        low, high = step.ranges["angle"]
        return {(turns % 4, False) for turns in (-2, -1, 1, 2) if low < 90 * turns + 45 and high > 90 * turns - 45}
    return set()


def _then(before: Symmetry, after: Symmetry) -> Symmetry:
    """One symmetry after another: a mirror turns the sense of the turns before it."""
    turns = after[0] + (-before[0] if after[1] else before[0])
    return turns % 4, before[1] != after[1]


def _undone(symmetry: Symmetry) -> Symmetry:
    return symmetry if symmetry[1] else (-symmetry[0] % 4, False)


def _turned(picture: Image.Image, symmetry: Symmetry) -> Image.Image:
    pixels = np.asarray(picture)
    pixels = pixels[:, ::-1] if symmetry[1] else pixels
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, symmetry[0])))


def _by_twins(steps: Sequence[Step], own: Sequence[Twin]) -> dict[str, Refusal]:
    """The steps to leave out so that no twin can be reached: those that reach one alone, and if two still
    do together, both."""
    by_symmetry = {twin.symmetry: twin for twin in own}
    left_out: dict[str, Refusal] = {}

    def leave(step: Step, reached: set[Symmetry]) -> None:
        twin = by_symmetry[next(s for s in SYMMETRIES if s in reached and s in by_symmetry)]
        left_out[step.transform] = Refusal(
            twin.folder, twin.class_name, step.transform, "twin" if twin.genuine else "out", twin.twin_name, twin.share
        )

    for step in steps:
        if _own(step) & by_symmetry.keys():
            leave(step, _own(step))
    rest = [step for step in steps if step.transform not in left_out and _own(step)]
    if reached := reachable(rest) & by_symmetry.keys():
        for step in rest:
            leave(step, reached)
    return left_out


@dataclass(frozen=True)
class _Trial:
    folder: str
    transform: str
    policy: Policy
    draws: int


def _measured(
    trials: Sequence[_Trial],
    some: Mapping[str, Sequence[Original]],
    refs: References,
    embedder: Embedder,
    seed: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[Row]:
    """One row a trial, all drawn and embedded in one stream."""
    work = [
        (trial, original, draw_seed(seed, original.sha256, number))
        for trial in trials
        for original in some[trial.folder]
        for number in range(trial.draws)
    ]
    read = lru_cache(maxsize=64)(Original.read)
    pictures = ((o, lambda t=t, o=o, s=s: draw(read(o), t.policy, seed=s).image) for t, o, s in work)
    judged: dict[tuple[str, str], list[Judged]] = {}
    for done, ((trial, *_rest), each) in enumerate(zip(work, _judged(pictures, refs, embedder), strict=True), start=1):
        judged.setdefault((trial.folder, trial.transform), []).append(each)
        if on_progress and done % 50 == 0:
            on_progress(done, len(work))
    return [_row(trial, refs.names[trial.folder], judged[trial.folder, trial.transform]) for trial in trials]


def _row(trial: _Trial, class_name: str, judged: Sequence[Judged]) -> Row:
    unsafe = [each for each in judged if each.unsafe]
    return Row(
        folder=trial.folder,
        class_name=class_name,
        transform=trial.transform,
        draws=len(judged),
        moved=float(np.mean([each.moved for each in judged])),
        margin=float(np.mean([each.margin for each in judged])),
        worst=min(each.margin for each in judged),
        unsafe=len(unsafe),
        towards=Counter(each.nearest for each in unsafe or judged).most_common(1)[0][0],
    )


def _refusal(row: Row, transform: str) -> Refusal:
    return Refusal(row.folder, row.class_name, transform, "draws", row.towards, row.share)


def _judged(pictures: Iterable[tuple[Original, Picture]], refs: References, embedder: Embedder) -> Iterator[Judged]:
    """Each picture beside the original it was made from, in order; pictures are made in the embedder's threads."""
    owners: deque[Original] = deque()

    def feed() -> Iterator[Picture]:
        for original, picture in pictures:
            owners.append(original)
            yield picture

    vectors = embedder.embed_images(feed())
    while block := list(islice(vectors, 256)):
        if failed := next((each for each in block if isinstance(each, ImageRefused)), None):
            raise failed  # it could be read a moment ago
        matrix = np.stack([np.asarray(vector) for vector in block])
        rows = np.array([refs.rows[owners.popleft()] for _each in block])
        moved = 1 - np.einsum("md,md->m", matrix, refs.vectors[rows])
        own, other, which = refs.nearest(matrix, refs.owners[rows])
        for m, a, b, w in zip(moved.tolist(), own.tolist(), other.tolist(), which.tolist(), strict=True):
            yield Judged(m, a - b, refs.names[refs.folders[w]] if w >= 0 else "", b)


def _spread(originals: Sequence[Original], most: int) -> list[Original]:
    """At most ``most`` of them, evenly over the list."""
    places = np.linspace(0, len(originals) - 1, min(most, len(originals))).round().astype(int)
    return [originals[i] for i in places]
