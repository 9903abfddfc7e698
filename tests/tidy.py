"""The house rules as functions from source to complaints; `test_tidy.py` runs them and proves that they bite."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

# From the top down. A unit may import what stands in a lower row, and only itself in its own row: siblings do
# not know one another. The last row but one is the shared ground, whose members may know one another.
LAYERS: Final = (
    ("cli",),
    ("commands",),
    ("app",),
    ("in_step",),
    ("admin",),
    ("request", "respond", "probe"),
    ("backend", "dial", "log", "policy", "scoring", "watch"),
    ("wire", "detect"),
    (
        "background",
        "clock",
        "collector",
        "connections",
        "data_folder",
        "errors",
        "jsonio",
        "logs",
        "metrics",
        "observers",
        "own_secret",
        "regions",
        "scopes",
        "settings",
        "shipped",
        "subjects",
        "yaml_model",
        "yaml_source",
    ),
    ("model",),
)
SHARED: Final = frozenset(LAYERS[-2])
# The demo backend stands alone: a fake that knew the proxy could agree with its mistakes.
DEMO_MAY_IMPORT: Final = frozenset({"demo", "jsonio", "model"})
DEMO_MAY_INSTALL: Final = frozenset({"aiohttp"})

PURE: Final = (
    "wire",
    "detect",
    "policy",
    "model",
    "watch",
    "demo/script.py",
    "dial/levels.py",
    "subjects.py",
)
NOT_PURE: Final = frozenset({"policy/store.py"})
IMPURE: Final = frozenset(
    {
        "aiohttp",
        "asyncio",
        "random",
        "requests",
        "secrets",
        "socket",
        "sqlite3",
        "subprocess",
        "threading",
        "time",
    }
    | {"urllib", "uvloop", "uuid"}
)

FILE_LINES_MAX: Final = 320
FUNCTION_LINES_MAX: Final = 90
_MUTABLE_CALLS: Final = frozenset(
    {
        "Counter",
        "OrderedDict",
        "WeakKeyDictionary",
        "WeakValueDictionary",
        "bytearray",
        "defaultdict",
        "deque",
    }
    | {"dict", "list", "set"}
)
_WRITES: Final = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"}
    | {"remove", "reverse", "setdefault", "sort", "update"}
)
# An annotation that mypy lets nobody write through; `Final` alone only fixes the name.
_FROZEN: Final = re.compile(r"\b(Mapping|Sequence|Collection|Iterable|AbstractSet|frozenset|tuple)\[")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the package's (or the repository's) top, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        return cls(path, text, ast.parse(text, path))

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def unit(self) -> str:
        """The layer that it belongs to: a package's name, or the file's own."""
        return self.path.split("/")[0].removesuffix(".py")


def sources(folder: str) -> Iterator[Source]:
    """Every Python file below a top-level folder; for `proxy` with paths inside the package."""
    top = ROOT / folder
    for path in sorted(top.rglob("*.py")):
        base = top if folder == "proxy" else ROOT
        yield Source.of(path.relative_to(base).as_posix(), path.read_text("utf-8"))


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, wherever it stands. `from proxy import x` counts as `proxy.x`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module == "proxy":
                yield from ((node.lineno, f"proxy.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def layer_faults(source: Source) -> Iterator[str]:
    """Imports that do not go down."""
    rows = {unit: row for row, units in enumerate(LAYERS) for unit in units}
    for line, name in imports(source):
        at = f"{source.path}:{line}"
        if name.startswith("."):
            yield f"{at}: relative import"
            continue
        if not name.startswith("proxy."):
            continue
        target = name.split(".")[1]
        if target.startswith("__"):
            continue  # the package's own facts: __version__
        if source.unit == "demo":
            if target not in DEMO_MAY_IMPORT:
                yield f"{at}: the demo stands alone and may not import {target}"
        elif source.unit != "__init__" and source.unit not in rows:
            yield f"{at}: {source.unit} has no place in the layers"
        elif target == "demo":
            if source.unit != "commands":
                yield f"{at}: only commands may start the demo"
        elif target not in rows:
            yield f"{at}: {target} has no place in the layers"
        elif source.unit == target or (source.unit in SHARED and target in SHARED):
            continue
        elif source.unit == "__init__" or rows[source.unit] >= rows[target]:
            yield f"{at}: {source.unit} may not import {target}"


def purity_faults(source: Source) -> Iterator[str]:
    """Clocks, randomness, I/O and await in the folders that promise to have none."""
    if source.path in NOT_PURE or not source.path.startswith(PURE):
        return
    for line, name in imports(source):
        if name.split(".")[0] in IMPURE:
            yield f"{source.path}:{line}: a pure module imports {name}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{source.path}:{node.lineno}: a pure module awaits"


def state_faults(source: Source) -> Iterator[str]:
    """Values at module level that change, and functions that rebind globals.

    A list, dict or set may stand there as a constant: in capitals and written nowhere in its file, or under an
    annotation through which mypy lets nobody write.
    """
    written = set(_written(source.tree))
    for node in source.tree.body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            value, annotation = node.value, ""
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            names, value, annotation = [node.target.id], node.value, ast.unparse(node.annotation)
        else:
            continue
        if not _mutable(value) or names == ["__all__"] or _FROZEN.search(annotation):
            continue
        if any(not name.isupper() or name in written for name in names):
            yield f"{source.path}:{node.lineno}: {', '.join(names)} is mutable state at module level"
    for inner in ast.walk(source.tree):
        if isinstance(inner, ast.Global):
            yield f"{source.path}:{inner.lineno}: global {', '.join(inner.names)}"
        if isinstance(inner, ast.FunctionDef) and any(
            ast.unparse(decorator).split(".")[-1] == "cache" for decorator in inner.decorator_list
        ):
            yield f"{source.path}:{inner.lineno}: {inner.name} has a cache without bound"


def _written(tree: ast.Module) -> Iterator[str]:
    """Names whose value is changed in place: `x[k] = v`, `del x[k]`, `x.append(v)`, `x |= y`."""
    for node in ast.walk(tree):
        target: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target = node.value
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _WRITES
        ):
            target = node.func.value
        elif isinstance(node, ast.AugAssign):
            target = node.target
        if isinstance(target, ast.Name):
            yield target.id


def _mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split("[")[0].split(".")[-1] in _MUTABLE_CALLS
    return False


def catch_faults(source: Source) -> Iterator[str]:
    """Wide `except` clauses that keep what they caught and do not say why they are a fault boundary."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        wide = any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)
        comment = source.lines[node.lineno - 1].partition("#")[2]
        why = re.sub(r"noqa:\s*[A-Z0-9, ]+", "", comment).strip(" -:#")
        raised_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
        if wide and not why and not raised_again:
            yield f"{source.path}:{node.lineno}: a wide except without a comment that says why"


def sleep_faults(source: Source) -> Iterator[str]:
    """Tests that wait for time instead of for what they want."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}:
            yield f"{source.path}:{node.lineno}: time.sleep in a test"
    if any(name == "time" for _, name in imports(source)) and "from time import sleep" in source.text:
        yield f"{source.path}: imports time.sleep"


def size_faults(source: Source) -> Iterator[str]:
    """Files and functions too long to be read at once."""
    if len(source.lines) - 1 > FILE_LINES_MAX:
        yield f"{source.path}: {len(source.lines) - 1} lines, {FILE_LINES_MAX} at most"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                at = f"{source.path}:{node.lineno}"
                yield f"{at}: {node.name} has {lines} lines, {FUNCTION_LINES_MAX} at most"
