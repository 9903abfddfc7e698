"""Words of stored text: what of a text is indexed, and what is found without."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.log.encode import encode
from proxy.log.port import Search
from proxy.log.query import LogReader
from proxy.log.store import Store
from proxy.log.words import WORDED_CHARS_MAX, Sought, Words, said
from tests.log.make import T0, begun, finished

KEY = bytes(32)


@given(text=st.text(max_size=60), at=st.integers(0, 60), size=st.integers(1, 20))
def test_what_stands_in_a_text_is_in_what_is_indexed_of_it(text: str, at: int, size: int) -> None:
    content = encode(text)
    words = Words(KEY)
    tokens = set(words.of_part(content).split())
    for word in (*text.split(), text[at : at + size]):
        sought = Sought(word) if word and not word.isspace() else None
        query = None if sought is None else words.asked(sought)
        if sought is None or query is None or not sought.stands_in(said(content)):
            continue
        asked = query.partition(" OR ")[0].strip("()").replace('"', "").split(" AND ")
        assert tokens.issuperset(asked), (text, word)


def test_the_index_holds_no_word() -> None:
    tokens = Words(KEY).of_part(encode("password hunter2"))
    assert "password" not in tokens
    assert "hunter2" not in tokens
    again, other = (Words(key).of_part(encode("hunter2 password")) for key in (KEY, bytes(31) + b"1"))
    assert set(again.split()) == set(tokens.split())
    assert not set(other.split()) & set(tokens.split())


def test_keys_of_the_wire_are_no_words() -> None:
    assert Words(KEY).of_part(encode([{"role": "user", "type": "text"}])) == ""


@pytest.mark.parametrize("word", ["beginning", "ending"])
def test_words_of_a_very_long_part_are_found_all_the_same(tmp_path: Path, word: str) -> None:
    path = tmp_path / "log.sqlite3"
    store = Store(path, lambda: T0)
    filler = "filler " * (WORDED_CHARS_MAX // 7 + 10)
    store.write([begun(1), finished(1, received=f"beginning {filler} ending")])
    store.write([begun(2), finished(2)])
    while store.index(10):
        pass
    store.release()
    with LogReader(path) as reader:
        assert [hit["id"] for hit in reader.search(Search(q=word)).exchanges] == [f"{1:032x}"]
