"""What is not installed with a light Burin: PyTorch and what else training needs, UMAP, the client of Milvus, and Ray.

Everything but training, the UMAP layout, a search server and a cluster works without. Asking costs no import.
"""

from __future__ import annotations

from importlib.util import find_spec

from core.ground.errors import ExtrasMissing

SIZE_GB = 5.5  # that the extras take on disk (Linux, PyTorch for NVIDIA GPUs)
COMMAND = 'pip install ".[train]"'  # in Burin's folder
SCALE = 'pip install ".[scale]"'
CLUSTER = 'pip install ".[cluster]"'


def trains_here() -> bool:
    """Whether PyTorch and timm are installed."""
    return find_spec("torch") is not None and find_spec("timm") is not None


def has_umap() -> bool:
    """Whether UMAP is installed."""
    return find_spec("umap") is not None


def need_pytorch() -> None:
    """Raises `ExtrasMissing` where PyTorch and timm are not installed."""
    if not trains_here():
        raise ExtrasMissing(
            "PyTorch is not installed here, and training needs it (about {size} GB). In Burin's folder: {command}",
            size=SIZE_GB,
            command=COMMAND,
        )


def need_milvus() -> None:
    """Raises `ExtrasMissing` where pymilvus is not installed."""
    if find_spec("pymilvus") is None:
        raise ExtrasMissing(
            "A search server needs the package pymilvus, which is not installed here. In Burin's folder: {command}",
            command=SCALE,
        )


def need_ray() -> None:
    """Raises `ExtrasMissing` where Ray is not installed."""
    if find_spec("ray") is None:
        raise ExtrasMissing(
            "A cluster needs the package ray, which is not installed here. In Burin's folder: {command}",
            command=CLUSTER,
        )
