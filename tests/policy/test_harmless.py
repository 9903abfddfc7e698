"""What people write every day, in many languages and forms: the shipped rules see no phrase, no disguise in it."""

from __future__ import annotations

from typing import Final

import pytest

from proxy.detect.phrases import PhraseBank, PhraseEntry
from proxy.model.level import Direction, Level
from proxy.policy.cases import judge_text
from proxy.policy.compile import Policy, compile_policy
from proxy.policy.match import Selection
from proxy.policy.reading import read_folder
from tests.detect.support import HARMLESS, whole
from tests.detect.test_obfuscation import HARMLESS_TOO
from tests.policy.shipped import RULES

MORE: Final = {
    "Arabic": "مرحبا! أريد حجز طاولة لأربعة أشخاص مساء الغد في الساعة ٧:٣٠، وشكرًا جزيلًا لكم مقدمًا.",
    "Hebrew": "שלום, אני מחפשת מתכון לעוגת שוקולד (בלי גלוטן) ל-12 אנשים.",
    "Persian": "لطفاً برنامه‌ی سفر سه‌روزه‌ای به اصفهان بنویسید؛ خانه‌ها و باغ‌ها را می‌خواهیم ببینیم.",
    "Urdu": "براہ کرم مجھے لاہور سے کراچی تک ٹرین کے اوقات بتائیں۔",
    "Chinese": "请帮我写一封给房东的信：水管漏水三天了，什么时候能修？谢谢！",
    "Chinese, traditional": "我想知道怎麼申請台北市的圖書館借書證，需要帶哪些證件？",
    "Japanese": "来週の木曜日、渋谷で打ち合わせがあります。ＰＣとアダプターを持ってきて。ｶﾞｲﾄﾞもお願いします。",
    "Korean": "다음 주 금요일에 부산에서 서울로 가는 KTX 표를 예매하고 싶어요.",
    "Thai": "ช่วยแนะนำร้านอาหารไทยใกล้สถานีสยามหน่อยครับ งบประมาณคนละ ๓๐๐ บาท",
    "Vietnamese": "Xin chào, tôi muốn hỏi về thủ tục gia hạn hộ chiếu ở Hà Nội.",
    "Russian": "Подскажите, пожалуйста, как доехать до МГУ от метро «Университет»? А то я тут в первый раз.",
    "Ukrainian": "Доброго дня! Хочу замовити піцу з грибами і колу, будь ласка.",
    "Bulgarian": "Кога отваря пощата в събота и къде мога да паркирам?",
    "Greek": "Ποια είναι η καλύτερη εποχή για να επισκεφτώ την Κρήτη; Το ΚΤΕΛ πάει εκεί;",
    "Turkish": "Işıkları kapatmayı unutma; yarın İzmir'e gidiyoruz, ağırlık sınırı 23 kg.",
    "Hindi": "कृपया मुझे बताइए कि पासपोर्ट के लिए कौन से दस्तावेज़ चाहिए और फीस कितनी है।",
    "Tamil": "நாளை சென்னையில் மழை பெய்யுமா? குடை எடுத்துச் செல்ல வேண்டுமா?",
    "Bengali": "আমি রবিবার কলকাতা থেকে ঢাকা যেতে চাই, বাস না ট্রেন ভালো?",
    "Georgian": "გამარჯობა, სად შემიძლია ვიყიდო ბილეთი თბილისიდან ბათუმამდე?",
    "Armenian": "Բարև ձեզ, որտե՞ղ կարող եմ գտնել լավ սրճարան Երևանում։",
    "Amharic": "እንደምን አደሩ? ዛሬ የአየር ሁኔታው እንዴት ነው?",
    "Polish": "Źdźbło trawy i żółta łódź; proszę o ogródek przy Łąkowej 7.",
    "Icelandic": "Þetta er góður dagur, ég ætla að kaupa mjólk og brauð á Ísafirði.",
    "Maltese, Welsh, Irish": "Il-bieraħ għaddew ħafna; mae'r tŷ yn Llanfair; tá fáilte romhat go hÉirinn.",
    "abbreviations": "The U.S.A., the U.K. and the E.U. met at 9 a.m.; e.g. the Ph.D. of D. J. Smith in R&D.",
    "initials": "J. R. R. Tolkien, C. S. Lewis, T. S. Eliot, H. G. Wells, P. D. James and W. E. B. Du Bois.",
    "spelled": "My name is spelled S-M-Y-T-H-E, and the plate reads K L M 4 2 7. Options: A B C D.",
    "chords": "Am F C G | D A E B | C/E G7 Am7 Dsus4 | E A D G B E tuning",
    "DNA": "5'-A C G T T A G C A T-3' and GATTACA CAT TAG ACT",
    "chess": "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5",
    "crossword": "S _ N _ E T, 7 letters; T-A-B-L-E; a  b  c",
    "a table": "| id | name | qty |\n|---:|:-----|----:|\n| 1 | bolt 3/8 | 40 |\n| 2 | nut M5 | 12 |",
    "columns": "a   b   c   d\n1   0   1   0\ni   j   k   l\nx y z t",
    "drawn": " (\\_/)\n ( •_•)\n / >🍪   ¯\\_(ツ)_/¯  (╯°□°)╯︵ ┻━┻\n +---+---+\n | o | x |",
    "figures": "gate B4, seat 3A, H1B, 4K TV, 5G, MP3, 2FA, W3C, i18n, k8s, a11y, l10n, B2B, R2D2, the A55, 45s",
    "passages": "Matt 5:3-12, §1983, 1st 2nd 3rd, 80s, 60 fps, 12:30, $5, 100%, 3x4, H2O, CO2, C++17, v1.2.3, 0x1F",
    "handles": "@sarah_k99, #tbt, user1234, sk8er, m8, gr8, l8r, b4, 2nite, w00t",
    "code": "for (int i = 0; i < n; i++) { a[i] = b[i] | c[i]; } if (!ok) return -1;\nlet s = `${a}!`;",
    "shell": "ls -l | grep '^d' && cat a.txt | sort -u > out; a=$1; [ -z \"$a\" ] && exit 1",
    "SQL": "SELECT a.id, b.name FROM t1 a JOIN t2 b ON a.id = b.a_id WHERE a.x IN (1, 0, 1) -- all rows",
    "regular expressions": r"^[\w.+-]+@[\w-]+\.[a-z]{2,}$ matches; \d{3}-\d{4} too",
    "JSON": '{"user": {"id": 7, "roles": ["admin", "dev"]}, "ignore": false, "previous": null}',
    "a diff": "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n-import os\n+import sys",
    "links": "See https://en.wikipedia.org/wiki/Instruction_set_(disambiguation)?a=1&b=2#c and mailto: us.",
    "mathematics": "Let f: ℝ → ℝ, f(x) = Σ aᵢxⁱ; ∀ε>0 ∃δ: |x−a|<δ ⇒ |f(x)−L|<ε. Also α, β ∈ Ω.",
    "emoji": "👩‍❤️‍👨 👨🏿‍🚒 🧑‍🤝‍🧑 🏳️‍⚧️ 🇬🇧🇫🇷 1️⃣ ☎️ ❤️‍🩹 🅰️🅱️ 🆗 ℹ️ Ⓜ️",
    "styled": "𝓗𝓪𝓹𝓹𝔂 𝓑𝓲𝓻𝓽𝓱𝓭𝓪𝔂! ⓗⓔⓛⓛⓞ ｖａｐｏｒ ᴴᴰ №5 ™ ℅ ㎏",
    "phonetics": "/ˈnɔː.t̬i ˈfɒks/, [ʃ], pīnyīn: nǐ hǎo, Sanskrit: saṃskṛtam, ʻokina",
    "quotations": "„Guten Tag“, «bonjour», “don’t”, ‘yes’ — she said… – and left; it's 5′ 11″",
    "talk of instructions": "Please read the previous instructions again before you assemble the shelf.",
}
TEXTS: Final = {**HARMLESS, **HARMLESS_TOO, **{f"more: {name}": text for name, text in MORE.items()}}


@pytest.fixture(scope="module")
def shipped() -> Policy:
    return compile_policy(read_folder(RULES))


@pytest.mark.parametrize("name", TEXTS)
def test_the_shipped_rules_see_nothing_there(shipped: Policy, name: str) -> None:
    text = TEXTS[name]
    for direction in Direction:
        judged = judge_text(shipped, direction, Selection(Level.DEGRADED, frozenset(), None), text)
        guards = {"phrases", "obfuscation", "prompt_leak", "size"}
        assert [
            (one.rule, text[one.start : one.end]) for one in judged.findings if one.detector in guards
        ] == []


WORDS: Final = (
    "ass arse bastard bitch bollocks crap cunt damn dick fag fuck hell hoe idiot kill moron nazi piss prick rape"
    " sex shit slut tit twat whore bomb gun drug die suicide hate"
)
RUDE: Final = PhraseBank([PhraseEntry(0, tuple(WORDS.split()))])


@pytest.mark.parametrize("name", TEXTS)
def test_short_rude_words_are_not_read_into_it(name: str) -> None:
    """Words of three letters are the hardest: figures, letters set apart and other alphabets spell many."""
    text = TEXTS[name]
    assert [text[match.start : match.end] for match in whole(RUDE, text)] == []
