"""How every detector is tested: whole, in pieces, and with more text behind."""

from __future__ import annotations

from hypothesis import strategies as st

from proxy.detect.base import NO_CONTEXT, Bank
from proxy.model.finding import Match


def whole(bank: Bank, text: str) -> tuple[Match, ...]:
    """The matches of a text read at once."""
    progress = bank.open(NO_CONTEXT).feed(text, final=True)
    assert progress.safe_upto == len(text)
    return progress.matches


def shown(bank: Bank, text: str) -> list[str]:
    """What the matches of a text cover."""
    return [text[match.start : match.end] for match in whole(bank, text)]


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of those sizes, over and over."""
    pieces = []
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
        turn += 1
    return pieces


def assert_any_cut_is_the_same(bank: Bank, text: str, sizes: list[int]) -> tuple[Match, ...]:
    """Read in pieces, a text has the matches of the whole, each reported once, and exactly when its start lies
    before `safe_upto`; `safe_upto` never goes back nor beyond what was read."""
    expected = whole(bank, text)
    scan = bank.open(NO_CONTEXT)
    seen: list[Match] = []
    read = safe = 0
    for piece in cut(text, sizes):
        read += len(piece)
        progress = scan.feed(piece)
        seen += progress.matches
        assert safe <= progress.safe_upto <= read
        safe = progress.safe_upto
        assert [match for match in expected if match.start < safe] == seen
    seen += scan.feed("", final=True).matches
    assert tuple(seen) == expected
    at_once = bank.open(NO_CONTEXT)
    at_once.feed(text, final=True)
    assert dict(scan.scores) == dict(at_once.scores)
    return expected


def sizes() -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from([1, 2, 3, 5, 8, 40]), min_size=1, max_size=4)


def texts_of(parts: list[str], most: int = 25) -> st.SearchStrategy[str]:
    """Texts put together from such parts, and now and then any character."""
    part = st.one_of(
        st.sampled_from(parts), st.sampled_from(parts), st.sampled_from(parts), st.text(max_size=2)
    )
    return st.lists(part, max_size=most).map("".join).map(without_surrogates)


def without_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


HARMLESS = {
    "Arabic": "السَّلَامُ عَلَيْكُمْ، كيف حالك اليوم؟ أتمنى لك يومًا سعيدًا.",
    "Chinese": "今天天气很好，我们去公园散步吧。晚饭后再看一部电影。",
    "Russian": "Сегодня хорошая погода, мы пошли в парк и ели мороженое. Рот, нос, сок, кот, рука.",
    "Turkish": "Bugün hava çok güzel, ılık bir rüzgâr var. İstanbul'da çay içtik.",
    "Hindi": "आज मौसम बहुत अच्छा है और हम पार्क जा रहे हैं।",
    "Thai": "วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะ",
    "Korean": "오늘은 날씨가 좋아서 공원에 산책하러 갔어요.",
    "Greek": "Σήμερα ο καιρός είναι ωραίος και πήγαμε στο πάρκο.",
    "emoji": "Family 👨‍👩‍👧‍👦 and a flag 🏳️‍🌈, thumbs 👍🏽, keycap 1️⃣ and heart ❤️ time.",
}
