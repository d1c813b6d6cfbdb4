"""The thresholds of a base, whatever its size: measured on all its references, or on a part of a large one.

Of a large base some references are asked, and beside them only those are held that any of them could answer with; what
came of it is kept in a file until a tenth of the base has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from core.catalogue import vectorstore
from core.catalogue.vectorstore import Rows
from core.embedding.candidates import References
from core.embedding.gallery import Gallery
from core.embedding.references import LargeGallery
from core.ground.workspace import Workspace, write_atomic
from core.recognition.calibrate import Calibration, calibrate
from core.recognition.trials import Part

ASKED = 500  # references of a large base: the thresholds carry one standard error of so many
NEAR = 48  # of its own class, and of others, held beside each of them
OWN, FACES = 32, 8  # references held of each class that is asked, and of each other one that was met
MOVED = 0.1  # of the base: so much changed, and the thresholds are measured anew


def thresholds(
    gallery: References, workspace: Workspace, *, should_stop: Callable[[], bool] = lambda: False
) -> Calibration:
    """The thresholds at the workspace's false-accept rate and number of neighbours. Raises `SearchAway`."""
    config = workspace.config()
    rate, k = config.false_accept_rate, config.neighbours
    if not isinstance(gallery, LargeGallery):
        assert isinstance(gallery, Gallery)
        return calibrate(gallery, false_accept_rate=rate, k=k)
    key = hashlib.sha256(f"{gallery.space} {rate} {k}".encode()).hexdigest()[:12]
    path = workspace.cache / "references" / f"{key}.thresholds.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if gallery.changed_since(kept["at"], limit=int(MOVED * kept["count"]) + 1) <= MOVED * kept["count"]:
            return Calibration.from_json(kept["calibration"])
    part, about = _part(gallery)
    found = calibrate(part, false_accept_rate=rate, k=k, part=about)
    record = {"at": gallery.version, "count": len(gallery), "calibration": found.to_json()}
    with suppress(OSError):  # a full disk: it is measured again
        write_atomic(path, json.dumps(record).encode())
    return found


def _part(gallery: LargeGallery) -> tuple[Gallery, Part]:
    """`ASKED` references of it and all that they could be answered with."""
    rng = np.random.default_rng(0)
    asked = gallery.read(lambda connection, space: vectorstore.drawn(connection, space, ASKED, rng))
    met = np.union1d(asked.ids, gallery.around(asked, NEAR))
    rows = gallery.read(lambda connection, space: vectorstore.references(connection, space, met.tolist()))
    own = np.unique(asked.class_ids)
    others = np.setdiff1d(rows.class_ids, own)

    def of(classes: np.ndarray, most: int) -> Rows:
        return gallery.read(
            lambda connection, space: vectorstore.first_of_class(connection, space, classes.tolist(), most=most)
        )

    parts = [rows, of(own, OWN), of(others, FACES)]
    parts = [some for some in parts if len(some)]
    ids, first = np.unique(np.concatenate([some.ids for some in parts]), return_index=True)
    class_ids = np.concatenate([some.class_ids for some in parts])[first]
    kinds = np.concatenate([some.kinds for some in parts])[first]
    vectors = np.concatenate([some.vectors for some in parts])[first]
    classes, counts = gallery.sizes()
    about = Part(len(classes), float(counts.mean()) if len(counts) else 0.0, np.flatnonzero(np.isin(ids, asked.ids)))
    held = Gallery(gallery.version, gallery.space, ids, class_ids, kinds, vectors, gallery.outlines_of(ids))
    return held, about
