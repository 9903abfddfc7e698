"""The words before a number that say what it is: a phone's, or an order's.

Presidio raises a score by 0.35 where one of the recognizer's own words is among the five before a finding, as
lemmas of a language model and in any part of a word. Here they are whole words, taken from the text itself, and
words of the opposite sort are looked for as well. Only what stands before counts: in a stream it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.detect.normalise import View

NEARBY_CHARS: Final = 64
"""Characters before a finding that are looked at."""
NEARBY_WORDS: Final = 6
RAISE: Final = 0.35
RAISED_MIN: Final = 0.4

_NEW: Final = re.compile(r"[.;!?]\s|\n")  # where another sentence begins
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")

_PHONE: Final = (
    r"\b(?:(?:tele|cell|smart)?phones?|tel|tele|cell|cells|cellular|mobiles?|mob|call(?:s|ed|ing|back)?|fax|dial|ring"
    r"|text|sms|whatsapp|viber|imessage|hotline|helpline|landline|switchboard|contact|reach|voicemail|pager|phoned?"
    r"|handy\w*|telefon\w*|mobil\w*|rufnummer|anruf\w*|ruf|durchwahl|erreich\w*|téléphone|telephone|tél|portable"
    r"|appel\w*|joindre|joignable|teléfono|móvil|celular|llam\w*|cellulare|chiam\w*|telemóvel|telemovel|ligue|ligar"
    r"|telefoon\w*|bel|mobiel\w*|tlf|puh|puhelin\w*|тел|телефон\w*|моб|звон\w*|κιν|τηλ|τηλέφωνο|फोन|هاتف|טלפון|נייד)\b"
    r"|电话|手机|電話|携帯|手機|전화|휴대폰|핸드폰|연락처|連絡先|联系"
)
_THING: Final = (
    r"(?:\b(?:orders?|invoices?|tickets?|refs?|references?|tracking|parcels?|packages?|shipments?|shipped|bookings?"
    r"|confirmations?|case|cases|ids?|sku|isbn(?:-1[03])?|barcode|issn|ean|upc|ups|usps|fedex|dhl|gtin|asin|serial|s/n|sn|parts?|models?"
    r"|versions?|releases?|builds?|firmware|pages?|pp|chapters?|commits?|epoch|timestamps?|ts|created_at|updated_at"
    r"|expires|exp|unix|coordinates?|lat|lon|lng|latitude|longitude|gps|position|po|receipts?|transactions?|txn|policy"
    r"|items?|products?|batch|lot|doi|patents?|population|total|sum|amount|budget|prices?|costs?|usd|eur|gbp|rows?|lines?"
    r"|ports?|pid|seed|digest|sha|hash|trace|session|requests?|errors?|bugs?|issues?|pr|revision|rev|seasons?|years?"
    r"|sold|bytes|ein|tax|vat|zip|plz|postcode|flight|chrome|android|windows|linux|bestellung|bestellnummer|auftrag|rechnung|sendung|commande|facture|colis|pedido|factura|envío"
    r"|ordine|fattura|spedizione)\b|订单|单号|注文|주문)[^\w\n]*(?:(?:number|no|nr|num|id|code|is|was|#|numéro|nummer"
    r"|für|de|of|for|the)\b[^\w\n]*){0,3}"
)
"""Words for what else is numbered, with what may stand between them and the number."""


_THING_CHARS: Final = 12
"""Characters that may stand between a thing's word and what is its number."""


@dataclass(frozen=True, slots=True)
class Said:
    """What stands before a finding. `phone`: a phone's word is there, and no other thing's behind it; `thing`:
    the number is said to be an order's, a version's and so on."""

    text: str
    own: bool
    phone: bool
    thing: bool


class Nearby:
    """Reads what stands before findings. Its words are held in the view that the text is read in."""

    __slots__ = ("_of", "_phone", "_thing")

    def __init__(self, contexts: Mapping[str, Iterable[str]], view: View) -> None:
        """`contexts` are the words of each entity's recognizer."""
        self._phone = re.compile(view.of(_PHONE), re.IGNORECASE)
        self._thing = re.compile(view.of(_THING), re.IGNORECASE)
        self._of: dict[str, re.Pattern[str]] = {}
        for entity, words in contexts.items():
            kept = sorted({view.of(word.strip().lower()) for word in words} - _VAGUE, key=len, reverse=True)
            if kept:
                self._of[entity] = re.compile(
                    rf"(?<!\w)(?:{'|'.join(map(re.escape, kept))})s?(?!\w)", re.IGNORECASE
                )

    def read(self, text: str, start: int, entity: str) -> Said:
        said = text[max(0, start - NEARBY_CHARS) : start]
        if not _WORD.search(said):  # as in a list of numbers
            return Said(said, False, False, False)
        phone, thing = _last(self._phone, said), _last(self._thing, said)
        of_thing = thing > phone and len(said) - thing <= _THING_CHARS and not _NEW.search(said, thing)
        return Said(said, self._own(entity, said), phone >= 0 and not of_thing, of_thing)

    def _own(self, entity: str, said: str) -> bool:
        """Whether one of the entity's words is among the last NEARBY_WORDS."""
        words = self._of.get(entity)
        if words is None:
            return False
        spans = [found.start() for found in _WORD.finditer(said)]
        first = spans[-NEARBY_WORDS] if len(spans) > NEARBY_WORDS else 0
        return words.search(said, first) is not None


def _last(words: re.Pattern[str], said: str) -> int:
    """Where the last of the words ends; -1 where there is none."""
    end = -1
    for found in words.finditer(said):
        end = found.end()
    return end


_VAGUE: Final = frozenset(
    {
        "ag",
        "auto",
        "car",
        "cc",
        "cf",
        "check",
        "document",
        "firma",
        "id",
        "in",
        "mot",
        "number",
        "ort",
        "pass",
        "pi",
    }
    | {"driver", "driving", "identification", "reg", "save", "sin", "states", "travel", "united", "us"}
)
"""Words of Presidio's lists that stand before numbers of any sort."""
