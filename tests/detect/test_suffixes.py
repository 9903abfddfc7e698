"""Domains that end in a public suffix: the answers of tldextract, whose list it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import tldextract
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.detect.suffixes import SuffixError, Suffixes

SUFFIXES = Suffixes.load()
TLDEXTRACT = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

LABELS = st.sampled_from(
    [
        "www",
        "a-b",
        "",
        "co",
        "ck",
        "city",
        "kawasaki",
        "jp",
        "xn--p1ai",
        "xn--",
        "中国",
        "COM",
        "127",
        "0",
        "*",
        "!www",
    ]
)
DOMAINS = st.tuples(
    st.lists(LABELS, max_size=3),
    st.sampled_from(sorted(SUFFIXES.names)) | LABELS,
    st.sampled_from([".", ".", "\u3002", "\uff0e", "\uff61"]),
).map(lambda drawn: drawn[2].join([*drawn[0], drawn[1].lstrip("*!.")]))
BEFORE = st.sampled_from(
    ["", "jane@", "a/b@", "a//b@", "//x@", "http://", "x+y://z@", "a?b@", "a#b@", "x@y@"]
)
BEHIND = st.sampled_from(["", "", ".", "..", ":80", "/x", "?q", " "])


def test_the_list_is_tldextracts() -> None:
    assert frozenset(TLDEXTRACT.tlds) == SUFFIXES.names


@settings(max_examples=500)
@given(before=BEFORE, domain=DOMAINS, behind=BEHIND)
def test_the_answers_are_tldextracts(before: str, domain: str, behind: str) -> None:
    address = before + domain + behind
    assert SUFFIXES.end(address) == bool(TLDEXTRACT(address).fqdn)


def test_a_missing_list_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, *args: object) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "read_text", missing)
    with pytest.raises(SuffixError, match="list: No such file"):
        Suffixes.load()
