"""``burin COMMAND``, the same as ``python -m core COMMAND`` from anywhere, and ``burin run``, which starts the app."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from burin import HOME, __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.path.insert(0, str(HOME))
    if given[:1] == ["--version"]:
        print(f"burin {__version__}")
        return 0
    if given[:1] == ["run"]:
        return _run(given[1:])
    from core.shell.main import main as shell

    return shell(given)


def _run(given: Sequence[str]) -> int:
    """Start the app on the workspace that is named, else the folder one stands in; ends when the app does."""
    from core.ground.workspace import ENVIRONMENT
    from core.shell.main import main as shell

    parser = argparse.ArgumentParser(prog="burin run", description="Start Burin in the browser.")
    parser.add_argument("--workspace", type=Path, default=Path(os.environ.get(ENVIRONMENT) or "."), metavar="DIR")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--no-sample", action="store_true", help="leave an empty workspace empty")
    options = parser.parse_args(given)
    workspace = options.workspace.resolve()
    if not options.no_sample and (status := shell(["--workspace", str(workspace), "sample", "--if-empty"])):
        return status
    os.environ[ENVIRONMENT] = str(workspace)
    os.chdir(HOME)  # where .streamlit/config.toml is looked for
    from streamlit.web import cli

    sys.argv = ["streamlit", "run", str(HOME / "Home.py"), "--server.port", str(options.port)]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
