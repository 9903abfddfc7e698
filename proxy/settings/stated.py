"""What a settings file says of its folders, whatever else is wrong with it."""

from __future__ import annotations

from pathlib import Path

from proxy.errors import ConfigError
from proxy.settings.file import SettingsFile
from proxy.yaml_source import parse


def stated_folders(path: Path) -> tuple[Path, Path] | None:
    """The folders of the rules and of the data that a settings file names, whatever else is wrong with it; None
    where it cannot be read so far."""
    try:
        value = parse(str(path), path.read_bytes()).value
    except (OSError, ConfigError):
        return None
    stated = value if isinstance(value, dict) else {}
    names = [stated.get(key, SettingsFile.model_fields[key].default) for key in ("rules_dir", "data_dir")]
    folder = path.absolute().parent
    return (folder / names[0], folder / names[1]) if all(isinstance(name, str) for name in names) else None
