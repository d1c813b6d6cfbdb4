"""Which files of a folder may be asked: originals. Variants are recognised and never are, whoever wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, NotFound
from core.ground.workspace import Workspace
from core.variation.sources import Original, originals_in, originals_of
from core.variation.variants import Manifest

# As the earlier scripts named them: symbole_20250414_095219_aug_2.jpg
_EARLIER = re.compile(r"_aug_?\d+$")


@dataclass(frozen=True)
class Found:
    """What a folder is evaluated by: its ``originals``, with the ``dataset`` where they are a workspace's; how many
    files are ``variants``, and how many are left out because nobody knows what they were made from
    (``strangers``); what is ``refused``, with its sentence."""

    originals: Sequence[Original]
    variants: int
    strangers: int
    refused: Sequence[FileOutcome]
    dataset: Dataset | None = None


def find(workspace: Workspace, data_dir: Path | None) -> Found:
    """The originals behind ``data_dir`` (None: the workspace's).

    For a workspace's folders, originals or variants, they are the workspace's originals. For any other folder of
    class folders they are its files, without those that a manifest in it, or their name, calls variants.
    Raises `NotFound`, and `BadInput` where nothing is left to ask.
    """
    folder = (data_dir or workspace.raw).resolve()
    if folder in (workspace.raw, workspace.augmented):
        dataset = Dataset(workspace)
        refused = dataset.rescan().refused
        manifest = Manifest(workspace.augmented)
        found = Found(originals_of(dataset), len(manifest.variants()), len(manifest.strangers()), refused, dataset)
    else:
        files, broken = originals_in(folder)
        written = {(variant.folder, variant.file) for variant in Manifest(folder).variants()}
        contents = {variant.sha256 for variant in Manifest(folder).variants()}
        own = [
            original
            for original in files
            if (original.folder, original.path.name) not in written
            and original.sha256 not in contents
            and not _EARLIER.search(original.path.stem)
        ]
        found = Found(own, len(files) - len(own), 0, broken)
    if not found.originals:
        raise BadInput("There is no original to ask in {folder}: its files are variants ({n}).",
                       folder=folder.name, n=found.variants)  # fmt: skip
    return found


def located(folder: Path | None, given: Workspace) -> Path | None:
    """``folder`` as it is there: from the current folder, else from the ``given`` workspace. Raises `NotFound`."""
    if folder is None or folder.is_dir():
        return folder
    if not (given.root / folder).is_dir():
        raise NotFound("There is no folder {path}.", path=folder)
    return given.root / folder


def workspace_of(data_dir: Path | None, given: Workspace) -> Workspace:
    """The workspace that ``data_dir`` belongs to by its place, ``given`` where it belongs to none."""
    if data_dir is None:
        return given
    folder = data_dir.resolve()
    ours = folder.name in ("raw_gravures", "augmented_gravures") and folder.parent.name == "data"
    return Workspace(folder.parent.parent) if ours else given
