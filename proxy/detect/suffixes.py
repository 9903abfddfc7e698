"""Whether an address's domain ends in a name that is given out: in a public suffix.

The list and the answers are those of `tldextract`, which Presidio asks (https://publicsuffix.org/list/ says what
the rules mean). Its package is not imported: it brings an HTTP client with it and keeps the list as tries, a tenth
of a second and 12 MB in all.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import idna

from proxy.errors import GuardrailError

_LIST: Final = ".tld_set_snapshot"
_PRIVATE: Final = "// ===BEGIN PRIVATE DOMAINS==="
_RULE: Final = re.compile(r"^[.*!]*\w\S*", re.MULTILINE)
_LEAD: Final = re.compile(r"(?:[A-Za-z0-9+.-]+:)?//")
_PATH: Final = re.compile(r"[/?#]")
_DOT: Final = re.compile("[.\u3002\uff0e\uff61]")


class SuffixError(GuardrailError):
    """The list of suffixes is missing."""


class Suffixes:
    """The suffixes under which anybody can have a name; those of companies (github.io) are none of them."""

    __slots__ = ("_known", "names")

    def __init__(self, rules: frozenset[str]) -> None:
        """`rules` as the list writes them: `co.uk`, `*.ck`, `!www.ck`."""
        self.names = rules
        # What some rule ends in, each label beyond the last a step on the way to it.
        self._known = {
            rule[at + 1 :] for rule in rules for at, char in enumerate(rule) if char == "."
        } | rules

    @classmethod
    def load(cls) -> Suffixes:
        """Those that the installed tldextract ships. Raises SuffixError."""
        spec = find_spec("tldextract")  # finds it, does not import it
        if spec is None or spec.origin is None:
            raise SuffixError("tldextract is not installed")
        try:
            text = Path(spec.origin).with_name(_LIST).read_text("utf-8")
        except OSError as error:
            raise SuffixError(f"cannot read tldextract's list: {error.strerror}") from error
        return cls(frozenset(_RULE.findall(text.partition(_PRIVATE)[0])))

    def end(self, address: str) -> bool:
        """Whether the host of an address (of a mailbox or a page) is a name under a suffix."""
        lead = _LEAD.match(address)
        authority = _PATH.split(address[lead.end() if lead else 0 :], maxsplit=1)[0]
        host = authority.rpartition("@")[2].partition(":")[0].strip()
        labels = _DOT.split(host)
        while labels and not labels[-1]:
            labels.pop()
        first = self._first(labels)
        return 0 < first < len(labels) and bool(labels[first - 1])

    def _first(self, labels: list[str]) -> int:
        """Which label the longest suffix begins with; their number where there is none."""
        found, path = len(labels), ""
        for at in range(len(labels) - 1, -1, -1):
            label = _shown(labels[at])
            longer = f"{label}.{path}" if path else label
            if longer in self._known:
                path = longer
                if path in self.names:
                    found = at
            elif f"*.{path}" in self.names:
                return at + 1 if f"!{longer}" in self.names else at
            else:
                break
        return found


def _shown(label: str) -> str:
    """As the list writes it."""
    label = label.lower()
    if label.startswith("xn--"):
        try:
            return idna.decode(label)
        except (UnicodeError, IndexError):
            pass
    return label
