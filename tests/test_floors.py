"""The rules of the house that no single module can keep: who imports whom, and what is never written.

The import order is read from the docstring of core/__init__.py, so it cannot drift from its picture.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import core

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "core").rglob("*.py"))
PAGES = [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py"))]

HEAVY = {"torch", "torchvision", "timm", "onnx", "onnxruntime", "faiss", "albumentations", "umap", "sklearn", "skimage"}
HEAVY |= {"pymilvus", "grpc", "ray"}
# Modules that are networks: nobody imports them at the top
MADE_OF_TORCH = {"embedding.model", "embedding.timm_encoder", "training.losses", "training.siamese"}
PRINTERS = {"shell", "ground.job_process"}  # the shell, and the child process that a job is

ORDER = [
    f"{floor}.{name}"
    for floor, line in re.findall(r"^(\w+) {2,}(.+)$", core.__doc__ or "", re.M)
    for name in line.split(", ")
]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def place(path: Path) -> str:
    """``floor.module`` of a file of core, as the order names it."""
    return f"{path.parent.name}.{path.stem}"


def imports(node: ast.AST, *, deep: bool) -> Iterator[str]:
    """Dotted names that ``node`` imports, those for type checkers left out; ``deep`` looks into functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif deep or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(child, deep=deep)


def core_modules(names: Iterator[str]) -> set[str]:
    """The modules of core among ``names``, as ``floor.module``."""
    return {".".join(name.split(".")[1:3]) for name in names if name.startswith("core.")}


def packages(names: Iterator[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


# Imports


def test_every_core_module_has_its_place_in_the_order():
    assert len(ORDER) == len(set(ORDER))
    found = {place(path) for path in CORE if path.stem not in ("__init__", "__main__")}
    assert found - set(ORDER) == set(), "name these in core/__init__.py"


@pytest.mark.parametrize("path", CORE, ids=short)
def test_a_core_module_imports_only_modules_above_it(path):
    if place(path) not in ORDER:
        return
    below = core_modules(imports(tree(path), deep=True)) - set(ORDER[: ORDER.index(place(path))])
    assert not below


@pytest.mark.parametrize("path", CORE, ids=short)
def test_core_knows_nothing_of_streamlit_or_the_pages(path):
    assert not packages(imports(tree(path), deep=True)) & {"streamlit", "pages", "st_aggrid", "tests"}


@pytest.mark.parametrize("path", CORE, ids=short)
def test_slow_packages_are_imported_where_they_are_used(path):
    if place(path) in MADE_OF_TORCH:
        return
    top = list(imports(tree(path), deep=False))
    assert not packages(iter(top)) & HEAVY
    assert not core_modules(iter(top)) & MADE_OF_TORCH


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_pages_leave_slow_packages_to_core(path):
    assert not packages(imports(tree(path), deep=True)) & HEAVY
    assert not core_modules(imports(tree(path), deep=False)) & MADE_OF_TORCH


def test_what_the_pages_import_loads_nothing_slow():
    wanted = {f"core.{name}" for path in PAGES for name in core_modules(imports(tree(path), deep=False))} | {
        "core.shell.main"
    }
    script = f"import sys, importlib\nfor name in {sorted(wanted)!r}: importlib.import_module(name)\n"
    script += f"print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_one_module_may_import_albumentations():
    users = {short(path) for path in [*CORE, *PAGES] if "albumentations" in packages(imports(tree(path), deep=True))}
    assert users <= {"core/variation/transforms.py"}


def test_no_script_lies_directly_in_pages():
    """A fresh server would open it by a deep link without Home.py's frame."""
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]
    assert not (ROOT / "pages" / "__init__.py").read_text(encoding="utf-8").strip()


def test_the_rooms_of_the_interface_import_one_another_one_way():
    """The contracts of pyproject.toml: no ring in core or pages, ground below services below components below pages."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


# What is never written

BANNED_OPTIONS = {
    "unsafe_allow_html": "runs other people's script",
    "unsafe_allow_javascript": "runs other people's script",
    "allow_unsafe_jscode": "runs other people's script",
    "allow_pickle": "runs what a file says",
    "shell": "runs what a name says",
}
BANNED_CALLS = {
    "eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "joblib.load",
    "Image.open", "cv2.imread", "cv2.imdecode", "skimage.io.imread", "tempfile.mktemp",
    "st.stop",  # forgets what is clicked meanwhile: pages.ui.state.end_page
    "st.download_button",  # asked for what is gone, and in no language: pages.ui.widgets.download
}  # fmt: skip
BANNED_METHODS = {"extractall"}
BANNED_IMPORTS = {"pickle", "tarfile", "marshal", "shelve", "joblib"}
ALLOWED = {
    ("core/ground/images.py", "Image.open"),  # the one decode function
    ("pages/ui/widgets.py", "st.download_button"),
}


@pytest.mark.parametrize("path", [*CORE, *PAGES], ids=short)
def test_nothing_forbidden_is_called(path):
    found = [f"import {name}" for name in packages(imports(tree(path), deep=True)) & BANNED_IMPORTS]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS or called.rpartition(".")[2] in BANNED_METHODS:
                found.append(called)
            if called == "torch.load" and "weights_only=True" not in ast.unparse(node):
                found.append("torch.load without weights_only=True")
            for option in node.keywords:
                says_false = isinstance(option.value, ast.Constant) and option.value.value is False
                if option.arg in BANNED_OPTIONS and not says_false:
                    found.append(f"{option.arg}=  # {BANNED_OPTIONS[option.arg]}")
        elif isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).endswith("LOAD_TRUNCATED_IMAGES"):
            found.append("LOAD_TRUNCATED_IMAGES")
    assert [what for what in found if (short(path), what) not in ALLOWED] == []


@pytest.mark.parametrize("path", CORE, ids=short)
def test_core_neither_prints_nor_exits(path):
    if {place(path), path.parent.name} & PRINTERS or path.stem == "__main__":
        return
    calls = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not calls & {"print", "sys.exit", "exit", "quit", "os._exit"}


def test_the_rules_catch_what_they_forbid():
    """The checks above pass on good code; this shows that they do not pass on everything."""
    bad = ast.parse("from torch import nn\nif TYPE_CHECKING:\n    import faiss\ndef f():\n    import timm\n")
    assert packages(imports(bad, deep=False)) == {"torch"}
    assert packages(imports(bad, deep=True)) == {"torch", "timm"}
