"""A rules folder as it was read: names and bytes, so that everything after the reading is pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a rules folder. Names are relative POSIX paths; `refused` says why one was not read."""

    name: str  # how problems name the folder
    files: Mapping[str, bytes]
    refused: Mapping[str, str] = field(default_factory=dict)

    def label(self, file: str) -> str:
        """How problems name that file."""
        return posixpath.join(self.name, file)


def is_rule_file(name: str) -> bool:
    return name.endswith(".yaml") and not is_test_file(name)


def is_test_file(name: str) -> bool:
    return name.endswith(".test.yaml")
