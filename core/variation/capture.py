"""Capture sheets: a page to print, with boxes in which people draw more marks of a class.

One self-contained HTML file; scanned or photographed, its boxes come back through the import.
"""

from __future__ import annotations

import base64
import html

from PIL import Image

from core.ground.errors import ConfigRefused
from core.ground.images import thumbnail
from core.variation.transforms import _

MOST = 200
TITLE = _("{n} more of {name}")
HINT = _("Draw the mark once in each box, by hand, as you would on a lens. Do not trace it.")

_PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ size: A4; margin: 12mm }}
body {{ font: 11pt sans-serif; color: #000; background: #fff; margin: 12mm auto; max-width: 186mm }}
header {{ display: flex; gap: 6mm; align-items: center; margin-bottom: 6mm }}
header img {{ height: 24mm; max-width: 40mm; object-fit: contain; border: 0.3mm solid #999 }}
h1 {{ font-size: 16pt; margin: 0 0 2mm; overflow-wrap: anywhere }} p {{ margin: 0 }}
main {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: 5mm }}
figure {{ margin: 0; break-inside: avoid }}
figure div {{ aspect-ratio: 1; border: 0.3mm solid #999 }}
figcaption {{ font-size: 8pt; color: #555; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
@media print {{ body {{ margin: 0; max-width: none }} }}
</style></head><body><header>{example}<div><h1>{title}</h1><p>{hint}</p></div></header><main>
{boxes}
</main></body></html>
"""


def capture_sheet(
    name: str,
    n: int,
    *,
    example: Image.Image | None = None,
    title: str = TITLE,
    hint: str = HINT,
    language: str = "en",
) -> str:
    """The sheet for ``n`` more images of the class ``name``, as HTML without any link to elsewhere.

    ``example``: an original to show; ``title`` and ``hint`` may be translated. Raises `ConfigRefused`.
    """
    if not 1 <= n <= MOST:
        raise ConfigRefused("A capture sheet has from 1 to {limit} boxes, not {value}.", limit=MOST, value=n)
    shown = ""
    if example is not None:
        data = base64.b64encode(thumbnail(example)).decode()
        shown = f'<img alt="" src="data:image/webp;base64,{data}">'
    escaped = html.escape(name)
    boxes = "\n".join(f"<figure><div></div><figcaption>{escaped} · {i}</figcaption></figure>" for i in range(1, n + 1))
    return _PAGE.format(
        language=html.escape(language),
        title=html.escape(title.format(n=n, name=name)),
        hint=html.escape(hint),
        example=shown,
        boxes=boxes,
    )
