"""Reading a rules folder, to a bound: the one place where rule files meet the file system."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from proxy.errors import ConfigError, Problem
from proxy.policy.folder import Folder, is_rule_file, is_test_file

FILES_MAX: Final = 1000
FILE_BYTES_MAX: Final = 16 * 1024 * 1024
FOLDER_BYTES_MAX: Final = 64 * 1024 * 1024
DEPTH_MAX: Final = 8

Look: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""What a folder looks like: each file's name, inode, size, and times of change in nanoseconds."""


def read_folder(rules_dir: Path, *, tests: bool = False) -> Folder:
    """The files under a rules folder but its tests; with `tests` only those. Hidden files are never read.

    Raises ConfigError where there is no such folder or it holds too many files. A file that cannot be read is
    noted, and becomes a problem where the policy needs it.
    """
    name = str(rules_dir)
    listing = _Listing()
    listing.walk(rules_dir, "", 0)
    if listing.error is not None:
        raise ConfigError((Problem(name, 1, 1, listing.error),))
    files: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    total = 0
    for path, (entry, info) in sorted(listing.files.items()):
        if is_test_file(path) is not tests:
            continue
        if info.st_size > FILE_BYTES_MAX or total + info.st_size > FOLDER_BYTES_MAX:
            limits = f"{FILE_BYTES_MAX} bytes are read of a file, {FOLDER_BYTES_MAX} of the folder"
            refused[path] = f"has {info.st_size} bytes; at most {limits}"
            continue
        total += info.st_size
        try:
            with open(entry, "rb") as handle:
                files[path] = handle.read(FILE_BYTES_MAX)
        except FileNotFoundError:
            continue  # gone between listing and reading: the next look finds the folder changed
        except OSError as error:
            refused[path] = f"cannot be read: {error.strerror}"
    return Folder(name, files, refused | listing.refused)


def look(rules_dir: Path) -> Look:
    """What the folder looks like now; empty where there is none."""
    listing = _Listing()
    listing.walk(rules_dir, "", 0)
    return tuple(
        (path, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        for path, (_, info) in sorted(listing.files.items())
        if not is_test_file(path)
    )


@dataclass(slots=True)
class _Listing:
    """The regular files under a folder, symbolic links to files and folders followed, to a bound."""

    files: dict[str, tuple[str, os.stat_result]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def walk(self, folder: Path | str, prefix: str, depth: int) -> None:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        self._take(entry, prefix + entry.name, depth)
        except OSError as error:
            if prefix:
                self.refused[prefix.rstrip("/")] = f"cannot be read: {error.strerror}"
            else:
                self.error = f"the folder of the rules cannot be read: {error.strerror}"

    def _take(self, entry: os.DirEntry[str], path: str, depth: int) -> None:
        try:
            info = entry.stat()
        except OSError as error:
            if is_rule_file(path):
                self.refused[path] = f"cannot be read: {error.strerror}"
            return
        if stat.S_ISDIR(info.st_mode):
            if depth >= DEPTH_MAX:  # a link that leads back up ends here too
                self.error = f"`{path}` lies deeper than {DEPTH_MAX} folders"
                return
            self.walk(entry.path, path + "/", depth + 1)
        elif stat.S_ISREG(info.st_mode):
            if len(self.files) >= FILES_MAX:
                self.error = f"the folder of the rules holds more than {FILES_MAX} files"
                return
            self.files[path] = (entry.path, info)
