"""What only looks like a credential."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

import orjson

from benchmarks.secrets.kinds import fill

TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = orjson.loads(
    (Path(__file__).parent / "innocent.json").read_bytes()
)
"""Class → what may stand for it, as in `kinds`."""


def _minified(rng: Random) -> str:
    return (
        fill(
            'var t={{k:"{a6}",e:function(n,r){{return n(r[{d2}],"{h8}")}},token:n.d,password:!0}};'
            '!function(){{var e="{w12}";}}()',
            rng,
        )
        .replace("{{", "{")
        .replace("}}", "}")
    )


def _bytes(rng: Random) -> str:
    return "Here is the file in base64: " + base64.b64encode(rng.randbytes(rng.randint(60, 300))).decode()


def _package_lock(rng: Random) -> str:
    name = fill("{a7}", rng)
    return json.dumps(
        {
            "name": name,
            "version": fill("1.{d1}.{d2}", rng),
            "integrity": fill("sha512-{b86}==", rng),
            "engines": {"node": ">=18"},
        }
    )


MADE: Final[Mapping[str, Callable[[Random], str]]] = {
    "minified": _minified,
    "base64": _bytes,
    "package lock": _package_lock,
}


def innocent() -> Mapping[str, Callable[[Random], str]]:
    """Class of look-alike → a maker of one."""

    def of(templates: tuple[str, ...]) -> Callable[[Random], str]:
        return lambda rng: fill(rng.choice(templates), rng).replace("{{", "{").replace("}}", "}")

    return {name: of(templates) for name, templates in TEMPLATES.items()} | dict(MADE)


AROUND: Final = ("{}", "See {} for more.", "```\n{}\n```", "- {}\n- next", "I mean: {}")
