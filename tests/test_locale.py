"""Every string of the interface, and every sentence of an error, has its French; none is left over."""

from __future__ import annotations

import ast
import io
import itertools
import re
import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from core.ground import errors

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "assets" / "locale" / "fr" / "LC_MESSAGES" / "burin.po"
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.BurinError)}
KEYWORDS = {"_": None, "ngettext": DEFAULT_KEYWORDS["ngettext"], **dict.fromkeys(ERRORS)}
SOURCES = [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "core").rglob("*.py"))]


@cache
def extracted() -> dict[str | tuple[str, ...], str]:
    """Message id (or its two forms) -> where it is written."""
    method_map, options_map = parse_mapping_cfg(io.StringIO((ROOT / "babel.cfg").read_text(encoding="utf-8")))
    found = extract_from_dir(str(ROOT), method_map, options_map, KEYWORDS, (), strip_comment_tags=False)
    literal = {
        path: {call.args[0].value for call in said(path) if isinstance(call.args[0], ast.Constant)} for path in SOURCES
    }
    return {
        message: f"{file}:{line}"
        for file, line, message, _, _ in found
        # Babel takes the word out of BurinError(record["template"]) too
        if (message[0] if isinstance(message, tuple) else message) in literal[ROOT / file]
    }


@cache
def said(path: Path) -> Sequence[ast.Call]:
    """The calls that say a sentence: ``_()`` and ``ngettext()``, and in core the making of an error."""
    names = {"_", "ngettext"} if "core" not in path.relative_to(ROOT).parts else {"_", *ERRORS}
    return [
        call
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names and call.args
    ]


@pytest.fixture(scope="module")
def french() -> Catalog:
    with open(PO, "rb") as stream:
        return read_po(stream, locale="fr")


def test_every_string_has_its_french(french: Catalog) -> None:
    lacking = []
    for message, place in extracted().items():
        key = message[0] if isinstance(message, tuple) else message
        entry = french.get(key)
        forms = entry.string if entry and isinstance(entry.string, tuple) else (entry.string if entry else "",)
        if not all(forms) or (isinstance(message, tuple) and (len(forms) < 2 or entry.id != message)):
            lacking.append(f"{place}  {message!r}")
    assert not lacking, "no French for:\n" + "\n".join(lacking)


def test_no_translation_is_left_over(french: Catalog) -> None:
    used = {message[0] if isinstance(message, tuple) else message for message in extracted()}
    kept = {entry.id[0] if isinstance(entry.id, tuple) else entry.id for entry in french if entry.id}
    assert not kept - used, "in the catalogue, but in no source:\n" + "\n".join(sorted(kept - used))


def test_no_translation_is_doubtful_or_loses_a_value(french: Catalog) -> None:
    for entry in french:
        if not entry.id:
            continue
        assert not entry.fuzzy, entry.id
        ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
        forms = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        for number, form in enumerate(forms):
            wanted, given = _fields(ids[-1]), _fields(form)
            # "one class" needs no figure; every other value must be said
            spared = {"n"} if number == 0 and len(ids) > 1 else set()
            assert given <= wanted <= given | spared, (ids, form)


def test_plural_rule_is_french(french: Catalog) -> None:
    """In French zero is singular: 0 image, 1 image, 2 images."""
    assert french.plural_expr.strip("()") == "n > 1"


def test_strings_are_literal_where_they_are_said() -> None:
    """What Babel cannot read it cannot extract: an f-string, a variable or a sum inside ``_()``."""
    wrong = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in said(path)
        if not _is_literal(call.args[0])
    ]
    assert not wrong, wrong


def test_no_sentence_bypasses_translation() -> None:
    """A literal of two words or more given straight to Streamlit would stay English for everybody."""
    wrong = []
    for path in SOURCES:
        if "core" in path.parts:
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "st"):
                continue
            given = [
                *call.args[:1],
                *(k.value for k in call.keywords if k.arg in {"help", "placeholder", "caption", "alt", "title"}),
            ]
            wrong += [
                f"{path.relative_to(ROOT)}:{call.lineno} {value.value!r}"
                for value in given
                if isinstance(value, ast.Constant)
                and isinstance(value.value, str)
                and re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", value.value)
            ]
    assert not wrong, wrong


def _is_literal(argument: ast.expr) -> bool:
    """A string; or the template of an error, a job or an outcome, which were made from a string."""
    if isinstance(argument, ast.Attribute):
        return argument.attr in {"template", "error_template"}
    if isinstance(argument, ast.Subscript):
        return isinstance(argument.slice, ast.Constant) and argument.slice.value == "template"
    return isinstance(argument, ast.Constant) and isinstance(argument.value, str)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


THINGS = (
    "images|originals|classes|files|variants|epochs|queries|references|rows|marks|runs|pictures|draws|copies|seconds"
    "|minutes|neighbours|steps|groups|labels|views|answers|vectors|agreements|products"
)
# Values that are a limit of ours, and never 1
LIMITS = {
    "limit",
    "name",
    "share",
    "steps",
    "least",
    "pixels",
    "side",
    "size",
    "images",
    "p",
    "k",
    "world",
    "classes",
    "asked",
    "shown",
    "low",
    "high",
}


def test_no_count_is_said_in_the_plural_whatever_it_is() -> None:
    """ "1 images": a count before a thing goes through ngettext, or follows a colon; in a shell through `counted`."""
    counted = re.compile(rf"\{{(\w+)\}}\*{{0,2}} (?:\w+ )?(?:{THINGS})\b")
    after = re.compile(rf"^ (?:\w+ )?(?:{THINGS})\b")
    wrong = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in said(path):
            if call.func.id != "ngettext" and isinstance(call.args[0], ast.Constant):
                fields = [found[1] for found in counted.finditer(call.args[0].value) if found[1] not in LIMITS]
                wrong += [
                    f"{path.relative_to(ROOT)}:{call.lineno} {{{field}}} in {call.args[0].value!r}" for field in fields
                ]
        if "shell" in path.parts:
            for joined in ast.walk(tree):
                pieces = joined.values if isinstance(joined, ast.JoinedStr) else []
                for value, text in itertools.pairwise(pieces):
                    if (
                        isinstance(value, ast.FormattedValue)
                        and isinstance(text, ast.Constant)
                        and after.match(text.value)
                    ):
                        wrong.append(f"{path.relative_to(ROOT)}:{joined.lineno} {text.value!r}")
    assert not wrong, "\n".join(wrong)


def test_no_name_follows_a_word_that_French_would_elide(french: Catalog) -> None:
    """ "références de étoile": a name that may begin with a vowel follows "classe", "réseau" or a colon instead."""
    names = "name|other|own|to|twin|true|said|class_name|given|architecture|parameter|label|view|title"
    elided = re.compile(rf"\b(?:de|que|le|la|se|ne|jusque|puisque|lorsque) \*{{0,2}}\{{(?:{names})\}}", re.IGNORECASE)
    wrong = [
        form
        for entry in french
        for form in (entry.string if isinstance(entry.string, tuple) else (entry.string,))
        if entry.id and elided.search(form)
    ]
    assert not wrong, "\n".join(wrong)


def _loose(text: str) -> list[str]:
    """Where a line may break before a French sign, or after an opening guillemet."""
    return [text[max(found.start() - 20, 0) : found.end() + 5] for found in _LOOSE.finditer(text)]


_LOOSE = re.compile(r"(?<=[^\s|:-]) [;:?!»%](?!\w)|« ")  # not :material/icon:, nor a table's | :--


def test_no_French_sign_is_left_alone_on_a_line(french: Catalog) -> None:
    """A no-break space stands before ; : ? ! » and %, and after «: in the interface and in the guide."""
    wrong = [
        loose
        for entry in french
        for form in (entry.string if isinstance(entry.string, tuple) else (entry.string,))
        if entry.id
        for loose in _loose(form)
    ]
    pages = sorted((ROOT / "docs" / "guide" / "fr").glob("*.md"))
    assert pages
    for page in pages:
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "`x`", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        wrong += [f"{page.name}: {loose}" for loose in _loose(text)]
    assert len(_loose("Est-ce « oui » ? Voir : 5 % ; :material/info: {n} |")) == 6  # the net holds
    assert not wrong, "\n".join(wrong)


def test_French_has_typographic_apostrophes(french: Catalog) -> None:
    wrong = [
        form
        for entry in french
        for form in (entry.string if isinstance(entry.string, tuple) else (entry.string,))
        if entry.id and re.search(r"[a-zàâéèêô]'[a-zàâéèêô]", re.sub(r"`[^`]*`|\{[^}]*\}", "", form), re.IGNORECASE)
    ]
    assert not wrong, "\n".join(wrong)
