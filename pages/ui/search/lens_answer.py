"""The products that carry the marks gathered and the code, best first: what fits and what does not, on the screen.

Near misses are shown too, and "none of these" is an answer: a new product, or the marks to the curator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from core.catalogue.records import Carried, ClassRecord, Product, ProductDraft
from core.ground.images import decode, encode_png, reduced, room_for, side_by_side
from core.ground.regions import Region
from core.sight.marks import cut_region
from pages.ui import cached, changes, people, services, widgets
from pages.ui.components.lens import OnLens, State, lens
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.products import words
from pages.ui.refusals import attempt
from pages.ui.search import paper
from pages.ui.search.gathered import NONE, READ, Gathered, choice
from pages.ui.state import Notice, session_slice, workbench
from pages.ui.text import esc
from pages.ui.verdict_words import verdict_badge

if TYPE_CHECKING:
    from core.products.finding import Found
    from core.products.matching import Fit

SHOWN, MOST = 5, 20  # products shown at once, and ranked
REPORTED = 512  # px: longer side of a mark in a report


def show(products: Sequence[Product], marks: Sequence[Gathered], code: str, classes: Mapping[int, ClassRecord]) -> None:
    """The products, best first, each with what fits and what does not."""
    from core.products.finding import find
    from core.products.matching import MOST as AT_ONCE

    if len(marks) > AT_ONCE:
        st.warning(
            _("Only the first {limit} marks are asked with.").format(limit=number(AT_ONCE)),
            icon=":material/filter_alt:",
        )
        marks = marks[:AT_ONCE]
    found = find(products, [mark.shares() for mark in marks], code=code, top=MOST)
    by_id = {product.id: product for product in products}
    st.markdown(verdict_badge(found.verdict))
    st.title(_headline(found, by_id), anchor=False)
    st.markdown(_explained(found))
    widgets.download(
        _("To print or send"), lambda: paper.page(_sheet(found, by_id, marks, code, classes)).encode(),
        file_name="lens.html", mime="text/html", icon=":material/print:", key="lens.paper",
    )  # fmt: skip
    pictures = words.faces(
        mark.class_id for fit in found.fits[:MOST] for mark in by_id[fit.product_id].marks
    )  # fmt: skip
    for rank, fit in enumerate(found.fits[:SHOWN], start=1):
        _card(rank, fit, by_id[fit.product_id], marks, code, classes, pictures)
    if len(found.fits) > SHOWN:
        with st.expander(_("Further ones"), icon=":material/expand_more:"):
            for rank, fit in enumerate(found.fits[SHOWN:], start=SHOWN + 1):
                _card(rank, fit, by_id[fit.product_id], marks, code, classes, pictures)
    _none_of_these(found, by_id, marks, code, classes)


def _headline(found: Found, products: Mapping[int, Product]) -> str:
    if found.verdict == "unknown" or not found.fits:
        return _("No product fits")
    names = [esc(words.full_name(products[fit.product_id])) for fit in found.fits[:2]]
    close = len(names) > 1 and found.fits[0].score - found.fits[1].score < 2.5
    if found.verdict == "hesitates" and close:
        return _("{first} or {second}").format(first=names[0], second=names[1])
    return names[0]


def _explained(found: Found) -> str:
    if found.verdict == "certain":
        return _("All that was given fits this product, and no other comes near.")
    if found.verdict == "hesitates":
        return _("It is the nearest, but not all fits, or others are close: compare what fits and what does not.")
    return _("None fits more than by chance. The nearest are shown for comparison only.")


def fits_in_words(fit: Fit, product: Product, asked: int, code: str) -> str:
    """What fits and what does not: "3 of 4 marks; code 74, this one has 6"."""
    parts = []
    if asked:
        text = ngettext("{n} of {total} mark fits", "{n} of {total} marks fit", asked)
        parts.append(text.format(n=number(fit.fitting), total=number(asked)))
    if fit.missing and asked:
        text = ngettext("{n} was not given", "{n} were not given", len(fit.missing))
        parts.append(text.format(n=number(len(fit.missing))))
    if code and fit.edits is None:
        parts.append(_("code {code}, none is written for this one").format(code=code))
    elif code and fit.edits:
        parts.append(_("code {code}, this one has {own}").format(code=code, own=product.code))
    elif code:
        parts.append(_("code {code}, the same").format(code=code))
    return " · ".join(parts)


def _drawn(
    fit: Fit, product: Product, classes: Mapping[int, ClassRecord], pictures: Mapping[int, str], *, asked: bool
) -> list[OnLens]:
    """The product's marks, and how each fits."""
    left = list(fit.pairs)
    shown = []
    for mark in product.marks:
        pair = next((one for one in left if one.carried == mark), None)
        state: State = "missing" if asked else ""
        note = _("not given") if asked else ""
        if pair is not None:
            left.remove(pair)
            state = "fits" if pair.fits else "differs"
            note = (
                _("mark {n}: {share}").format(n=pair.asked + 1, share=percent(pair.probability))
                if pair.fits
                else _("mark {n} is another").format(n=pair.asked + 1)
            )
        name = words.name_of(mark.class_id, classes)
        shown.append(OnLens(pictures.get(mark.class_id, ""), name, mark.at, state, note))
    return shown


def _code_state(fit: Fit, code: str) -> State:
    if not code or fit.edits is None:
        return ""
    return "fits" if fit.edits < 1 else "differs"


def _card(
    rank: int,
    fit: Fit,
    product: Product,
    marks: Sequence[Gathered],
    code: str,
    classes: Mapping[int, ClassRecord],
    pictures: Mapping[int, str],
) -> None:
    with st.container(border=True, key=f"lens.product.{product.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            name = f"**{number(rank)}. {esc(words.full_name(product))}**"
            about = esc(fits_in_words(fit, product, len(marks), code))
            st.markdown(f"{name}  \n:small[{about}]", width="stretch")
            st.page_link(
                "pages/data/products.py", label=_("Sheet"), icon=":material/eyeglasses:",
                query_params={"product": str(product.id)},
            )  # fmt: skip
        lens(
            _drawn(fit, product, classes, pictures, asked=bool(marks)), code=product.code,
            code_state=_code_state(fit, code), small=True, key=f"lens.drawn.{product.id}",
        )  # fmt: skip
        if fit.extra:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(_("Given, but not on this one:"))
                for at in fit.extra:
                    mark = marks[at]
                    st.image(cached.cut(mark.query.data, mark.query.token, mark.region, side=96), width=40,
                             alt=_("Mark {n}").format(n=at + 1))  # fmt: skip


def _sheet(
    found: Found,
    products: Mapping[int, Product],
    marks: Sequence[Gathered],
    code: str,
    classes: Mapping[int, ClassRecord],
) -> paper.Paper:
    """All of it for the page to print."""
    names = {record.id: record.name for record in classes.values()}
    given = [
        (cached.cut(mark.query.data, mark.query.token, mark.region, side=256), choice(mark.said, mark, names))
        for mark in marks
    ]
    ids = {mark.class_id for fit in found.fits[:SHOWN] for mark in products[fit.product_id].marks}
    pictures = paper.pictures_of(ids)
    rows = []
    for fit in found.fits[:SHOWN]:
        product = products[fit.product_id]
        drawn = _drawn(fit, product, classes, pictures, asked=bool(marks))
        about = fits_in_words(fit, product, len(marks), code)
        rows.append(paper.Row(words.full_name(product), product.code, about, drawn, product.fields))
    title = _headline(found, products).replace("\\", "")
    return paper.Paper(title, _explained(found), code, given, rows)


def _none_of_these(
    found: Found,
    products: Mapping[int, Product],
    marks: Sequence[Gathered],
    code: str,
    classes: Mapping[int, ClassRecord],
) -> None:
    """The answer that it is none of them: a new product of these marks, or the marks to the curator."""
    said = session_slice("lens.none", list[str])
    asked = " ".join([*(f"{mark.key}:{mark.said}" for mark in marks), code])
    if asked not in said:
        st.button(_("None of these"), icon=":material/block:", key="lens.none", on_click=said.append, args=(asked,))
        return
    with st.container(border=True, key="lens.none_said"):
        st.markdown(_("**None of these**, you say: this lens is not among the products."))
        if people.may("curator"):
            with st.form("lens.make", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
                name = st.text_input(_("A new product"), key="lens.make_name", placeholder=_("Its name"), width=220)
                maker = st.text_input(_("Maker"), key="lens.make_maker", width=160)
                if st.form_submit_button(_("Make it with these marks"), icon=":material/add_box:", key="lens.make_now"):
                    _make(ProductDraft(name, maker, code, {}, tuple(_carried(marks))))
        if marks and asked not in workbench().reported:
            st.button(
                _("Send to the curator"), icon=":material/inbox:", key="lens.report", on_click=_report,
                args=(found, products, marks, code, classes, asked),
            )  # fmt: skip
        elif marks:
            st.caption(_(":material/inbox: Sent to the curator. Thank you."))


def _carried(marks: Sequence[Gathered]) -> list[Carried]:
    """What the marks are: as a person said, else what they were read as with certainty or as the likelier of two."""
    made = []
    for mark in marks:
        if mark.said not in (READ, NONE):
            made.append(Carried(mark.said))
        elif mark.said == READ and mark.answer.classes and mark.answer.verdict in ("certain", "hesitates"):
            made.append(Carried(mark.answer.classes[0].class_id))
    return made


def _make(draft: ProductDraft) -> None:
    made: list[int] = []
    text = _("The product {name} is made.").format(name=draft.name.strip())
    if changes.make(lambda: made.extend(services.dataset().create_products([draft])), text, ":material/add_box:"):
        st.switch_page("pages/data/products.py", query_params={"product": str(made[0])})
    st.rerun()


def _report(
    found: Found,
    products: Mapping[int, Product],
    marks: Sequence[Gathered],
    code: str,
    classes: Mapping[int, ClassRecord],
    asked: str,
) -> None:
    """The marks side by side to the inbox, with the code and what was nearest."""
    names = {record.id: record.name for record in classes.values()}
    cut = [_cut(mark.query.data, mark.region) for mark in marks]
    nearest = ", ".join(words.full_name(products[fit.product_id]) for fit in found.fits[:3])
    note = _("A lens that is none of the products. Code: {code}. Nearest: {names}.").format(
        code=code or "—", names=nearest or "—"
    )
    given = {**marks[0].answer.to_json(names), "file": marks[0].query.name, "right": None, "region": None}
    picture = encode_png(side_by_side(cut))
    with attempt():
        services.dataset().report(picture, verdict="unknown", said="unknown", answer=given, note=note)
        workbench().reported.add(asked)
        workbench().notices.append(Notice(_("The image is with the curator."), ":material/inbox:"))


def _cut(data: bytes, region: Region | None) -> Image.Image:
    """What a mark was read from, as large as it is shown beside others."""
    within = REPORTED if region is None else None
    with room_for(data, within=within):
        picture = decode(data, within=within)
        return reduced(picture if region is None else cut_region(picture, region), REPORTED)
