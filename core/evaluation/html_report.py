"""The report as one HTML file to send to a colleague: it needs no network, no server and nothing beside it.

English and French are both in it, pictures are inlined and small, and a policy in its head lets it run its own
script and load nothing. What a reader ticks is saved to a file that `core.evaluation.corrections` reads.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.collection.dataset import Dataset
from core.evaluation.confusion import pairs
from core.evaluation.error_causes import CAUSES, Group
from core.evaluation.predictions import Predictions
from core.evaluation.report import TOO_FEW, EvaluationReport, Share
from core.ground.errors import BurinError
from core.ground.images import thumbnail
from core.ground.translations import LANGUAGES, _, catalogue, decimals, number, percent

if TYPE_CHECKING:
    from markupsafe import Markup

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "report"
SIDE = 96  # px of an inlined picture
MOST = 300  # errors shown: about 1.5 MB of pictures
PAIRS = 100

Pictures = Callable[[str], bytes | None]  # content hash -> WebP, or None where it cannot be shown

WORDS: dict[str, str] = {
    "title": _("Evaluation report"),
    "in_use": _("The encoder in use"),
    "side_test": _("test side"),
    "side_validation": _("validation side"),
    "side_all": _("every image"),
    "leak_clean": _("No leak: nothing that is measured was seen in training."),
    "leak_leaky": _("Leak: something that is measured was seen in training. These figures are worth little."),
    "leak_unknown": _("It is not known what this encoder was trained on."),
    "counted": _("Queries: {queries}. References: {references}, classes: {classes}. Neighbours that vote: {k}. "
                 "Brackets: 95 % intervals."),
    "macro": _("Macro: every class alike"),
    "weighted": _("Weighted: every image alike"),
    "verdicts": _("Verdicts"),
    "verdicts_help": _("How often each verdict was given to marks of the base, how often with the right name, and how "
                       "often to the same marks while their class was not in the base."),
    "verdict": _("Verdict"),
    "known": _("Marks of the base"),
    "right": _("Right name"),
    "outside": _("Marks from outside"),
    "certain": _("certain"),
    "hesitates": _("hesitates"),
    "unknown": _("not in the base"),
    "not_found": _("no mark found"),
    "charts": _("Charts"),
    "errors": _("Errors"),
    "no_errors": _("Every query got the right name."),
    "left_out": _("The {shown} most wrong of {n} errors are shown."),
    "find": _("Find"),
    "cause": _("Likely cause"),
    "all": _("All causes"),
    "cause_label": CAUSES["label"],
    "cause_reference": CAUSES["reference"],
    "cause_model": CAUSES["model"],
    "sort": _("Sort by"),
    "sort_gap": _("How wrong"),
    "sort_pair": _("Pair of classes"),
    "sort_doubt": _("Doubt about the label"),
    "sort_score": _("How sure the wrong answer was"),
    "save": _("Save the verdicts"),
    "review_help": _("Tick what you see. The saved file can be read back in Burin, which shows what it would change "
                     "before it changes anything."),
    "asked": _("Asked: labelled"),
    "best_true": _("Best of its class:"),
    "best_said": _("Best of the answer:"),
    "taken": _("{true} taken for {said}"),
    "numbers": _("Similarity {similarity} to the answer, {own} to its own class; vote {vote}"),
    "your_verdict": _("Your verdict"),
    "label_right": _("The label is right"),
    "label_is": _("It should be"),
    "unusable": _("Not usable: to the trash"),
    "undecided": _("No verdict after all"),
    "nothing": _("Nothing fits."),
    "confused": _("Confused pairs"),
    "classes": _("Classes"),
    "too_few": TOO_FEW,
    "column_true": _("Class"),
    "column_said": _("Taken for"),
    "column_times": _("Times"),
    "column_of": _("Of queries"),
    "column_back": _("The other way"),
    "column_class": _("Class"),
    "column_references": _("References"),
    "column_queries": _("Queries"),
    "column_recall": _("Recall"),
    "column_precision": _("Precision"),
    "column_f1": _("F1"),
    "column_taken_for": _("Most often taken for"),
    "footer": _("Made with Burin. This file loads nothing from anywhere."),
}  # fmt: skip


# What an embedder says of itself (`core.embedding`), which a report keeps in English
MODELS = (
    _("The network trained in this workspace."),
    _("The model {name}."),
    _("EfficientNet-Lite0 trained on ImageNet, from the installed package."),
    _("{name}, weights from the file {file}."),
    _("{name} trained on ImageNet, from the hub's cache on this machine."),
    _("{name} trained on ImageNet, from the hub."),
    _("{name}, as it was trained elsewhere, from the hub's cache on this machine."),
    _("{name}, as it was trained elsewhere, from the hub."),
)
ENGINES = (
    _("Embedding runs in ONNX Runtime on the CPU."),
    _("Embedding runs in PyTorch on the CPU."),
    _("Embedding runs in PyTorch on the GPU."),
    _("Embedding runs in PyTorch on the CPU (no ONNX engine: {why})."),
)

Told = Callable[[str], str]  # a language -> the text in it


def html_report(
    predictions: Predictions,
    report: EvaluationReport,
    groups: Sequence[Group],
    pictures: Pictures,
    *,
    charts: Mapping[str, Sequence[bytes]] | None = None,
    language: str = "en",
) -> str:
    """The whole page. ``groups``: the errors (`core.evaluation.error_causes`), of which the `MOST` most wrong are
    shown; ``charts``: language -> PNG files to show; ``language``: the one it opens in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    language = language if language in LANGUAGES else "en"
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    cards = _cards(predictions, report, groups, pictures)
    wrong = sum(len(group.faults) for group in groups)
    named = {row.folder: row.name for row in report.classes}
    return environment.get_template("report.html.j2").render(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        style=Markup((ASSETS / "report.css").read_text(encoding="utf-8")),  # noqa: S704  our own files
        script=Markup(script),  # noqa: S704
        say=_say,
        plain=_plain,
        language=language,
        title=report.about.name or _plain("in_use", language),  # a title holds no elements
        name=report.about.name or _say("in_use"),
        about=report.about,
        model=_both(lambda spoken: model_sentence(report.about.model, spoken)),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.about.at)),
        leak={True: "clean", False: "leaky", None: "unknown"}[report.leak_free],
        figures=_figures(report),
        means=[(name, [_percent(value) for value in values])
               for name, values in (("macro", report.macro), ("weighted", report.weighted))],
        number=lambda value: _both(lambda spoken: number(value, spoken)),
        report=report,
        charts=[(spoken, _inline(chart, "png")) for spoken, each in (charts or {}).items() for chart in each],
        cards=cards,
        left_out=wrong if wrong > len(cards) else 0,
        causes=list(CAUSES),
        pairs=[
            {"true": report.classes[pair.true], "said": report.classes[pair.predicted], "count": pair.count,
             "n": pair.share.n, "back": pair.back}
            for pair in pairs(report)[:PAIRS]
        ],
        rows=[_row(row, named) for row in report.classes],
    )  # fmt: skip


def pictures_of(dataset: Dataset) -> Pictures:
    """The dataset's images by content, small; those that are gone or unreadable are None."""
    items = {item.sha256: item for item in dataset.items(limit=None)}

    def picture(sha256: str) -> bytes | None:
        item = items.get(sha256)
        if item is None:
            return None
        try:
            return thumbnail(dataset.picture(item), side=SIDE)
        except (BurinError, OSError):
            return None

    return picture


def _cards(
    predictions: Predictions, report: EvaluationReport, groups: Sequence[Group], pictures: Pictures
) -> list[dict[str, Any]]:
    place = {(group.true, group.predicted): number for number, group in enumerate(groups)}
    faults = sorted((fault for group in groups for fault in group.faults), key=lambda fault: -fault.gap)[:MOST]
    shown: dict[str, str] = {}

    def inline(sha256: str) -> str:
        if sha256 not in shown:
            content = pictures(sha256) if sha256 else None
            shown[sha256] = _inline(content, "webp") if content else ""
        return shown[sha256]

    return [
        {
            "sha256": fault.sha256,
            "true": report.classes[fault.true],
            "said": report.classes[fault.predicted],
            "file": str(predictions.files[fault.row]),
            "query": inline(fault.sha256),
            "own": inline(str(predictions.own_references[fault.row])),
            "reference": inline(str(predictions.references[fault.row, 0])),
            "similarity": _decimals(predictions.similarities[fault.row, 0]),
            "own_similarity": _decimals(predictions.own[fault.row]),
            "vote": _share(fault.vote),
            "verdict": str(predictions.verdicts[fault.row]),
            "cause": fault.cause,
            "doubt": f"{fault.doubt:.4f}",
            "gap": f"{fault.gap:.4f}",
            "score": f"{predictions.scores[fault.row]:.4f}",
            "pair": place[fault.true, fault.predicted],
        }
        for fault in faults
    ]


def _figures(report: EvaluationReport) -> list[tuple[str, Markup, Markup | str]]:
    shares = [(f"top-{k}", _percent(report.top[k - 1].value), _interval(report.top[k - 1])) for k in (1, 3, 5)]
    return [*shares, ("mAP@R", _percent(report.map_at_r), _from_to(*report.map_interval))]


def _row(row: Any, named: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": row.name, "references": row.references, "n": row.n, "measurable": row.measurable,
        "recall": _percent(row.recall), "recall_value": f"{row.recall:.6f}", "interval": _interval(row.share),
        "precision": _percent(row.precision), "precision_value": f"{row.precision:.6f}",
        "f1": _percent(row.f1), "f1_value": f"{row.f1:.6f}",
        "taken_for": named.get(row.taken_for, row.taken_for), "times": row.times,
    }  # fmt: skip


def model_sentence(sentence: str, language: str) -> str:
    """What an embedder said of itself, in a language; what is not of `MODELS` and `ENGINES` stays as it is."""
    model, engine = re.fullmatch(r"(.*?)(?: (Embedding runs in .*))?", sentence, re.DOTALL).groups("")  # type: ignore[union-attr]
    parts = [_like(part, table, language) for part, table in ((model, MODELS), (engine, ENGINES)) if part]
    return " ".join(parts)


def _like(sentence: str, templates: Sequence[str], language: str) -> str:
    for template in templates:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))
        if found := re.fullmatch(pattern, sentence):
            return catalogue(language).gettext(template).format(**found.groupdict())
    return sentence


def _say(name: str, **values: object) -> Markup:
    """A sentence in both languages; which one is seen is the page's own choice. Values are escaped; numbers, and what
    is `Told`, are in the language of the sentence."""

    def told(language: str) -> str:
        return _plain(name, language).format(**{key: _value(value, language) for key, value in values.items()})

    return _both(told)


def _value(value: Any, language: str) -> object:
    if callable(value):
        return value(language)
    return number(value, language) if isinstance(value, int) else value


def _both(told: Told) -> Markup:
    """A text in every language, each for its readers; once where all are the same."""
    from markupsafe import Markup, escape

    texts = {language: told(language) for language in LANGUAGES}
    if len(set(texts.values())) == 1:
        return escape(texts["en"])
    return Markup("").join(Markup('<span lang="{}">{}</span>').format(*each) for each in texts.items())


def _plain(name: str, language: str) -> str:
    return catalogue(language).gettext(WORDS[name])


def _share(value: float) -> Told:
    return lambda language: "–" if value != value else percent(value, language)


def _decimals(value: float) -> Told:
    return lambda language: decimals(float(value), 2, language)


def _percent(value: float) -> Markup:
    return _both(_share(value))


def _interval(share: Share) -> Markup | str:
    return _from_to(*share.interval)


def _from_to(*ends: float) -> Markup | str:
    if any(math.isnan(end) for end in ends):
        return ""
    between = {"fr": " ; "}

    def told(language: str) -> str:
        return f"[{between.get(language, ', ').join(decimals(100 * end, 1, language) for end in ends)}]"

    return _both(told)


def _inline(content: bytes, form: str) -> str:
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"
