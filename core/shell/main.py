"""The shell: ``python -m core <command>``. Reads arguments and prints; the work is in the modules.

Exit status: 0 all went well, 1 some inputs were refused (each with its sentence), 2 nothing
could be done.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.ground.errors import BadInput, BurinError, ImageRefused, NotFound
from core.ground.images import decode
from core.ground.machine_faults import fault_of
from core.ground.regions import Region
from core.ground.workspace import ENVIRONMENT, Workspace
from core.shell import evaluation as cli_evaluation
from core.shell import products as cli_products
from core.shell import queue as cli_queue
from core.shell import runs as cli_runs
from core.shell import settings as cli_settings
from core.shell import training as cli_training
from core.shell import variation as cli_variants
from core.shell import views as cli_views
from core.shell.words import counted

if TYPE_CHECKING:
    from core.collection.dataset import Dataset
    from core.embedding.embedder import Embedder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        try:
            options = _parser().parse_args(arguments)
        except SystemExit:  # the help was asked for, or what was typed is none: argparse has written why
            sys.stdout.flush()
            raise
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has seen enough; the interpreter would complain once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        said = error if isinstance(error, BurinError) else fault_of(error)
        if said is None:
            raise
        print(f"burin: {said}", file=sys.stderr)
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
    identify.add_argument(
        "--box",
        type=_box,
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="where the mark is, in pixels of the upright picture; again for a second mark",
    )
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
    cli_views.add_commands(commands, common, _progress)
    cli_products.add_commands(commands, common, _opened)
    cli_queue.add_commands(commands, common)
    cli_runs.add_commands(commands, common)
    cli_settings.add_commands(commands, common, _progress)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _box(text: str) -> Region:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
        return Region(x, y, width, height)
    except (ValueError, BurinError) as error:
        raise argparse.ArgumentTypeError("must be four whole numbers: left,top,width,height") from error


def _index(options: argparse.Namespace) -> int:
    dataset, embedder = _open(options)
    refused = _bring_up_to_date(dataset, embedder)
    counts = dataset.counts()
    held = f"{counted(counts.originals, 'original')} in {counted(counts.classes, 'class', 'classes')}"
    print(f"Ready to be searched: {held}. {embedder.sentence}")
    return 1 if refused else 0


def _identify(options: argparse.Namespace) -> int:
    from core.embedding.opening import Sources
    from core.recognition.identify import identify_marks
    from core.recognition.thresholds import thresholds

    dataset, embedder = _open(options)
    _bring_up_to_date(dataset, embedder)
    config = dataset.workspace.config()
    gallery = Sources().gallery(dataset, embedder)
    empty = None if len(gallery) else "The base is empty: put originals into data/raw_gravures/<class>/ first."
    calibration = thresholds(gallery, dataset.workspace)
    names = {record.id: record.name for record in dataset.classes()}
    refused = False
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder}
    about |= {"k": config.neighbours, "top": options.k, "regions": options.box}
    for file, image in _decoded(options.images):
        answer: dict = {"verdict": "unknown", "classes": [], "box": None, "marks": [], "error": empty}
        try:
            if isinstance(image, BurinError):
                raise image
            if not empty:
                answer |= _answer([one.to_json(names) for one in identify_marks(image, **about)])
        except BadInput as error:
            refused = True
            answer["error"] = str(error)
        print(
            json.dumps({"file": file, **answer}, ensure_ascii=False) if options.json else _in_words(file, answer),
            flush=True,
        )
    return 2 if empty else 1 if refused else 0


def _answer(marks: list[dict]) -> dict:
    """One image's answer: the surest mark's own, and beside it one entry a mark (none where none was found)."""
    first = marks[0]
    listed = [mark for mark in marks if mark["box"] is not None]
    return {"verdict": first["verdict"], "classes": first["classes"], "box": first["box"], "marks": listed}


def _in_words(file: str, answer: dict) -> str:
    if answer["error"]:
        return f"{file}: {answer['error']}"
    marks = answer["marks"] or [answer]
    if len(marks) == 1:
        return f"{file}: {_mark_in_words(marks[0])}"
    places = "".join(f"\n  at {','.join(map(str, mark['box']))}: {_mark_in_words(mark)}" for mark in marks)
    return f"{file}: {counted(len(marks), 'mark')}{places}"


def _mark_in_words(mark: dict) -> str:
    names = [c["name"] for c in mark["classes"]]
    verdict = {
        "certain": lambda: names[0],
        "hesitates": lambda: "hesitates between " + " and ".join(names[:2]),
        "unknown": lambda: "not in the base" + (f" (nearest: {names[0]})" if names else ""),
        "not_found": lambda: "no mark found: show where it is (--box left,top,width,height)",
    }[mark["verdict"]]()
    listed = "" if mark["verdict"] == "not_found" else "".join(_listed(c) for c in mark["classes"])
    return f"{verdict}{listed}"


def _listed(found: dict) -> str:
    return f"\n    {found['similarity']:6.3f}  {found['name']}"


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
    print(f"{counted(len(files), 'vector')} of {embedder.dimension} numbers in {options.out}; {len(refused)} refused.")
    return 1 if refused else 0


def _sample(options: argparse.Namespace) -> int:
    from core.showcase.sample import load, remove

    workspace = Workspace.open(getattr(options, "workspace", None))
    if options.remove:
        remove(workspace)
        print("The sample is removed.")
        return 0
    if options.if_empty and _has_originals(workspace):
        return 0
    print("The workspace is empty: it gets a sample, which takes about a minute.", flush=True)
    count = load(
        workspace, seed=options.seed, on_progress=lambda done, total, stage: _progress(f"sample, {stage}")(done, total)
    )
    print(f"The sample is in {workspace.raw}: {counted(count, 'mark')}.")
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


def _opened(options: argparse.Namespace) -> tuple[Dataset, Embedder, Iterator[tuple[str, Image.Image | ImageRefused]]]:
    """The dataset and the embedder with everything embedded, and the pictures that were named."""
    dataset, embedder = _open(options)
    _bring_up_to_date(dataset, embedder)
    return dataset, embedder, _decoded(options.images)


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
