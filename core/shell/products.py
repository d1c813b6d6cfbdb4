"""The shell's command ``find``: which product carries the marks in some pictures, and a code. See `core.shell.main`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from core.ground.errors import ImageRefused, NotFound
from core.shell.words import counted


def add_commands(commands: Any, common: argparse.ArgumentParser, opened: Callable[..., Any]) -> None:
    """Register the command; ``opened`` gives the dataset and the embedder, brought up to date, and the pictures."""
    find = commands.add_parser("find", parents=[common], help="find the product that carries these marks")
    find.add_argument("images", nargs="*", metavar="IMAGE", help="pictures of its marks, one or several in each")
    find.add_argument("--code", default="", metavar="TEXT", help="what stands beside them in letters")
    find.add_argument("--k", type=int, default=5, help="products to print (default 5)")
    find.add_argument("--json", action="store_true", help="one JSON object")
    find.set_defaults(run=lambda options: _find(options, opened))


def _find(options: argparse.Namespace, opened: Callable[..., Any]) -> int:
    from core.embedding.opening import Sources
    from core.products.finding import CANDIDATES, find, probabilities
    from core.recognition.identify import identify_marks
    from core.recognition.thresholds import thresholds

    if not options.images and not options.code:
        raise NotFound("Give a picture of a mark, or a code.")
    dataset, embedder, pictures = opened(options)
    config = dataset.workspace.config()
    gallery = Sources().gallery(dataset, embedder)
    calibration = thresholds(gallery, dataset.workspace)
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder}
    names = {record.id: record.name for record in dataset.classes()}
    marks, evidence, refused = [], [], False
    for file, image in pictures:
        if isinstance(image, ImageRefused):
            refused = True
            marks.append({"file": file, "error": str(image)})
            continue
        for answer in identify_marks(image, **about, k=config.neighbours, top=CANDIDATES):
            marks.append({"file": file, **answer.to_json(names), "error": None})
            if found := probabilities(answer):
                evidence.append(found)
    products = {product.id: product for product in dataset.products()}
    said = find(list(products.values()), evidence, code=options.code, top=options.k).to_json(products)
    if options.json:
        print(json.dumps({"code": options.code, "marks": marks, **said}, ensure_ascii=False))
    else:
        print(_in_words(said, len(evidence), options.code))
    return 2 if not products else 1 if refused else 0


def _in_words(answer: dict[str, Any], asked: int, code: str) -> str:
    if not answer["products"]:
        return "There is no product in the catalogue yet."
    said = {"certain": "One product fits.", "hesitates": "Several may be meant.", "unknown": "None fits."}
    lines = [said[answer["verdict"]]]
    for one in answer["products"]:
        fits = f"{one['fits']} of {counted(asked, 'mark')}" if asked else ""
        if one["missing"]:
            fits += f", {one['missing']} not seen"
        if code:
            fits += f"{'; ' if fits else ''}code {code}, this one has {one['code'] or 'none'}"
        lines.append(f"    {one['score']:7.2f}  {' '.join(filter(None, (one['maker'], one['name'])))}: {fits}")
    return "\n".join(lines)
