"""The page for a colleague: nothing runs but its own script, nothing is loaded, names are text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import get_args

import pytest

from core.embedding.embedder import load_embedder
from core.evaluation.error_causes import Doubts, groups
from core.evaluation.html_report import ASSETS, ENGINES, MODELS, WORDS, html_report, model_sentence, pictures_of
from core.evaluation.report import evaluate
from core.evaluation.work import HTML
from core.ground.translations import LANGUAGES, catalogue, decimals, percent
from core.recognition.calibrate import Verdict
from tests.core.evaluation import made


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text of scripts and of everything else."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._within: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag):
        self._within = None

    def handle_data(self, data):
        if self._within == "script":
            self.scripts.append(data)
        elif self._within != "style":
            self.text += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


HOSTILE = (made.SCRIPT, made.PICTURE, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}")


@pytest.fixture(scope="module")
def hostile() -> Page:
    held = made.predictions([0, 1, 2, 3], [[1, 0], [0], [3], [2]], names=HOSTILE)
    return Page(html_report(held, evaluate(held), groups(held, Doubts({}, {})), lambda sha256: b"RIFF"))


def test_the_only_script_is_its_own_and_the_policy_names_it(hostile):
    assert hostile.scripts == [(ASSETS / "report.js").read_text(encoding="utf-8")]
    digest = base64.b64encode(hashlib.sha256(hostile.scripts[0].encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in hostile.of("meta") if meta.get("http-equiv")]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_names_are_text_and_nothing_else(hostile):
    for name in HOSTILE:
        assert name in hostile.text
    for tag, attributes in hostile.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert all((image["src"] or "").startswith("data:image/") for image in hostile.of("img"))
    assert not hostile.of("iframe") and not hostile.of("link") and not hostile.of("a") and not hostile.of("object")


def test_nothing_refers_to_anywhere(evaluation):
    page = Page((evaluation.folder / HTML).read_text(encoding="utf-8"))
    loaded = [
        value for _, a in page.elements for name, value in a.items() if name in ("src", "href", "action", "srcset")
    ]
    assert loaded and all((value or "").startswith("data:image/") for value in loaded)
    style = (ASSETS / "report.css").read_text(encoding="utf-8")
    assert "url(" not in style and "@import" not in style


def test_it_shows_the_figures_and_the_errors(evaluation):
    page = Page((evaluation.folder / HTML).read_text(encoding="utf-8"))
    report = evaluation.report
    assert percent(report.top1.value, "en") in page.text
    assert "Burin · The encoder in use" in page.text and "<span" not in page.text
    (card,) = [a for _, a in page.elements if a.get("class") == "card"]
    assert card["data-sha256"] == evaluation.predictions.sha256[evaluation.predictions.wrong[0]]
    assert card["data-cause"] == "label"
    images = [image["src"] for image in page.of("img") if image.get("width") == "96"]
    assert len(images) == 3 and all(len(image or "") < 8000 for image in images)
    assert len([a for _, a in page.elements if a.get("class") == "row"]) == len(report.classes)


def test_precision_recall_and_f1_in_both_means():
    held = made.predictions([0, 0, 0, 1], [[0], [1, 0], [0], [1]])
    report = evaluate(held)
    assert report.macro != report.weighted and len({*report.macro, *report.weighted}) > 3
    table = (
        html_report(held, report, [], lambda sha256: None)
        .partition('<table class="means">')[2]
        .partition("</table>")[0]
    )
    rows = [re.findall(r'<span lang="fr">([^<]*)</span>', row) for row in table.split("<tr>")[2:]]
    assert rows == [
        [catalogue("fr").gettext(WORDS[name]), *(percent(value, "fr") for value in values)]
        for name, values in (("macro", report.macro), ("weighted", report.weighted))
    ]


@pytest.fixture(scope="module")
def french(evaluation) -> str:
    """What a French reader sees of the report."""
    text = (evaluation.folder / HTML).read_text(encoding="utf-8")
    return re.sub(r'<(span|img)[^>]* ?lang="en"[^>]*>([^<]*</span>)?', "", text)


def test_in_french_numbers_are_french(evaluation, french):
    report, predictions = evaluation.report, evaluation.predictions
    (row,) = predictions.wrong.tolist()
    body = french.partition("<body")[2].partition("<script>")[0]
    assert percent(report.top1.value, "fr") in body and "87,5" in body
    assert f"Similarité {decimals(float(predictions.similarities[row, 0]), 2, 'fr')}" in body
    shown = re.sub(r"<[^>]*>", " ", body)
    assert not re.search(r"\d\.\d", shown) and not re.search(r"\d%", shown)


def test_the_charts_are_in_both_languages_and_one_is_seen(evaluation):
    page = Page((evaluation.folder / HTML).read_text(encoding="utf-8"))
    charts = [(image["lang"], image["src"]) for image in page.of("img") if image.get("class") == "chart"]
    assert [language for language, _ in charts] == ["en", "en", "fr", "fr"]
    assert len({source for _, source in charts}) == 4


def test_every_encoder_is_named_in_french(drawn_workspace):
    """What the embedders say is written elsewhere: each of its sentences has to be known here."""
    for sentence in (*MODELS, *ENGINES):
        assert catalogue("fr").gettext(sentence) != sentence
    said = load_embedder(drawn_workspace).sentence
    french = model_sentence(said, "fr")
    assert model_sentence(said, "en") == said and french.startswith("EfficientNet-Lite0 entraîné sur ImageNet")
    assert "ONNX Runtime sur le processeur" in french and " the " not in french
    rooms = ASSETS.parents[1] / "core" / "embedding"
    for sources in (("embedder", "plans"), ("weights",)):
        code = "".join((rooms / f"{source}.py").read_text(encoding="utf-8") for source in sources)
        words = "ImageNet|weights from|The network trained|Embedding runs"
        fragments = re.findall(rf'f?"([^"\n]*(?:{words})[^"\n]*)"', code)
        assert len(fragments) >= 3
        for fragment in (each for each in fragments if each != " trained on ImageNet"):  # a part, asked below
            given = (
                fragment.replace("{plan.sentence}", "Any.").replace("{where}", "on the GPU").replace("{because}", "")
            )
            given = re.sub(r"\{[^}]*\}", "x.pt", given)
            assert model_sentence(given, "fr") != given, fragment
    (taught,) = re.findall(r'return "([^"]+)" if architecture\.name in ARCHITECTURES else "([^"]+)"', code)
    for given in (f"x{what}, from the {where}." for what in taught for where in ("hub", "hub's cache on this machine")):
        assert model_sentence(given, "fr") != given
    assert model_sentence("{s} <b> no encoder of ours.", "fr") == "{s} <b> no encoder of ours."


def test_both_languages_are_in_it(hostile):
    for language in LANGUAGES:
        for word in ("title", "classes", "save", "leak_clean", "cause_model"):
            assert catalogue(language).gettext(WORDS[word]) in hostile.text
    assert {a["lang"] for a in hostile.of("span") if "lang" in a} == set(LANGUAGES)


def test_every_word_is_used():
    template = (ASSETS / "report.html.j2").read_text(encoding="utf-8")
    code = (ASSETS.parents[1] / "core" / "evaluation" / "html_report.py").read_text(encoding="utf-8")
    used = set(re.findall(r'"(\w+)"', template + code.partition("def html_report")[2]))
    stems = ("side_", "leak_", "cause_", "sort_", "column_")
    verdicts = set(get_args(Verdict))
    assert verdicts <= set(WORDS)
    assert [word for word in WORDS if word not in used | verdicts and not word.startswith(stems)] == []


def test_without_errors_it_says_so():
    held = made.predictions([0, 1], [[0], [1]])
    page = Page(html_report(held, evaluate(held), [], lambda sha256: None))
    assert "Every query got the right name." in page.text


def test_a_lost_picture_is_an_empty_frame(collection):
    assert pictures_of(collection)("0" * 64) is None
    held = made.predictions([0], [[1, 0]])
    page = Page(html_report(held, evaluate(held), groups(held, Doubts({}, {})), pictures_of(collection)))
    assert len([a for _, a in page.elements if a.get("class") == "none"]) == 3
