"""The parts of the Balance page: the choice of a strategy, its chart, its figures, the plan class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import streamlit as st

from core.variation import policies
from core.variation.balance import STRATEGIES, BalancePlan, ClassPlan, Cost, Strategy, plan
from core.variation.figures import class_sizes
from core.variation.policies import Policy
from core.variation.writer import MOST_PER_IMAGE
from pages.ui import charts, services, widgets
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.components.strategies import Card, strategies
from pages.ui.i18n import _, decimals, ngettext, number, translated
from pages.ui.state import workbench
from pages.ui.tiles import source
from pages.ui.variation import writing
from pages.ui.variation.recipe import name_of, recipe

NAMES: tuple[Strategy, ...] = get_args(Strategy)
MINIMUM, CAP = 10, 100  # images a class


@dataclass(frozen=True)
class Wanted:
    """What the controls say, but for the strategy."""

    minimum: int
    cap: int
    most: int
    policy: Policy
    seed: int


def wanted() -> Wanted:
    """Draw the controls of the chosen strategy."""
    known = {policy.id: policy for policy in policies.policies(services.workspace())}
    chosen = strategy()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if chosen == "minimum":
            minimum = st.number_input(
                _("Images every class should have"), 1, 1000, MINIMUM, **kept("minimum"), width=230
            )
        else:
            minimum = int(st.session_state.get("balance.minimum", MINIMUM))
        if chosen == "equalise":
            cap = st.number_input(_("At most a class"), 1, 10_000, CAP, **kept("cap"), width=180)
        else:
            cap = int(st.session_state.get("balance.cap", CAP))
        first = recipe().origin.id if recipe().origin.id in known else policies.DEFAULT
        policy_id = st.selectbox(
            _("Policy"), list(known), index=list(known).index(first), format_func=lambda name: name_of(known[name]),
            key="balance.policy", width=240,
        )  # fmt: skip
        with st.popover(_("More"), icon=":material/tune:"):
            most = st.number_input(_("Most variants of one original"), 1, MOST_PER_IMAGE, 50, **kept("most"))
            seed = st.number_input(_("Seed"), 0, 2**31 - 1, 0, **kept("seed"))
            st.page_link("pages/data/augment.py", label=_("Look at the policy"), icon=":material/grid_view:")
    return Wanted(int(minimum), int(cap), int(most), known[policy_id], int(seed))


def kept(name: str) -> dict[str, Any]:
    """How a number keeps its value while its widget is away; it comes back by its default, never by a
    value set from here, which the browser misses where another run follows at once."""
    return {"key": f"balance.{name}", "persist_state": "session"}


def strategy() -> Strategy:
    """The one in the URL, else the first."""
    given = st.query_params.get("strategy", NAMES[0])
    return next((name for name in NAMES if name == given), NAMES[0])


def choose(plans: dict[Strategy, BalancePlan]) -> None:
    """The strategies side by side."""
    cards = [_card(made) for made in plans.values()]
    chosen = strategies(cards, chosen=strategy(), label=_("Strategy"), key="balance.strategies")
    if chosen in plans and chosen != strategy():
        if chosen == NAMES[0]:
            st.query_params.pop("strategy", None)
        else:
            st.query_params["strategy"] = chosen
        st.rerun()


def plans(options: Wanted) -> dict[Strategy, BalancePlan]:
    """Every strategy's plan under the same options."""
    cost = writing.cost_of(options.policy) if options.policy.steps else Cost(0.0, 0.0)
    return {name: replace(_plan(name, options), cost=cost) for name in NAMES}


def _plan(name: Strategy, options: Wanted) -> BalancePlan:
    return _plan_at(
        str(services.workspace().root), services.dataset().version, writing.stamp(), name,
        options.minimum, options.cap, options.most, options.policy, options.policy.digest, options.seed,
    )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=32)
def _plan_at(
    root: str, version: int, stamp: int, name: Strategy, minimum: int, cap: int, most: int,
    _policy: Policy, digest: str, seed: int,
) -> BalancePlan:  # fmt: skip
    return plan(
        writing.stock(), writing.written()[1], strategy=name, minimum=minimum, cap=cap, most_per_original=most,
        policy=_policy, seed=seed,
    )  # fmt: skip


def _card(made: BalancePlan) -> Card:
    classes = sorted(made.classes, key=lambda each: -each.count.images)
    bars = [(each.count.images, each.add) for each in classes]
    if made.strategy == "sampler":
        weights = [each.weight for each in made.classes]
        figure = _("no files")
        lines = [
            _("weights from {low} to {high}").format(low=decimals(min(weights), 2), high=decimals(max(weights), 2)),
            _("used while training: a rare class is drawn more often"),
        ]
    else:
        figure = ngettext("+{n} variant", "+{n} variants", made.total).format(n=number(made.total))
        lines = [
            _("ratio {before} → {after}").format(
                before=decimals(made.before.ratio, 1), after=decimals(made.after.ratio, 1)
            ),
            writing.cost_said(made.cost, made.total, made.looked_at) if made.total else _("nothing to write"),
        ]
    return Card(made.strategy, translated(STRATEGIES[made.strategy]), figure, lines, bars, made.line)


def chart(made: BalancePlan) -> None:
    words = {
        "originals": _("originals"),
        "variants": _("variants"),
        "planned": _("planned variants"),
        "target": _("target {n}"),
        "images": _("images"),
    }
    figure = class_sizes(made, look=charts.look(), words=words)
    st.plotly_chart(figure, key="balance.chart", config=charts.CONFIG, alt=_("Images of each class"))


def figures(made: BalancePlan) -> None:
    """How uneven the classes are, and would be, each figure in a line."""
    before, after = made.before, made.after
    explained = (
        (_("Ratio"), lambda i: decimals(i.ratio, 1), _("The largest class has so many times the images of the smallest. 1 is even.")),
        (_("Gini"), lambda i: decimals(i.gini, 2), _("0 when all classes are alike, towards 1 when one has nearly everything.")),
        (
            _("Effective classes"),
            lambda i: decimals(i.effective, 1),
            _("So many classes of equal size would be as diverse as these {n}.").format(n=number(before.classes)),
        ),
    )  # fmt: skip
    with st.grid(3, min_column_width=200, gap="medium"):
        for title, said, meaning in explained:
            with st.container(gap="xsmall"):
                st.metric(title, f"{said(before)} → {said(after)}" if said(before) != said(after) else said(before))
                st.caption(meaning)


def details(made: BalancePlan) -> None:
    """Class by class: what it has, what it gets, from which originals."""
    rows = sorted(made.classes, key=lambda each: (-each.add, each.count.name))
    if made.strategy == "sampler":
        columns: dict[str, Sequence[Any]] = {
            _("Class"): [each.count.name for each in rows],
            _("Originals"): [each.count.originals for each in rows],
            _("Variants"): [each.count.variants for each in rows],
            _("Weight of an image"): [round(each.weight, 2) for each in rows],
        }
    else:
        columns = {
            _("Class"): [each.count.name for each in rows],
            _("Originals"): [each.count.originals for each in rows],
            _("Variants"): [each.count.variants for each in rows],
            _("To write"): [each.add for each in rows],
            _("Then"): [each.after for each in rows],
            _("From"): [_from(each) for each in rows],
        }
    widgets.table(columns, hide_index=True, alt=_("The plan, class by class"), height=min(420, 40 + 35 * len(rows)))
    grown = [each for each in rows if each.add]
    if grown:
        _one_class(grown)


def _from(each: ClassPlan) -> str:
    """Which originals, and how many of each."""
    if not each.add:
        return _("enough already")
    shares = Counter(len(numbers) for _sha, numbers in each.draws)
    parts = [
        ngettext("{n} original × {m}", "{n} originals × {m}", count).format(n=number(count), m=number(size))
        for size, count in sorted(shares.items(), reverse=True)
    ]
    text = ", ".join(parts)
    return text + " · " + _("falls short: no original may have more") if each.capped else text


def _one_class(grown: list[ClassPlan]) -> None:
    """The originals of one class with how many variants each will get."""
    by_name = {each.count.name: each for each in grown}
    name = st.selectbox(
        _("From which originals"), list(by_name), key="balance.class", index=None, width=280,
        placeholder=_("Choose a class to see them"),
    )  # fmt: skip
    if name not in by_name:
        return
    shares = {sha256: len(numbers) for sha256, numbers in by_name[name].draws}
    ids = {o.sha256: o.item_id for o in writing.stock() if o.sha256 in shares and o.item_id is not None}
    items = {item.id: item for item in services.dataset().some(ids.values())}
    tiles = [
        Tile(items[ids[sha256]].id, source(items[ids[sha256]]), name, f"× {number(count)}")
        for sha256, count in shares.items()
        if ids.get(sha256) in items
    ]
    total = ngettext("{n} variant", "{n} variants", by_name[name].add).format(n=number(by_name[name].add))
    opened = gallery(
        [Group(name, total, tiles)],
        version=f"{name} {sorted(shares.items())} {workbench().language}",
        key="balance.wall",
    )
    if opened:
        st.switch_page("pages/data/augment.py", query_params={"item": str(opened)})


def apply(made: BalancePlan) -> None:
    """Write what the plan says, or say that there is nothing to write."""
    if made.strategy == "sampler":
        st.info(
            _("These weights are for the training's sampler: nothing is written, and nothing to undo."),
            icon=":material/balance:",
        )
        return
    short = [each.count.name for each in made.classes if each.capped]
    if short:
        text = ngettext(
            "{n} class falls short of the target: its originals have the most variants allowed.",
            "{n} classes fall short of the target: their originals have the most variants allowed.",
            len(short),
        )
        st.warning(text.format(n=number(len(short))), icon=":material/vertical_align_top:")
    if not made.total:
        st.success(_("Every class has its target: nothing to write."), icon=":material/check_circle:")
        return
    label = ngettext("Write {n} variant", "Write {n} variants", made.total).format(n=number(made.total))
    writing.start_buttons("balance", made.params(writing.stock()), disabled=not made.policy.steps, label=label)
    st.caption(
        _("This takes {cost}: each class is checked first, and what is not safe for it is left out there.").format(
            cost=writing.cost_said(made.cost, made.total, made.looked_at)
        )
    )
