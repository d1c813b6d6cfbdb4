"""What was found of a lens as one HTML page, to print or to send: nothing beside it is needed, and it loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from core.ground.errors import BurinError
from pages.ui import services, widgets
from pages.ui.components.gallery import webp_url
from pages.ui.components.lens import OnLens
from pages.ui.i18n import _
from pages.ui.products.words import place_name
from pages.ui.state import workbench

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; } h2 { margin: 1.5rem 0 .25rem; font-size: 1.1rem; }
.marks { display: flex; flex-wrap: wrap; gap: .75rem; margin: .5rem 0; } figure { margin: 0; width: 6rem; font-size: .8rem; }
figure img, figure div { width: 6rem; height: 6rem; object-fit: contain; border: 2px solid #ccc; border-radius: 6px; box-sizing: border-box; padding: 4px; }
.fits img { border-color: #2e7d32; } .differs img { border-color: #c62828; } .missing img { border: 2px dashed #ef8c00; opacity: .55; }
section { break-inside: avoid; border-top: 1px solid #ddd; } p { margin: .25rem 0; } .about { color: #555; }
"""


@dataclass(frozen=True)
class Row:
    """One product: its name and code, what fits in words, its marks with how each fits, its fields."""

    name: str
    code: str
    about: str
    marks: Sequence[OnLens]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Paper:
    """The answer: its headline and sentence, the code that was asked with, the marks given (address, words), the rows."""

    title: str
    explained: str
    code: str
    given: Sequence[tuple[str, str]]
    rows: Sequence[Row]


def page(paper: Paper) -> str:
    """The HTML; every text in it is escaped, and its policy lets it load and run nothing."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    given = "".join(_figure(src, text, "") for src, text in paper.given)
    titles = {"given": escape(_("What was given")), "code": escape(_("Code"))}
    code = f"<p>{titles['code']}: <strong>{escape(paper.code)}</strong></p>" if paper.code else ""
    return (
        f'<!doctype html><html lang="{workbench().language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(paper.title)}</title>'
        f"<style>{_STYLE}</style></head><body>"
        f"<h1>{escape(paper.title)}</h1><p>{escape(paper.explained)}</p>"
        f'<h2>{titles["given"]}</h2><div class="marks">{given}</div>{code}'
        f"{''.join(_section(at, row) for at, row in enumerate(paper.rows, start=1))}</body></html>"
    )


def pictures_of(class_ids: Iterable[int]) -> dict[int, str]:
    """Class id -> the picture itself that stands for it, as a data URL."""
    data, found = services.dataset(), {}
    for class_id, item in data.faces(class_ids).items():
        try:
            found[class_id] = webp_url(data.thumbnail(item).read_bytes())
        except (BurinError, OSError):  # its file is gone: the name stands alone
            continue
    return found


def _section(rank: int, row: Row) -> str:
    marks = "".join(
        _figure(mark.src, f"{mark.name}{f' ({place_name(mark.at)})' if mark.at else ''}", mark.state, mark.note)
        for mark in row.marks
    )
    fields = " · ".join(f"{escape(widgets.field_name(name))}: {escape(text)}" for name, text in row.fields.items())
    code = f" · {escape(row.code)}" if row.code else ""
    return (
        f"<section><h2>{rank}. {escape(row.name)}{code}</h2><p class='about'>{escape(row.about)}</p>"
        f"<div class='marks'>{marks}</div>{f'<p>{fields}</p>' if fields else ''}</section>"
    )


def _figure(src: str, text: str, state: str, note: str = "") -> str:
    image = f'<img src="{escape(src)}" alt="">' if src.startswith("data:image/") else "<div>?</div>"
    below = f"<br>{escape(note)}" if note else ""
    return f'<figure class="{escape(state)}">{image}<figcaption>{escape(text)}{below}</figcaption></figure>'
