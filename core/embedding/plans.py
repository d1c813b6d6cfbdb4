"""Which network embeds: the promoted one, a saved model, or the untrained encoder with what was fitted to it.

A plan says what its vectors mean (their space) and what tells its engine apart, before anything is built; running it is
`core.embedding.embedder`'s. torch is imported only to build.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.embedding.card import read_sealed
from core.embedding.photograph_map import PhotographMap, fitted_map, views
from core.embedding.weights import ARCHITECTURES, PROMOTED, Weights, in_timm, resolve, sha256_of
from core.ground.config import Preprocessing, WorkspaceConfig
from core.ground.errors import ModelRefused
from core.ground.preprocessing import VERSION as SEEING
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    from core.embedding.model import EmbeddingNet
    from core.embedding.timm_encoder import ForeignNet

ASSETS = Path(__file__).resolve().parents[2] / "assets"
HEADS = ASSETS / "heads"

# Untrained and without a fitted head, what is read of the trunk: the features after block 4, averaged on 4 x 4 cells.
# Measured (benchmarks/accuracy.py): the layout of the strokes is in there, and pooled away at the trunk's end.
STAGE, GRID = 4, 4
WHOLE = 224  # px: from this size on a plain picture is read by the whole trunk, which ImageNet taught what things are


@dataclass(frozen=True)
class Plan:
    """A network before it is built: ``facts`` tell its engine apart, ``engines`` is the folder where that is kept,
    ``build`` makes the network (with torch); ``photographs``: how what was read in one is embedded, where that is
    another way than a drawing's."""

    facts: dict[str, Any]
    space: str
    preprocessing: Preprocessing
    sentence: str
    engines: Path
    build: Callable[[], EmbeddingNet | ForeignNet]
    photographs: PhotographMap | None = None


def untrained(workspace: Workspace, preprocessing: Preprocessing) -> tuple[EmbeddingNet | ForeignNet, str]:
    """The network that `load_embedder` takes before any training, on the CPU, and which weights it has. It sees one
    picture (`Preprocessing.trained`)."""
    plan = untrained_plan(workspace, workspace.config().weights, preprocessing.trained)
    return plan.build(), plan.sentence


def in_use(workspace: Workspace, config: WorkspaceConfig) -> list[Plan]:
    """The promoted network, else the untrained encoder for each part of what is seen."""
    promoted = workspace.model / PROMOTED
    if not promoted.is_file():
        return for_parts(workspace, config.weights, config.preprocessing)
    plan = saved(workspace, promoted, config.preprocessing)
    return [replace(plan, sentence="The network trained in this workspace.")]


def for_parts(workspace: Workspace, spec: str, preprocessing: Preprocessing) -> list[Plan]:
    """The untrained encoder, once for each of the pictures that lie beside each other in what is seen."""
    return [untrained_plan(workspace, spec, part) for part in preprocessing.parts]


def saved(workspace: Workspace, path: Path, preprocessing: Preprocessing) -> Plan:
    """The network of a model file, which sees as its card says, else by ``preprocessing``. Raises `ModelRefused`."""

    def build() -> EmbeddingNet:
        from core.embedding.model import load

        return load(path)[0]

    if path.suffix == ".safetensors":
        preprocessing = read_sealed(path)[0].preprocessing
    elif not path.is_file():
        raise ModelRefused("{name} cannot be read.", name=path.name)
    preprocessing = preprocessing.trained
    sha256 = sha256_of(path)
    facts = {"model": sha256, "size": preprocessing.size}
    space = f"{sha256[:16]}-{_seen(preprocessing)}"
    # beside the weights, not in the cache: without PyTorch it could not be made again
    return Plan(facts, space, preprocessing, f"The model {path.name}.", workspace.model / "engines", build)


def untrained_plan(workspace: Workspace, spec: str, preprocessing: Preprocessing) -> Plan:
    """The encoder with the weights of ``spec`` (`core.embedding.weights.resolve`) and the head that was fitted to it,
    where there is one."""
    weights = resolve(spec, workspace=workspace, allow_network=True)
    head = fitted_head(weights, preprocessing)
    own = weights.architecture in ARCHITECTURES
    stage, grid = (head.stage, head.grid) if head else _read_of(preprocessing) if own else (None, 1)
    facts = {
        "weights": weights.sha256,
        "architecture": weights.architecture,
        "stage": stage,
        "grid": grid,
        "head": sha256_of(head.path) if head else "",
        "size": preprocessing.size,
    }

    def build() -> EmbeddingNet | ForeignNet:
        if not own:
            from core.embedding.timm_encoder import ForeignNet

            return ForeignNet(in_timm(weights.architecture), weights, size=preprocessing.size).eval()
        from core.embedding.model import EmbeddingNet

        net = EmbeddingNet(weights.architecture, embedding_size=None, stage=stage, grid=grid, pretrained=weights)
        return net.with_head(head.path).eval() if head else net.eval()

    read = f"{weights.architecture}-{weights.sha256[:8]}-{stage}.{grid}-{str(facts['head'])[:8]}"
    space = f"{read}-{_seen(preprocessing)}"
    photographs = _photographs(weights, preprocessing)
    if photographs is not None:
        space += f"-{photographs.sha256[:8]}"
    return Plan(facts, space, preprocessing, weights.sentence, workspace.cache / "engines", build, photographs)


def _photographs(weights: Weights, preprocessing: Preprocessing) -> PhotographMap | None:
    """The map that was fitted to the heads of strokes and of both other views, at this size; None where one is
    another."""
    if preprocessing.mode != "strokes":
        return None
    return fitted_map(HEADS, weights, preprocessing, mapped_heads(weights, preprocessing))


def mapped_heads(weights: Weights, preprocessing: Preprocessing) -> list[str]:
    """The hashes of the heads that a map of photographs joins: of this view's and of the others'; "" for none."""
    heads = [fitted_head(weights, view) for view in (preprocessing, *views(preprocessing))]
    return [sha256_of(head.path) if head else "" for head in heads]


def _by_all(preprocessing: Preprocessing) -> bool:
    """Whether a picture seen this way is read by the whole trunk."""
    return preprocessing.mode == "plain" and preprocessing.size >= WHOLE


def _read_of(preprocessing: Preprocessing) -> tuple[int | None, int]:
    """The last block that is read of an untrained trunk, and the grid its features are averaged on."""
    return (None, 1) if _by_all(preprocessing) else (STAGE, GRID)


@dataclass(frozen=True)
class Head:
    """A projection fitted to the features after block ``stage``, averaged on ``grid`` x ``grid`` cells."""

    path: Path
    stage: int
    grid: int


def fitted_head(weights: Weights, preprocessing: Preprocessing) -> Head | None:
    """The head fitted to these weights' features of marks that are seen this way, or None."""
    path = HEADS / f"{weights.architecture}-{preprocessing.mode}.safetensors"
    if _by_all(preprocessing) or not path.is_file():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        fitted = tensors.metadata() or {}
    if fitted.get("weights_sha256") != weights.sha256:
        return None
    return Head(path, int(fitted["stage"]), int(fitted["grid"]))


def _seen(preprocessing: Preprocessing) -> str:
    return f"{preprocessing.mode}{preprocessing.size}-v{SEEING}"
