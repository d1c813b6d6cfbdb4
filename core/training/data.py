"""What a training reads: the originals of a workspace or of any folder, and the variants written from them.

It gathers and groups; what goes to which side is `core.training.splits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.collection.looks import Looks
from core.ground.names import name_of
from core.ground.workspace import Workspace
from core.training.splits import near_duplicate_groups
from core.variation.sources import Original, originals_in, originals_of
from core.variation.variants import MANIFEST, Manifest


@dataclass(frozen=True)
class Material:
    """``originals`` to split, the ``variants`` of each by its hash, files that were ``refused``; ``dataset`` where
    they are a workspace's own. ``families``: contents that were made from one original, where the originals
    themselves are not there."""

    originals: Sequence[Original]
    variants: Mapping[str, Sequence[Original]] = field(default_factory=dict)
    refused: Sequence[FileOutcome] = ()
    dataset: Dataset | None = None
    manifest: Manifest | None = None
    families: Mapping[str, str] = field(default_factory=dict)

    def groups(self, workspace: Workspace) -> dict[str, int]:
        """Content hash -> group, as `core.training.splits.near_duplicate_groups`, families kept together."""
        looks = Looks.of(workspace) if self.dataset else None
        groups = near_duplicate_groups(self.originals, known=looks)
        first: dict[str, int] = {}
        joined: dict[int, int] = {}
        for sha256, group in groups.items():
            if sha256 in self.families:
                own = first.setdefault(self.families[sha256], group)
                joined[_end(joined, group)] = _end(joined, own)
        return {sha256: _end(joined, group) for sha256, group in groups.items()}


def gather(workspace: Workspace, data_dir: Path | None = None) -> Material:
    """The material in ``data_dir``, or of the workspace itself.

    Any folder of class folders will do. Written variants come with their originals where those lie beside them
    (``raw_gravures`` beside ``augmented_gravures``); else they are split themselves, by the originals that
    their manifest names. Raises `NotFound`.
    """
    folder = (data_dir or workspace.raw).resolve()
    if (folder / MANIFEST).is_file():
        return _of_variants(folder)
    if folder == workspace.raw.resolve() and folder.is_dir():
        dataset = Dataset(workspace)
        refused = dataset.rescan().refused
        manifest = Manifest(workspace.augmented)
        originals = originals_of(dataset)
        return Material(originals, _by_original(manifest, originals), refused, dataset, manifest)
    originals, broken = originals_in(folder)
    return Material(originals, refused=broken)


def _of_variants(folder: Path) -> Material:
    manifest = Manifest(folder)
    raw = folder.parent / "raw_gravures"
    if raw.is_dir():
        originals, refused = originals_in(raw)
        variants = _by_original(manifest, originals)
        return Material([o for o in originals if o.sha256 in variants], variants, refused, manifest=manifest)
    originals, refused = originals_in(folder)
    families = {variant.sha256: variant.original_sha256 for variant in manifest.variants()}
    return Material(originals, refused=refused, manifest=manifest, families=families)


def _by_original(manifest: Manifest, originals: Sequence[Original]) -> dict[str, list[Original]]:
    """The written variants of these originals, under the label that the original has now."""
    own = {original.sha256: original for original in originals}
    found: dict[str, list[Original]] = {}
    for variant in manifest.variants():
        original = own.get(variant.original_sha256)
        if original is not None:
            path, name = manifest.file(variant), name_of(original.folder)
            found.setdefault(original.sha256, []).append(Original(original.folder, name, path, variant.sha256))
    return found


def _end(joined: dict[int, int], group: int) -> int:
    while joined.get(group, group) != group:
        group = joined[group]
    return group
