"""A folder of wrong answers that stands for itself: ``model/incorrect_predictions``, and the analysis made of it.

It holds the predictions, the figures, the pictures behind every error, and the misclassified files by class;
`analyse` needs nothing else, neither the workspace nor the encoder.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.collection.dataset import Dataset
from core.evaluation.artefacts import charts_in, write_artefacts
from core.evaluation.error_causes import CAUSES, Doubts, Group, groups
from core.evaluation.html_report import html_report
from core.evaluation.output_manifest import check_own, finish, settle
from core.evaluation.predictions import Predictions
from core.evaluation.report import EvaluationReport
from core.evaluation.store import Evaluation
from core.evaluation.traits import TRAITS, Traits, tendencies
from core.ground.errors import BurinError
from core.ground.images import thumbnail
from core.ground.workspace import scratch, write_atomic
from core.intake.cells import neutral
from core.training.splits import Split
from core.variation.sources import Original

DOUBTS, PICTURES, IMAGES = "doubts.json", "pictures", "images"


def write_bundle(
    folder: Path,
    predictions: Predictions,
    report: EvaluationReport,
    split: Split,
    originals: Sequence[Original],
    *,
    doubted: Mapping[str, tuple[float, str]] | None = None,
    traits: Traits | None = None,
) -> int:
    """Write the bundle in place of an earlier one; how many wrong answers it holds.

    ``doubted``: content hash -> (doubt, folder of the class that its neighbours say). Files that somebody else put
    into an earlier bundle stay. Raises `Conflict` where ``folder`` holds files and no bundle, and where one of them
    is in the way.
    """
    folder = folder.resolve()
    check_own(folder)
    files = {original.sha256: original for original in reversed(originals)}
    with scratch(folder) as staging:
        made = Evaluation(staging)
        made.save(predictions, report, split)
        write_artefacts(staging, predictions, report)
        write_atomic(staging / DOUBTS, json.dumps(doubted or {}, ensure_ascii=False).encode())
        if traits is not None:
            traits.save(staging)
        for row in predictions.wrong.tolist():
            sha256 = str(predictions.sha256[row])
            own, other = str(predictions.own_references[row]), str(predictions.references[row, 0])
            for content in (sha256, own, other):
                _keep_picture(staging / PICTURES / f"{content}.webp", files.get(content))
            true, said = (predictions.folders[n] for n in (predictions.truth[row], predictions.predicted[row]))
            if (original := files.get(sha256)) is not None:
                target = staging / IMAGES / true / said
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(original.path, target / f"{sha256[:8]}_{original.path.name}"[-200:])
        settle(staging, folder, anew=True)
    return len(predictions.wrong)


def analyse(folder: Path, output: Path, *, language: str = "en") -> tuple[EvaluationReport, list[Group], list[Path]]:
    """Read a bundle and write ``report.html``, ``errors.csv``, ``tendencies.csv`` and the artefacts of the evaluation
    into ``output``; the report, the errors by pair of classes, and what was written.

    Raises `NotFound` and `BadInput`, and `Conflict` where a file that somebody else put there is in the way.
    """
    finish(folder)
    held, output = Evaluation(folder), output.resolve()
    predictions, report = held.predictions, held.report
    found = groups(predictions, _doubts(folder, predictions), range(len(predictions.folders)))
    with scratch(output) as staging:
        written = write_artefacts(staging, predictions, report)
        page = html_report(
            predictions, report, found, lambda sha256: _picture(folder, sha256), charts=charts_in(staging),
            language=language,
        )  # fmt: skip
        contents = {"report.html": page, "errors.csv": errors_csv(predictions, found)}
        if (traits := Traits.read(folder)) is not None:
            contents["tendencies.csv"] = tendencies_csv(predictions, traits)
        for name, content in contents.items():
            write_atomic(staging / name, content.encode())
        settle(staging, output, anew=False)
    written = [output / name for name in (*(path.name for path in written), *contents)]
    return report, found, written


def errors_csv(predictions: Predictions, found: Sequence[Group]) -> str:
    """One line a wrong answer, the most wrong first; ``file_name`` and ``label`` come first."""
    head = ("file_name", "label", "answer", "gap", "vote", "verdict", "likely_cause", "doubt", "sha256")
    faults = sorted((fault for group in found for fault in group.faults), key=lambda fault: -fault.gap)
    rows = [
        [
            *(neutral(text) for text in (str(predictions.files[fault.row]), predictions.folders[fault.true],
                                         predictions.folders[fault.predicted])),
            f"{fault.gap:.4f}", f"{fault.vote:.4f}", str(predictions.verdicts[fault.row]), CAUSES[fault.cause],
            f"{fault.doubt:.4f}", fault.sha256,
        ]
        for fault in faults
    ]  # fmt: skip
    return _csv(head, rows)


def tendencies_csv(predictions: Predictions, traits: Traits) -> str:
    """One line a group of images that share a trait: how many, how many wrong, and whether that is telling."""
    rows = []
    for each in tendencies(predictions, traits):
        low, high = each.wrong.interval
        value = neutral(each.value) if each.value else f"{each.low:.4g} to {each.high:.4g}"
        shares = [f"{number:.4f}" for number in (each.wrong.value, low, high)]
        rows.append(
            [TRAITS[each.trait], value, each.wrong.n, each.wrong.hits, *shares, "yes" if each.telling else "no"]
        )
    return _csv(("trait", "value", "images", "wrong", "share", "share_low", "share_high", "telling"), rows)


def by_folder(doubted: Doubts, dataset: Dataset) -> dict[str, tuple[float, str]]:
    """`Doubts` with the folders of the classes in place of their ids."""
    folders = {record.id: record.folder for record in dataset.classes()}
    return {sha256: (doubt, folders.get(doubted.said[sha256], "")) for sha256, doubt in doubted.doubt.items()}


def _doubts(folder: Path, predictions: Predictions) -> Doubts:
    """The doubts of a bundle, with numbers of its classes; none where there is nothing usable."""
    number = {name: at for at, name in enumerate(predictions.folders)}
    try:
        held = json.loads((folder / DOUBTS).read_text(encoding="utf-8"))
        pairs = {str(sha256): (float(doubt), number.get(str(said), -1)) for sha256, (doubt, said) in held.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return Doubts({}, {})
    return Doubts({s: doubt for s, (doubt, _) in pairs.items()}, {s: said for s, (_, said) in pairs.items()})


def _keep_picture(path: Path, original: Original | None) -> None:
    if original is None or path.exists():
        return
    try:
        write_atomic(path, thumbnail(original.read()))
    except (BurinError, OSError):
        return  # it was readable when it was embedded; the page shows that it is gone


def _picture(folder: Path, sha256: str) -> bytes | None:
    path = folder / PICTURES / f"{sha256}.webp"
    return path.read_bytes() if sha256.isalnum() and path.is_file() else None


def _csv(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
