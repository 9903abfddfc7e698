"""Characters that a reader takes for an ASCII letter: what the skeleton view folds them to.

Only what `unicodedata` does not know is listed; full-width, mathematical, circled and accented letters fall
to compatibility decomposition. What stands here goes before Unicode's own table in `confusables`. Keys are
casefolded, as the skeleton looks them up after folding case. Chosen after Unicode's confusables (UTS 39), but
towards the letter that is *read*, in lower case: UTS 39 folds a capital I and a digit 1 to l, which would
make ordinary English collide.
"""

from __future__ import annotations

from proxy.detect.confusables import CONFUSABLES

# Each string: the ASCII letter, then what looks like it.
_GROUPS = (
    "a аαɑᴀⲁꓮ𐊠ạ",
    "b вьъƅʙᏏᖯƄꓐ",
    "c сϲᴄⅽⲥꓚ𐐽",
    "d ԁɗᏧᑯꓒᴅ",
    "e еҽєεɛℯᴇⲉꓰ",
    "f ғϝſꞙẝꓝքꜰ",
    "g ɡցɢԍᶃꓖ",
    "h һнհηʜᏂⲏꓧ",
    "i іιıɩɪⲓꙇꓲɨӏ",
    "j јϳյᴊꓙ",
    "k кκᴋⲕꓗ",
    "l ⅼʟᏞⳑꓡﺍןł",
    "m мᴍⅿⲙꓟ",
    "n пոռνᴨɴⲛꓠ",
    "o оοσօᴏⲟჿഠଠ௦๐໐ⵔꓳøө",
    "p рρᴘⲣꓑ",
    "q ԛգզꓣԚꞯ",
    "r гᴦʀⲅꭇꭈꓤꮁ",
    "s ѕꜱʂᏚꓢꮪ",
    "t тτᴛⲧꓔ",
    "u υսᴜꞟʋцᑌꓴ",
    "v ѵᴠⅴꓦꮩ",
    "w ԝωшɯᴡաѡꓪꮃ",
    "x хχ⨯×ⅹⲭꓫ",
    "y уүγʏⲩꓬყ",
    "z ᴢʐꓜꮓζ",
)

# Marks that stand in words, or around them, in more than one shape.
_MARKS = ("' ’‘‛ʼʻʹʽˈ′‵՚ꞌ", '" “”„‟″')

# Enclosed letters that have no decomposition: blocks of 26, each starting at its A.
_ENCLOSED_A = (0x1F150, 0x1F170)


def lookalikes() -> dict[str, str]:
    """One casefolded character → the ASCII letter or letters that a reader sees."""
    table: dict[str, str] = {}
    for group in (*_GROUPS, *_MARKS, *CONFUSABLES):
        letter, _, likes = group.partition(" ")
        for like in likes:
            for folded in like.casefold():
                if not folded.isascii():
                    table.setdefault(folded, letter)
    for first in _ENCLOSED_A:
        for index in range(26):
            table[chr(first + index)] = chr(ord("a") + index)
    return table


# Capitals that look like another letter than their small ones do; empty: like none.
_CAPITALS = {"Υ": "Y", "Γ": "", "Σ": "", "Ω": ""}


def latin_letters() -> dict[str, str]:
    """One character → the ASCII letter or letters that a reader sees, a capital's in capitals."""
    small = lookalikes()
    table = {char: letters for char, letters in small.items() if not char.isupper()}
    for char, letters in small.items():
        capital = char.upper()
        if len(capital) == 1 and not capital.isascii():
            table.setdefault(capital, _CAPITALS.get(capital, letters.upper()) or capital)
    for first in _ENCLOSED_A:
        for index in range(26):
            table[chr(first + index)] = chr(ord("A") + index)
    return table
