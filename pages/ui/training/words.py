"""How training is said: the names of its settings and their values, states of a run, durations, scores. No widgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from babel.dates import format_date, format_time
from babel.numbers import format_decimal, format_scientific

from core.showcase import shipped
from core.training.run import Run
from core.training.settings import BACKBONES, BALANCES, LOSSES, MINING, MODELS, SOURCES, STARTS
from core.variation.policies import PRESETS
from pages.ui.i18n import _, decimals, ngettext, number, percent, translated
from pages.ui.state import workbench

SCORES = ("top1", "top5", "macro_recall", "map_at_r")

RAISED = str.maketrans("-\u22120123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

SHIPPED = (shipped.NAME, shipped.NOTE)

STATES = {  # colour and icon
    "running": ("blue", ":material/play_circle:"),
    "paused": ("orange", ":material/pause_circle:"),
    "finished": ("green", ":material/check_circle:"),
    "stopped": ("gray", ":material/stop_circle:"),
    "failed": ("red", ":material/error:"),
    "interrupted": ("orange", ":material/power_off:"),
    "collapsed": ("red", ":material/compress:"),
}


def run_name(run: Run) -> str:
    """What a run is called; the sample's own in the reader's language, as long as nobody has called it otherwise."""
    return _own(run.record.name)


def run_note(run: Run) -> str:
    """The note of a run, as `run_name` says its name."""
    return _own(run.record.note)


def _own(text: str) -> str:
    return translated(text) if text in SHIPPED else text


def state_name(state: str) -> str:
    names = {
        "running": _("running"), "paused": _("paused"), "finished": _("finished"), "stopped": _("stopped"),
        "failed": _("failed"), "interrupted": _("interrupted"), "collapsed": _("collapsed"),
    }  # fmt: skip
    return names.get(state, state)


def state_badge(state: str) -> str:
    """As Markdown."""
    colour, icon = STATES.get(state, ("gray", ":material/help:"))
    return f":{colour}-badge[{icon} {state_name(state)}]"


def score_name(score: str) -> str:
    names = {"top1": _("top-1"), "top5": _("top-5"), "macro_recall": _("macro recall"), "map_at_r": _("mAP@R")}
    return names.get(score, score)


def part_name(part: str) -> str:
    """A part of the network: a line of the unfreezing table, a group of learning rates."""
    names = {"head": _("head"), "last": _("last blocks"), "all": _("whole network"), "first": _("first blocks"),
             "loss": _("loss")}  # fmt: skip
    return names.get(part, part)


def field_label(name: str) -> str:
    """A setting by its name in the form, in a comparison and in a run's list."""
    labels = {
        "architecture": _("Backbone"),
        "embedding_size": _("Embedding size"),
        "start": _("Starts from"),
        "start_from": _("Which run"),
        "mode": _("What the model sees"),
        "size": _("Image size"),
        "model": _("Model"),
        "loss": _("Loss"),
        "mining": _("Mining"),
        "loss_parameters": _("Numbers of the loss"),
        "classes_per_batch": _("Classes a batch (P)"),
        "images_per_class": _("Images a class (K)"),
        "epochs": _("Epochs"),
        "steps": _("Steps an epoch"),
        "learning_rate": _("Learning rate"),
        "trunk_rate": _("Trunk’s share of it"),
        "weight_decay": _("Weight decay"),
        "onecycle": _("One cycle"),
        "unfreezing": _("Unfreezing"),
        "clip_norm": _("Gradient clipping"),
        "average": _("Average of the weights"),
        "blend": _("Blend with the start"),
        "patience": _("Patience"),
        "policy": _("Augmentation"),
        "source": _("Variants"),
        "balance": _("Balance"),
        "mixed_precision": _("Mixed precision"),
        "seed": _("Seed"),
        "validation": _("Validation share"),
        "test": _("Test share"),
        "held_out": _("Classes held out"),
        "folds": _("Folds"),
        "fold": _("Fold"),
        "neighbours": _("Neighbours"),
    }
    return labels.get(name, name)


def field_value(name: str, value: Any) -> str:
    """A setting's value as a person reads it."""
    tables: dict[str, Mapping[str, str]] = {
        "start": STARTS, "model": MODELS, "mining": MINING, "source": SOURCES, "balance": BALANCES,
    }  # fmt: skip
    if name in tables:
        return translated(tables[name].get(value, str(value)))
    if name == "architecture":
        return BACKBONES[value].title if value in BACKBONES else str(value)
    if name == "loss":
        return translated(LOSSES[value].title) if value in LOSSES else str(value)
    if name == "mode":
        return mode_name(value)
    if name == "size":
        return f"{number(value)} px"
    if name == "policy":
        return policy_title(value)
    if name == "unfreezing":
        steps = [_("{part} from epoch {n}").format(part=part_name(t["part"]), n=t["epoch"] + 1) for t in value]
        return ", ".join(steps) or _("everything from the first epoch")
    if name == "loss_parameters":
        return ", ".join(f"{key} {significant(each)}" for key, each in value.items()) or "–"
    if name in ("validation", "test", "held_out"):
        return percent(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return significant(value) if isinstance(value, int | float) else str(value)


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A record of settings with its preprocessing beside the other values, without the format."""
    seen = settings.get("preprocessing", {})
    rest = {name: value for name, value in settings.items() if name not in ("preprocessing", "format")}
    return {**rest, "mode": seen.get("mode"), "size": seen.get("size")}


def asked(run: Run) -> dict[str, Any]:
    """The settings of a run as `flat` has them; of a checkpoint brought in, what its file says."""
    values = flat(run.record.settings)
    known = ("architecture", "embedding_size", "mode", "size")
    return {name: values[name] for name in known if name in values} if run.brought_in else values


def mode_name(mode: str) -> str:
    names = {
        "strokes": _("strokes redrawn"),
        "crop": _("cropped to the ink"),
        "plain": _("the whole picture"),
        "joined": _("the ink and the whole picture, joined"),
    }
    return names.get(mode, mode)


def policy_title(policy: Mapping[str, Any] | None) -> str:
    """The name of a policy as a run keeps it; a preset's is translated."""
    if not policy:
        return _("none: images as they are")
    known = PRESETS.get(policy.get("id", ""))
    return translated(known.name) if known else str(policy.get("name", ""))


def facts(run: Run) -> str:
    """A run in one line: when, what, on how much."""
    settings, counts = flat(run.record.settings), run.record.counts
    parts = [when(run.record.created_at)]
    if settings.get("architecture"):
        parts.append(field_value("architecture", settings["architecture"]))
        if not run.brought_in:  # of a model that was brought in, nobody knows how it was trained
            parts.append(field_value("loss", settings["loss"]))
        parts.append(f"{settings['size']} px")
    n = counts.get("classes", 0)
    if n:
        parts.append(ngettext("{n} class", "{n} classes", n).format(n=number(n)))
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)


def when(at: float) -> str:
    """A moment: the time of today, the date and time of another day."""
    moment, language = datetime.fromtimestamp(at), workbench().language
    clock = format_time(moment, "short", locale=language)
    if moment.date() == datetime.now().date():
        return _("today {time}").format(time=clock)
    return f"{format_date(moment, 'medium', locale=language)} {clock}"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3 h 20."""
    if seconds < 90:
        return _("{n} s").format(n=number(max(1, round(seconds))))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{n} min").format(n=number(minutes))
    return _("{h} h {m}").format(h=number(minutes // 60), m=f"{minutes % 60:02d}")


def significant(value: float) -> str:
    """A number with at most three significant digits: 0.001, 0.85, 1,200."""
    if isinstance(value, int) or abs(value) >= 100:
        return number(round(value))
    if 0 < abs(value) < 1e-4:
        mantissa, _sign, power = format_scientific(value, format="0.#E0", locale=workbench().language).partition("E")
        return f"{mantissa} × 10{power.translate(RAISED)}".replace(" ", "\u00a0")
    return format_decimal(value, format="@##", locale=workbench().language)


def interval(share: float, n: int) -> str:
    """The Wilson interval (95 %) of a share of ``n``."""
    from core.recognition.metrics import wilson

    low, high = wilson(round(share * n), n)
    return f"{decimals(100 * low, 1)}–{percent(high)}"
