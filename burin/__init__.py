"""Burin as an installed command: where its folders lie, and its version. What it does is in `core` and `pages`."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.2.0"

_HERE = Path(__file__).resolve().parent
# A wheel carries core, pages and the rest inside this package; in a checkout they lie beside it.
HOME = _HERE if (_HERE / "Home.py").is_file() else _HERE.parent
