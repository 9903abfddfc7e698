"""Unicode's confusables, as far as they read as ASCII letters and nothing else in this package knows them.

Made from confusables.txt of UTS 39, version 13.0.0 (https://www.unicode.org/Public/security/13.0.0/;
(c) 2020 Unicode, Inc., https://www.unicode.org/terms_of_use.html) by this rule: of every single character whose
prototype, less its accents, is one to three ASCII letters, the casefolded form stands here under those letters
in lower case, unless compatibility decomposition or `lookalikes` already says what it reads as; a lower-case
letter's own entry goes before its capital's. Left out, so that no innocent text is bent:

- scripts that run from right to left: a letter of theirs in a Latin word moves it about, so nobody reads that
  word;
- scripts whose words run together (Myanmar, Ethiopic, ideographs), and digits, which are themselves;
- symbols but currency signs: box drawings and operators stand beside words, not in them;
- several letters for one that is no Latin ligature, and Cyrillic be, which reads as a 6 if as anything.
"""

from __future__ import annotations

from typing import Final

CONFUSABLES: Final = (
    "a Ꭺᗅ𖽀",
    "b ƀƃɓβѣҍᏴᑲᑳᗷꞵ𐊂𐊡𐌁",
    "c ¢ȼҫᏟ𐊢𐌂𐔜𑣲",
    "d ðđƌɖᎠᗞᗪ₫ꓓ",
    "e ɇҿᎬ℮ⴹꬲ𐊆𑣆𑣎",
    "f ƒᖴᵮꬵ𐊇𐊥𐔥𑣂",
    "g ƍǥɠᏀᏳ",
    "h ħɦћңӈӊᎻᏲᕼⱨꚕ𐋏",
    "i Ꭵᵻᵼ𑣃",
    "j ɉʝᎫᒍ",
    "k ƙқҟᏦᛕ₭ⱪꝁ𐔘",
    "l ƚǀɫɭᒪᛁⵏ𐊊𐌉𐌠𐑃𐔦𑣒𖼖𖼨",
    "m μϻӎᎷᗰᛖ𐊰𐌑",
    "n ƞɲɳᵰ𐔓",
    "o ɵθѳᎤᎾᏫᴑⴱⵁꝋꬽꬾ𐊒𐊫𐐬𐓪𐔖𑣈𑣕𑣗",
    "p ƥᏢᑭᵽ𐊕",
    "q ʠⵕ",
    "r ɍɼɽᎡᏒᖇᵲ𐓜𖼵",
    "s ƽտᏕᵴ𐊖𐑈𑣁𖼺",
    "t ŧƭʈҭᎢᵵⱦ𐊗𐊱𐌕𖼊",
    "u ʉᏌᵾꭎꭒ𐓶𑣘𖽂",
    "v ᐯⴸꛟ𐔝𑣀𖼈",
    "w Ꮤ₩ꝡ𑣯",
    "x ҳᕁᕽᚷⵝꭓ𐊐𐊴𐌗𐌢𐔧𑣬",
    "y ¥ƴɏɣұᎩᎽᶌỿꭚ𐊲𑣜𖽃",
    "z ƶȥᵶ𐋵𑣄𑣉",
    "aa ꜳ",
    "ae æ",
    "ao ꜵ",
    "au ꜷ",
    "av ꜹꜻ",
    "ay ꜽ",
    "dz ʣ",
    "ll ǁ",
    "ls ʪ",
    "lz ʫ",
    "oe œ",
    "oo ꝏ",
    "rn ɱᵯ",
    "tf ꝷ",
    "ts ʦ",
    "ue ᵫ",
    "uo ꭣ",
)
"""Each string: the letters, then what looks like them."""
