"""The region of an address, by a database of the operator's own (MMDB, as MaxMind, DB-IP and IPinfo publish).

Read into memory once: a file that is replaced or cut short under a running proxy does no harm, and counts at the
next start. Format: https://maxmind.github.io/MaxMind-DB/
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import maxminddb

from proxy.errors import GuardrailError

REMEMBERED_MAX: Final = 4096
"""How many addresses keep their answer; the oldest goes first, and is looked up again."""


class UnusableDatabase(GuardrailError):
    """The file is no database that addresses can be looked up in."""


def regions(path: Path) -> Callable[[str], str | None]:
    """From an address to its country's code of two letters, upper case; None for one that the database does not
    know. Raises UnusableDatabase."""
    try:
        reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise UnusableDatabase(f"no MMDB database can be read from `{path}`: {error}") from None
    six = reader.metadata().ip_version == 6

    @lru_cache(REMEMBERED_MAX)
    def region(address: str) -> str | None:
        if ":" in address and not six:
            return None
        return _code(reader.get(address))

    return region


def _code(record: object) -> str | None:
    """Where the country stands: `country.iso_code`, else where the range is registered; flat in some databases."""
    if not isinstance(record, dict):
        return None
    for key in ("country", "registered_country", "country_code"):
        found = record.get(key)
        code = found.get("iso_code") if isinstance(found, dict) else found
        if isinstance(code, str) and len(code) == 2:
            return code.upper()
    return None
