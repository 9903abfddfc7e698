"""Where the shipped rules lie: at the top of a checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_rules() -> Path:
    """The folder of the shipped rules. Raises FileNotFoundError where the installation lacks them."""
    for folder in (_PACKAGE / "shipped_rules", _PACKAGE.parent / "rules"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no shipped rules beside {_PACKAGE}")
