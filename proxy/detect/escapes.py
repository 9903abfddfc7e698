"""Escapes whose last letter or digit runs into what stands behind them."""

from __future__ import annotations

from typing import Final

ESCAPE: Final = r"\\(?:[abefnrtv0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|\[[0-9;]{1,9}m"
"""In code and in JSON within JSON (`\\n`, `\\u0022`), and the colours of a terminal (whose ESC views leave out)."""
