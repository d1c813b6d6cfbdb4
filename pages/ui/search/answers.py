"""An answer on the screen: the verdict, the comparison, the other classes, the way to object. Its words: `words`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.ground.errors import BurinError
from core.ground.images import content_hash
from core.ground.regions import Region
from pages.ui import cached, contents, pictures, services, widgets
from pages.ui.components.overlay import Laid, overlay
from pages.ui.components.picture import Box, picture
from pages.ui.data import similar
from pages.ui.i18n import _, sentence
from pages.ui.refusals import attempt
from pages.ui.search import words
from pages.ui.search.inputs import Query, pinned
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.verdict_words import verdict_badge

if TYPE_CHECKING:
    from core.recognition.calibrate import Calibration
    from core.recognition.identify import (
        Answer,  # A column is under the other from this width down (Streamlit's own break), and there is no setting to show a thing there only.
    )
    from core.recognition.ranking import (
        ClassAnswer,  # A column is under the other from this width down (Streamlit's own break), and there is no setting to show a thing there only.
    )
ONLY_NARROW = "<style>@media (min-width: 641px) { .st-key-identify-said { display: none } }</style>"
ABREAST = 2  # answers to marks of one image side by side
MOST_POINTED = 8  # marks that somebody may point at in one image
SAME_INK = 0.5  # of the smaller of two boxes: from there on they are of one mark
LAID = 2  # classes that the mark can be seen laid over
MOST_PINNED = 8  # images that a session keeps for the map
COMPARED = {"certain": 1, "hesitates": 2, "unknown": 1, "not_found": 0}  # classes shown beside the query, by verdict
NAMED = {"certain": 1, "hesitates": 2, "unknown": 0, "not_found": 0}  # classes whose fields are shown


def in_short(answers: Sequence[Answer], names: dict[int, str]) -> None:
    """The answers in a few words, for a screen on which they lie below what they answer; hidden on a wide one. Before
    there is any, their line is there already, so that the sheet stays where it is under the hand that draws."""
    with st.container(horizontal=True, vertical_alignment="center", key="identify.said"):
        st.html(ONLY_NARROW)
        for answer in answers:
            st.markdown(f"{verdict_badge(answer.verdict)} **{esc(words.headline(answer, names))}**")
        if not answers:
            st.markdown(":gray[" + _("The answer comes here.") + "]")


def guide() -> None:
    """Before any image is given: what the four verdicts mean, and what they are worth here."""
    with st.container(border=True):
        st.subheader(_("How it answers"), anchor=False)
        meanings = {
            "certain": _("The mark is like one class, more than a foreign mark is by chance. Its name is given."),
            "hesitates": _(
                "Two classes are close, or none is close enough: both are shown beside your mark, you decide."
            ),
            "unknown": _("No class looks like it. Burin says so rather than inventing a name."),
            "not_found": _("Nothing in the image is surely a mark, so nothing is compared: show where it is."),
        }
        for verdict, meaning in meanings.items():
            st.markdown(f"{verdict_badge(verdict)}  \n{meaning}")
        if services.preparation().stage == "ready":
            st.caption(words.rate_sentence(services.base().calibration))


def show(
    query: Query,
    answers: Sequence[Answer],
    classes: dict[int, ClassRecord],
    calibration: Calibration,
    *,
    card: bool = True,
) -> None:
    """The whole answer to one query, mark by mark; ``card`` draws the frame around each."""
    one = len(answers) == 1
    if one:
        _mark(query, answers[0], classes, query.token, card=card)
    else:
        pointing(query, answers, classes)
        with st.grid(min(len(answers), ABREAST), min_column_width=256):
            for place, answer in enumerate(answers):
                with st.container():
                    _mark(query, answer, classes, f"{query.token}.{place}", number_=place + 1)
    if one:
        pointing(query, answers, classes)
    if one and answers[0].verdict != "not_found":
        _to_map(query, answers[0].region if workbench().pointed.get(query.token) else None)
        _others(answers[0].classes[COMPARED[answers[0].verdict] :], classes)
    worth = (
        "" if all(answer.verdict == "not_found" for answer in answers) else f"{words.rate_sentence(calibration)}  \n"
    )
    st.caption(f"{worth}{words.latency(answers)}")


def _mark(
    query: Query, answer: Answer, classes: dict[int, ClassRecord], key: str, *, number_: int = 0, card: bool = True
) -> None:
    """The answer to one mark: its verdict, the comparison, the way to object; ``number_`` where there are several."""
    names = {record.id: record.name for record in classes.values()}
    with st.container(border=card, key=f"identify.answer.{key}"):
        badge = verdict_badge(answer.verdict)
        st.markdown(f"**{number_}**  {badge}" if number_ else badge)
        text = esc(words.headline(answer, names))
        st.subheader(text, anchor=False) if number_ else st.title(text, anchor=False)
        st.markdown(words.explained(answer, names))
        if answer.verdict != "not_found":
            _compare(query, answer, classes, COMPARED[answer.verdict])
            _overlay(query, answer, classes, key)
            _fields(key, answer, classes, NAMED[answer.verdict])
        _object(query, answer, classes, key)


def _to_map(query: Query, region: Region | None) -> None:
    """A button that opens the map of the encoder in use with the query pinned where it belongs."""
    if st.button(_("Show it on the map"), icon=":material/scatter_plot:", key=f"identify.map.{query.token}"):
        if region is not None:  # the map is told of the mark alone
            query = replace(
                query, source=cached.mark(query.data, query.token, region), token=f"{query.token}.{region.box}"
            )
        pinned()[:] = [query, *(other for other in pinned() if other.token != query.token)][:MOST_PINNED]
        st.switch_page("pages/model/embeddings.py", query_params={"run": ""})


def pointing(query: Query, answers: Sequence[Answer], classes: dict[int, ClassRecord]) -> None:
    """The image itself, with the boxes of the marks and of what else might be one: to look closer, and to point."""
    names = {record.id: record.name for record in classes.values()}
    src, size = cached.small(query.data, query.token)
    taken = [Box(one.region, True, words.headline(one, names)) for one in answers if one.region is not None]
    found = (
        cached.answers(query.data, query.token, name=query.name) if workbench().pointed.get(query.token) else answers
    )
    others = [region for one in found for region in (*((one.region,) if one.region else ()), *one.instead)]
    proposed = [
        Box(region, False) for region in others
        if all(region.shared(box.region) <= SAME_INK for box in taken) and region.box != [0, 0, *size]
    ]  # fmt: skip
    if not taken:
        proposed = [Box(region, False) for region in others]

    def point(regions: list[Region]) -> None:
        workbench().pointed[query.token] = tuple(regions)

    picture(
        src,
        pictures.address(query.data, query.token),
        size=size,
        boxes=[*taken, *proposed],
        key=f"identify.picture.{query.token}",
        on_point=point,
        most=MOST_POINTED,
        asking=answers[0].verdict == "not_found",
    )


def _compare(query: Query, answer: Answer, classes: dict[int, ClassRecord], count: int) -> None:
    """The query, what the model sees of it, and the best reference of the ``count`` first classes."""
    with st.grid(max(3, 2 + count), min_column_width=84, gap="small"):
        with st.container(gap="xxsmall"):
            st.image(cached.cut(query.data, query.token, answer.region), width="stretch", alt=_("Your image"))
            st.caption(_("Your image"))
        with st.container(gap="xxsmall"):
            seen = cached.seen(answer.seen, f"{query.token} {answer.region}", services.embedder().space)
            st.image(seen, width="stretch", alt=_("What the model sees"))
            st.caption(_("What the model sees"))
        for candidate in answer.classes[:count]:
            with st.container(gap="xxsmall"):
                item = _reference(candidate)
                name = f"**{esc(classes[candidate.class_id].name)}**"
                if item.sha256 == content_hash(query.data):
                    told = _("{name}: this very image is in the base").format(name=name)
                else:
                    told = _("{name}, similarity {similarity}").format(
                        name=name, similarity=words.similarity(candidate)
                    )
                st.caption(told)
                st.markdown(f":small[{similar.said(item.id)}]")  # a caption is too pale for a link


def _overlay(query: Query, answer: Answer, classes: dict[int, ClassRecord], key: str) -> None:
    """The mark laid over the best reference of the classes that are shown, folded where the answer is clear."""
    encoder, data, over = services.embedder(), services.dataset(), []
    token = f"{query.token} {answer.region} {encoder.space}"
    for candidate in answer.classes[:LAID]:
        with suppress(BurinError):  # a file that was taken away since
            item = data.item(candidate.item_id)
            found = contents.laid_over(answer.seen, token, item, encoder.preprocessing)
            if found is not None:
                over.append(Laid(classes[candidate.class_id].name, found))
    if over:
        with st.expander(_("Stroke over stroke"), icon=":material/layers:", expanded=answer.verdict == "hesitates"):
            overlay(over, key=f"identify.overlay.{key}")


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


def _fields(key: str, answer: Answer, classes: dict[int, ClassRecord], count: int) -> None:
    """Maker, product and notes of the classes named, where somebody wrote them."""
    described = [classes[c.class_id] for c in answer.classes[:count] if any(classes[c.class_id].fields.values())]
    for record in described:
        with st.container(border=True, key=f"identify.fields.{key}.{record.id}"):
            if len(described) > 1:
                st.markdown(f"**{esc(record.name)}**")
            with st.container(horizontal=True, gap="large"):
                widgets.class_fields(record)


def _others(candidates: list[ClassAnswer], classes: dict[int, ClassRecord]) -> None:
    """The classes that were not named, likeliest first, each with its best reference."""
    if not candidates:
        return
    st.subheader(_("The next likeliest"), anchor=False)
    with st.grid(len(candidates), min_column_width=84, gap="small"):
        for candidate in candidates:
            with st.container(gap="xxsmall"):
                _reference(candidate)
                st.markdown(f"**{esc(classes[candidate.class_id].name)}**")
                st.progress(
                    max(0.0, min(1.0, candidate.similarity)), _("similarity {n}").format(n=words.similarity(candidate))
                )


def _object(query: Query, answer: Answer, classes: dict[int, ClassRecord], key: str) -> None:
    """Buttons "This is wrong" and "not in the base": the image goes to the curator, with what was answered."""
    bench = workbench()
    if key in bench.reported:
        st.caption(_(":material/inbox: Sent to the curator. Thank you."))
        return
    with st.container(horizontal=True):
        # A form: what is written in the note goes along with the click, left or not.
        with (
            st.popover(_("This is wrong"), icon=":material/flag:", key=f"identify.wrong.{key}"),
            st.form(f"identify.wrong.form.{key}", border=False, enter_to_submit=False),
        ):
            right = widgets.choose_class(
                _("Which class is it, if you know?"),
                list(classes.values()),
                key=f"identify.right.{key}",
                placeholder=_("Type a name"),
            )
            note = st.text_input(_("Note for the curator"), key=f"identify.note.{key}", max_chars=500)
            if st.form_submit_button(_("Send to the curator"), type="primary", key=f"identify.send.{key}"):
                _report(query, answer, classes, key, "wrong", right, note)
                st.rerun()
        if answer.verdict in ("certain", "hesitates"):
            st.button(
                _("Not in the base"),
                icon=":material/block:",
                key=f"identify.unknown.{key}",
                on_click=_report,
                args=(query, answer, classes, key, "unknown", None, ""),
            )


def _report(
    query: Query, answer: Answer, classes: dict[int, ClassRecord], key: str, said: str, right: str | None, note: str
) -> None:
    names = {record.id: record.name for record in classes.values()}
    region = answer.region.to_json() if answer.region else None
    given = {**answer.to_json(names), "file": query.name, "right": right, "region": region}
    with attempt():
        services.dataset().report(query.data, verdict=answer.verdict, said=said, answer=given, note=note)
        workbench().reported.add(key)
        workbench().notices.append(Notice(_("The image is with the curator."), ":material/inbox:"))
