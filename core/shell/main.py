"""The shell: ``python -m core <command>``. Reads arguments and prints; the work is in the modules.

Exit status: 0 all went well, 1 some inputs were refused (each with its sentence), 2 nothing
could be done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from core.ground.errors import BurinError, ImageRefused, NotFound
from core.ground.images import decode
from core.ground.workspace import ENVIRONMENT, Workspace
from core.shell import evaluation as cli_evaluation
from core.shell import training as cli_training
from core.shell import variation as cli_variants

if TYPE_CHECKING:
    from core.collection.dataset import Dataset
    from core.embedding.embedder import Embedder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except BurinError as error:
        print(f"burin: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("burin: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    # Given before or after the command: SUPPRESS keeps the later default from erasing the earlier value.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--workspace", metavar="DIR", help=f"folder with data/ and model/ (else {ENVIRONMENT}, else here)"
    )
    parser = argparse.ArgumentParser(prog="python -m core", description="Burin: recognise gravures.", parents=[common])
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    index = commands.add_parser("index", parents=[common], help="read the folders and embed what is new")
    index.set_defaults(run=_index)

    identify = commands.add_parser("identify", parents=[common], help="name the mark in each image")
    identify.add_argument("images", nargs="+", metavar="IMAGE")
    identify.add_argument("--k", type=_positive, default=5, help="classes to print (default 5)")
    identify.add_argument("--json", action="store_true", help="one JSON object a line and image")
    identify.set_defaults(run=_identify)

    embed = commands.add_parser("embed", parents=[common], help="write the vectors of images to a .npz file")
    embed.add_argument("images", nargs="+", metavar="IMAGE")
    embed.add_argument("--out", required=True, type=Path, metavar="FILE.npz")
    embed.add_argument("--model", type=Path, metavar="PATH", help="a saved model (default: the workspace's)")
    embed.set_defaults(run=_embed)

    sample = commands.add_parser("sample", parents=[common], help="fill an empty workspace with drawn sample marks")
    sample.add_argument("--seed", type=int, default=7)
    sample.add_argument("--remove", action="store_true", help="remove the sample, and nothing else")
    sample.add_argument("--if-empty", action="store_true", help="do nothing where there is data already")
    sample.set_defaults(run=_sample)
    cli_variants.add_commands(commands, common, _progress)
    cli_training.add_commands(commands, common, _progress)
    cli_evaluation.add_commands(commands, common, _progress)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _index(options: argparse.Namespace) -> int:
    dataset, embedder = _open(options)
    refused = _bring_up_to_date(dataset, embedder)
    counts = dataset.counts()
    print(f"{counts.originals} originals in {counts.classes} classes are ready to be searched. {embedder.sentence}")
    return 1 if refused else 0


def _identify(options: argparse.Namespace) -> int:
    from core.embedding.gallery import Gallery
    from core.recognition.calibrate import calibrate
    from core.recognition.identify import identify

    dataset, embedder = _open(options)
    _bring_up_to_date(dataset, embedder)
    config = dataset.workspace.config()
    gallery = Gallery.load(dataset, embedder)
    empty = None if len(gallery) else "The base is empty: put originals into data/raw_gravures/<class>/ first."
    calibration = calibrate(gallery, false_accept_rate=config.false_accept_rate, k=config.neighbours)
    names = {record.id: record.name for record in dataset.classes()}
    refused = False
    for file, image in _decoded(options.images):
        if isinstance(image, ImageRefused):
            refused = True
            answer: dict = {"verdict": "unknown", "classes": [], "error": str(image)}
        elif empty:
            answer = {"verdict": "unknown", "classes": [], "error": empty}
        else:
            answered = identify(
                image, gallery=gallery, calibration=calibration, embedder=embedder, k=config.neighbours, top=options.k
            )
            answer = {**answered.to_json(names), "error": None}
        print(
            json.dumps({"file": file, **answer}, ensure_ascii=False) if options.json else _in_words(file, answer),
            flush=True,
        )
    return 2 if empty else 1 if refused else 0


def _in_words(file: str, answer: dict) -> str:
    if answer["error"]:
        return f"{file}: {answer['error']}"
    names = [c["name"] for c in answer["classes"]]
    verdict = {
        "certain": lambda: names[0],
        "hesitates": lambda: "hesitates between " + " and ".join(names[:2]),
        "unknown": lambda: "not in the base" + (f" (nearest: {names[0]})" if names else ""),
    }[answer["verdict"]]()
    listed = "".join(f"\n    {c['similarity']:6.3f}  {c['name']}" for c in answer["classes"])
    return f"{file}: {verdict}{listed}"


def _embed(options: argparse.Namespace) -> int:
    import numpy as np

    from core.embedding.embedder import load_embedder
    from core.ground.workspace import writing

    embedder = load_embedder(Workspace.open(getattr(options, "workspace", None)), model=options.model)
    files: list[str] = []
    refused: list[str] = []
    rows = []
    for file, vector in zip(
        options.images, embedder.embed_images(_reader(image) for image in options.images), strict=True
    ):
        if isinstance(vector, ImageRefused):
            refused.append(file)
            print(f"burin: {vector}", file=sys.stderr)
        else:
            files.append(file)
            rows.append(vector)
    vectors = np.stack(rows) if rows else np.empty((0, embedder.dimension), np.float32)
    with writing(options.out) as stream:
        np.savez(stream, vectors=vectors, files=np.array(files, dtype=str), refused=np.array(refused, dtype=str))
    print(f"{len(files)} vectors of {embedder.dimension} numbers in {options.out}; {len(refused)} refused.")
    return 1 if refused else 0


def _sample(options: argparse.Namespace) -> int:
    from core.synthesis.sample import make_sample, remove_sample

    workspace = Workspace.open(getattr(options, "workspace", None))
    if options.remove:
        remove_sample(workspace)
        print("The sample is removed.")
        return 0
    if options.if_empty and _has_originals(workspace):
        return 0
    count = make_sample(workspace, seed=options.seed, on_progress=_progress("drawing the sample"))
    print(f"{count} sample marks are in {workspace.raw}.")
    return 0


def _has_originals(workspace: Workspace) -> bool:
    return workspace.raw.is_dir() and any(workspace.raw.iterdir())


def _open(options: argparse.Namespace) -> tuple[Dataset, Embedder]:
    from core.collection.dataset import Dataset
    from core.embedding.embedder import load_embedder

    workspace = Workspace.open(getattr(options, "workspace", None))
    if not workspace.root.exists():  # mistyped, more likely than meant: nothing is made there
        raise NotFound("There is no folder {path}.", path=workspace.root)
    return Dataset(workspace), load_embedder(workspace)


def _bring_up_to_date(dataset: Dataset, embedder: Embedder) -> bool:
    """Rescan the folders and embed what is new; True when an original was refused (each is named)."""
    from core.embedding.gallery import update

    report = dataset.rescan(_progress("reading and embedding"), embedder=embedder)
    for outcome in report.refused:
        print(f"burin: {outcome.name}: {outcome.reason}", file=sys.stderr)
    updated = update(dataset, embedder, on_progress=_progress("embedding"))
    for item, error in updated.refused:
        print(f"burin: {item.path}: {error}", file=sys.stderr)
    return bool(report.refused or updated.refused)


def _progress(what: str) -> Callable[[int, int], None]:
    """A progress line on a terminal, nothing in a file or a pipe."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{what}: {done} of {total}", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    return show


def _reader(file: str) -> Callable[[], Image.Image]:
    return lambda: decode(Path(file), name=file, grey=True)


def _decoded(files: Iterable[str]) -> Iterator[tuple[str, Image.Image | ImageRefused]]:
    for file in files:
        try:
            yield file, _reader(file)()
        except ImageRefused as error:
            yield file, error
