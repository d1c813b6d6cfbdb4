"""Arrays on disk, read in one way in which a damaged file is one kind of error; and what a sorted one holds.

NumPy raises half a dozen types over a file that was cut short; none of them says more than "damaged".
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name. Raises `OSError` where it cannot be opened, and `ValueError` where it
    holds anything else; nothing in it is run."""
    try:
        with open(path, "rb") as stream, zipfile.ZipFile(stream) as held:
            names = [name for name in held.namelist() if name.endswith(".npy")]
            arrays = {}
            for name in names:
                with held.open(name) as member:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, SyntaxError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged") from error


def rows_in(held: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row in ``held`` (N,), which is sorted, of each value of ``wanted`` (M,); -1 where it is not there."""
    if not len(held):
        return np.full(len(wanted), -1)
    found = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.where(held[found] == wanted, found, -1)
