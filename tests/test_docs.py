"""What the documents say is checked against the code: commands exist, links lead somewhere, nothing is left bare."""

from __future__ import annotations

import ast
import pkgutil
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from core.shell import main as cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted([ROOT / "Home.py", *(p for d in ("core", "pages", "benchmarks") for p in (ROOT / d).rglob("*.py"))])


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands() -> list[str]:
    """Every command line in a fenced block of the documents, without prompts and comments."""
    blocks = [
        b for path in DOCUMENTS for b in re.findall(r"```(?:sh|powershell)\n(.*?)```", path.read_text("utf-8"), re.S)
    ]
    lines = [re.split(r"\s#\s", line)[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line})


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert {"make run", "make test", "streamlit run Home.py"} <= set(commands())
    assert "telemetry" in readme


@pytest.mark.parametrize("line", commands())
def test_a_documented_command_exists(line):
    line = re.sub(r"^([A-Z_]+=\S+ )+", "", line)
    words = shlex.split(line, posix="\\" not in line)
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        assert {word for word in rest if "=" not in word} <= set(targets)
    elif words[:3] == ["python", "-m", "core"]:
        cli._parser().parse_args(words[3:])
    elif program == "torchrun":
        cli._parser().parse_args(words[words.index("core") + 1 :])
    elif words[:2] == ["streamlit", "run"]:
        assert (ROOT / rest[1]).is_file()
    elif "install" in words and "-r" in words:
        assert (ROOT / words[words.index("-r") + 1]).is_file()
    elif words[0] == "python" and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file()
    else:
        assert program in {"git", "cd", "python", "py", "source", "pip", "ray", "./.ci/run"} or program.startswith(
            ".venv"
        )


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if not target.startswith(("https://", "http://", "#", "mailto:")):
            assert (path.parent / target.split("#")[0]).exists(), target


def pictures() -> list[tuple[Path, str]]:
    """Every picture that a document shows, with the document."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        for one in (r"!\[[^\]]*\]\(([^)\s]+)\)", r"<img\b[^>]*\bsrc=\"([^\"]+)", r"<source\b[^>]*\bsrcset=\"([^\"]+)"):
            found += [(path, target) for target in re.findall(one, text)]
    return found


def test_the_readme_shows_every_kind_of_page_by_day_and_by_night():
    shown = {target.rpartition("/")[2] for path, target in pictures() if path.name == "README.md"}
    for name in ("identify", "label", "augment", "run", "confusion", "map", "phone"):
        assert {f"{name}-light.webp", f"{name}-dark.webp"} <= shown
    assert "tour.webp" in shown


@pytest.mark.parametrize(("path", "target"), pictures(), ids=lambda value: getattr(value, "stem", value))
def test_a_picture_that_is_shown_is_there_and_small(path, target):
    picture = path.parent / target
    assert picture.is_file(), "make pictures"
    with Image.open(picture) as opened:
        opened.verify()
        animated = getattr(opened, "is_animated", False)
    assert picture.stat().st_size <= (3_000_000 if animated else 150_000)


def test_no_picture_lies_about_unused():
    shown = {(path.parent / target).resolve() for path, target in pictures()}
    dark = {
        path.with_name(path.name.replace("-light.", "-dark.")) for path in shown
    }  # the guide shows them in the dark
    assert set((ROOT / "docs" / "guide" / "pictures").glob("*.webp")) <= shown | dark


def test_the_changelog_tells_additions_changes_repairs_and_protection_apart():
    kinds = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_there_is_one_version_number_and_the_changelog_says_when_it_came():
    from burin import __version__

    parts = re.findall(r"^## (\S+)(?: \((\d{4}-\d{2}-\d{2})\))?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert parts[0] == ("Unreleased", "") and parts[1][0] == __version__
    assert all(day for _version, day in parts[1:])
    assert f"\nversion: {__version__}\ndate-released: {parts[1][1]}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert not re.search(r"^version = ", (ROOT / "pyproject.toml").read_text("utf-8"), re.M), "it is read from burin"


def test_the_licence_is_the_one_that_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License")


def test_streamlit_sends_no_statistics():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["allowedHosts"]


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_every_file_says_what_it_is_for(path):
    source = path.read_text("utf-8")
    if path.name == "__init__.py" and not source.strip():
        return
    assert ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("path", [p for p in SOURCES if p.relative_to(ROOT).parts[0] == "core"], ids=short)
def test_what_is_public_in_core_is_explained(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [n for n in ast.parse(path.read_text("utf-8")).body if isinstance(n, kinds) and not n.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=short)
def test_a_module_or_function_that_is_named_is_there(path):
    """In prose as `core.floor.module.name`, and where a job is started as "core.floor.module:name"."""
    text = path.read_text("utf-8")
    named = re.findall(r"`(core(?:\.\w+)+)`?", text)
    if path.name != "work.py" or path.parent.name != "ground":  # which knows what names were in earlier versions
        named += [said.replace(":", ".") for said in re.findall(r'"(core(?:\.\w+)+:\w+)"', text)]
    assert [name for name in named if not is_there(name)] == []


def is_there(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_no_tracked_file_names_a_machine():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    machine = re.compile(rb"(?<![\w.])(/home/\w|/root/|/Users/\w|/work/|[A-Za-z]:\\Users\\)")
    found = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path != Path(__file__) and (hit := machine.search(path.read_bytes())):
            found.append(f"{name}: {hit[0].decode()}")
    assert found == []
