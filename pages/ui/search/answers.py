"""An answer on the screen: the verdict in words, the comparison, the other classes, the way to object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.ground.errors import BurinError
from core.ground.images import content_hash
from pages.ui import cached, services, widgets
from pages.ui.i18n import _, decimals, number, percent, sentence
from pages.ui.search.intake import Query
from pages.ui.state import Notice, workbench
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.recognition.calibrate import Calibration
    from core.recognition.identify import Answer, ClassAnswer

LOOK = {
    "certain": ("green", ":material/verified:"),
    "hesitates": ("orange", ":material/balance:"),
    "unknown": ("gray", ":material/block:"),
}
MOST_PINNED = 8  # images that a session keeps for the map
COMPARED = {"certain": 1, "hesitates": 2, "unknown": 1}  # classes shown beside the query, by verdict
NAMED = {"certain": 1, "hesitates": 2, "unknown": 0}  # classes whose fields are shown


def verdict_name(verdict: str) -> str:
    return {"certain": _("certain"), "hesitates": _("hesitates"), "unknown": _("not in the base")}[verdict]


def headline(answer: Answer, names: dict[int, str]) -> str:
    """The answer in a few words: a name, two names, or that there is none."""
    found = [names[c.class_id] for c in answer.classes]
    if answer.verdict == "unknown" or not found:
        return _("Not in the base")
    if answer.verdict == "hesitates" and len(found) > 1:
        return _("{first} or {second}").format(first=found[0], second=found[1])
    return found[0]


def blank(answer: Answer) -> bool:
    """Whether there was nothing to see in the image."""
    return bool((answer.seen == answer.seen[0, 0]).all())


def explained(answer: Answer, names: dict[int, str]) -> str:
    """The verdict as a sentence."""
    found = [esc(names[c.class_id]) for c in answer.classes]
    if blank(answer):
        return _("There is no mark to be seen in this image.")
    if answer.verdict == "certain":
        return _("The mark is near the references of {name}, and clearly nearer than to any other class.").format(
            name=found[0]
        )
    if answer.verdict == "hesitates" and len(found) > 1:
        return _("It hesitates between {first} and {second}: compare with your own eyes.").format(
            first=found[0], second=found[1]
        )
    if answer.verdict == "hesitates":
        return _("It looks like {name}, but not enough to be certain.").format(name=found[0])
    if found:
        return _("No class is near enough. The nearest is {name}, shown for comparison only.").format(name=found[0])
    return _("There is no reference to compare with.")


def guide() -> None:
    """Before any image is given: what the three verdicts mean, and what they are worth here."""
    with st.container(border=True):
        st.subheader(_("How it answers"), anchor=False)
        meanings = {
            "certain": _("The mark is near one class and clearly nearer than to any other. Its name is given."),
            "hesitates": _(
                "Two classes are close, or none is close enough: both are shown beside your mark, you decide."
            ),
            "unknown": _("No class looks like it. Burin says so rather than inventing a name."),
        }
        for verdict, meaning in meanings.items():
            colour, icon = LOOK[verdict]
            st.markdown(f":{colour}-badge[{icon} {verdict_name(verdict)}]  \n{meaning}")
        if services.preparation().stage == "ready":
            st.caption(rate_sentence(services.base().calibration))


def show(
    query: Query, answer: Answer, classes: dict[int, ClassRecord], calibration: Calibration, *, card: bool = True
) -> None:
    """The whole answer to one query; ``card`` draws the frame around it."""
    names = {record.id: record.name for record in classes.values()}
    count = 0 if blank(answer) else COMPARED[answer.verdict]
    colour, icon = LOOK[answer.verdict]
    with st.container(border=card, key=f"identify.answer.{query.token}"):
        st.markdown(f":{colour}-badge[{icon} {verdict_name(answer.verdict)}]")
        st.title(esc(headline(answer, names)), anchor=False)
        st.markdown(explained(answer, names))
        _compare(query, answer, classes, count)
        _fields(query, answer, classes, NAMED[answer.verdict])
        _object(query, answer, classes)
    if not blank(answer):
        _to_map(query)
        _others(answer.classes[count:], classes)
    st.caption(f"{rate_sentence(calibration)}  \n{_latency(answer)}")


def _to_map(query: Query) -> None:
    """A button that opens the map of the encoder in use with the query pinned where it belongs."""
    if st.button(_("Show it on the map"), icon=":material/scatter_plot:", key=f"identify.map.{query.token}"):
        bench = workbench()
        bench.pinned = [query, *(other for other in bench.pinned if other.token != query.token)][:MOST_PINNED]
        st.switch_page("pages/model/embeddings.py", query_params={"run": ""})


def _compare(query: Query, answer: Answer, classes: dict[int, ClassRecord], count: int) -> None:
    """The query, what the model sees of it, and the best reference of the ``count`` first classes."""
    with st.grid(max(3, 2 + count), min_column_width=84, gap="small"):
        with st.container(gap="xxsmall"):
            st.image(cached.shown(query.data, query.token), width="stretch", alt=_("Your image"))
            st.caption(_("Your image"))
        with st.container(gap="xxsmall"):
            seen = cached.seen(answer.seen, query.token, services.embedder().space)
            st.image(seen, width="stretch", alt=_("What the model sees"))
            st.caption(_("What the model sees"))
        for candidate in answer.classes[:count]:
            with st.container(gap="xxsmall"):
                item = _reference(candidate)
                name = f"**{esc(classes[candidate.class_id].name)}**"
                if item.sha256 == content_hash(query.data):
                    st.caption(_("{name}: this very image is in the base").format(name=name))
                else:
                    st.caption(
                        _("{name}, similarity {similarity}").format(name=name, similarity=_similarity(candidate))
                    )


def _reference(candidate: ClassAnswer) -> Item:
    """Show the candidate's best reference; its item."""
    data = services.dataset()
    item = data.item(candidate.item_id)
    try:
        picture = cached.square(str(data.thumbnail(item)), item.sha256)
        st.image(picture, width="stretch", alt=_("Reference of {name}").format(name=item.class_name))
    except BurinError as error:  # its file was taken away since: the answer stands all the same
        st.caption(esc(sentence(error)))
    return item


def _fields(query: Query, answer: Answer, classes: dict[int, ClassRecord], count: int) -> None:
    """Maker, product and notes of the classes named, where somebody wrote them."""
    described = [classes[c.class_id] for c in answer.classes[:count] if any(classes[c.class_id].fields.values())]
    for record in described:
        with st.container(border=True, key=f"identify.fields.{query.token}.{record.id}"):
            if len(described) > 1:
                st.markdown(f"**{esc(record.name)}**")
            with st.container(horizontal=True, gap="large"):
                widgets.class_fields(record)


def _others(candidates: list[ClassAnswer], classes: dict[int, ClassRecord]) -> None:
    """The classes that were not named, nearest first, each with its best reference."""
    if not candidates:
        return
    st.subheader(_("The next nearest"), anchor=False)
    with st.grid(len(candidates), min_column_width=84, gap="small"):
        for candidate in candidates:
            with st.container(gap="xxsmall"):
                _reference(candidate)
                st.markdown(f"**{esc(classes[candidate.class_id].name)}**")
                st.progress(
                    max(0.0, min(1.0, candidate.similarity)), _("similarity {n}").format(n=_similarity(candidate))
                )


def _similarity(candidate: ClassAnswer) -> str:
    return decimals(candidate.similarity, 2)


def rate_sentence(calibration: Calibration) -> str:
    """What "certain" is worth on this base, with the figures it was measured with."""
    if not calibration.outside:
        return _(
            "This base is too small to measure how often a foreign mark would be named: nothing is called certain."
        )
    return _(
        "A mark from outside the base is called certain in at most {target} of cases "
        "(measured here: {measured} of {n} trials, each with its own class taken away)."
    ).format(
        target=percent(calibration.target), measured=percent(calibration.false_accepts), n=number(calibration.outside)
    )


def _latency(answer: Answer) -> str:
    spent = {part: decimals(ms, 1) for part, ms in answer.latency_ms.items()}
    return _("Answered in {total} ms: reading {read}, finding the ink {see}, encoder {embed}, search {search}.").format(
        **spent
    )


def _object(query: Query, answer: Answer, classes: dict[int, ClassRecord]) -> None:
    """Buttons "This is wrong" and "not in the base": the image goes to the curator, with what was answered."""
    bench, token = workbench(), query.token
    if token in bench.reported:
        st.caption(_(":material/inbox: Sent to the curator. Thank you."))
        return
    with st.container(horizontal=True):
        with st.popover(_("This is wrong"), icon=":material/flag:", key=f"identify.wrong.{token}"):
            right = widgets.choose_class(
                _("Which class is it, if you know?"),
                list(classes.values()),
                key=f"identify.right.{token}",
                placeholder=_("Type a name"),
            )
            note = st.text_input(_("Note for the curator"), key=f"identify.note.{token}", max_chars=500)
            st.button(
                _("Send to the curator"),
                type="primary",
                key=f"identify.send.{token}",
                on_click=_report,
                args=(query, answer, classes, "wrong", right, note),
            )
        if answer.verdict != "unknown":
            st.button(
                _("Not in the base"),
                icon=":material/block:",
                key=f"identify.unknown.{token}",
                on_click=_report,
                args=(query, answer, classes, "unknown", None, ""),
            )


def _report(
    query: Query, answer: Answer, classes: dict[int, ClassRecord], said: str, right: str | None, note: str
) -> None:
    names = {record.id: record.name for record in classes.values()}
    given = {**answer.to_json(names), "file": query.name, "right": right}
    services.dataset().report(query.data, verdict=answer.verdict, said=said, answer=given, note=note)
    workbench().reported.add(query.token)
    workbench().notices.append(Notice(_("The image is with the curator."), ":material/inbox:"))
