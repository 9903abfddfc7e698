"""The conditions of a search, read once and held against each record."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.log.fetch import Fetch
from proxy.log.index import Facet, found_words, score_step
from proxy.log.port import Search
from proxy.log.rows import NAME_CHARS_MAX, BeginRow, FinishRow
from proxy.log.words import Sought, said
from proxy.model.level import Level, Outcome

_WORDS_MAX: Final = 16
_PARTS_REMEMBERED_MAX: Final = 65_536
_SUBJECTS: Final = {
    "user": Facet.USER,
    "key": Facet.KEY,
    "ip": Facet.IP,
    "region": Facet.REGION,
    "app": Facet.APP,
}

BOUND: Final = r"[^<>=,]+=(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
"""How a bound of a score is written, as a pattern: toxicity=0.8."""

_NO_NAME: Final = 0
"""A number that no name has."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Filters:
    """Holds records against a search. Raises ValueError for a condition that makes no sense."""

    def __init__(self, search: Search, fetch: Fetch) -> None:
        self._search = search
        self._fetch = fetch
        self._subject, self._network = _read_subject(search.subject)
        self._level = None if search.level is None else Level.parse(search.level)
        if search.outcome is not None and search.outcome not in tuple(Outcome):
            raise ValueError(f"outcome must be one of {', '.join(Outcome)}")
        least, most = search.scores or {}, search.max_scores or {}
        for label in least.keys() & most.keys():
            if least[label] > most[label]:
                raise ValueError(f"no {label} is at least {least[label]} and at most {most[label]}")
        self._words = tuple(Sought(word) for word in search.q.split()) if search.q else ()
        if len(self._words) > _WORDS_MAX:
            raise ValueError(f"a search takes at most {_WORDS_MAX} words")
        self._in_part: dict[int, frozenset[Sought]] = {}

    @property
    def words(self) -> tuple[Sought, ...]:
        """The words asked for."""
        return self._words

    def posted(self) -> Iterator[tuple[int, str | int]]:
        """The conditions that postings can answer: kind, and the word or number asked for."""
        search = self._search
        for kind, word in (
            (Facet.MODEL, search.model),
            (Facet.APP, search.app),
            (Facet.OUTCOME, search.outcome),
            (Facet.RULE, search.rule),
        ):
            if word is not None:
                yield kind, word[:NAME_CHARS_MAX]
        if self._level is not None:
            yield Facet.LEVEL, int(self._level)
        if self._subject is not None:
            yield self._subject
        if search.policy is not None:
            policies = self._fetch.names_from(search.policy)
            if len(policies) <= 1:
                yield Facet.POLICY, next(iter(policies), _NO_NAME)
        for label, least in (search.scores or {}).items():
            step = score_step(least)
            if step:
                yield Facet.SCORE + step, label

    def hold(self, begin: BeginRow, finish: FinishRow | None) -> bool:
        """Whether the record meets every condition; what is cheap to ask is asked first."""
        return (
            self._plain(begin, finish)
            and self._found(finish)
            and (not self._words or self._says(begin, finish))
        )

    def _plain(self, begin: BeginRow, finish: FinishRow | None) -> bool:
        search, name = self._search, self._fetch.name
        if search.app is not None and name(begin.app) != search.app[:NAME_CHARS_MAX]:
            return False
        level = begin.level if finish is None else finish.level
        if self._level is not None and level != self._level:
            return False
        if search.outcome is not None and (finish is None or name(finish.outcome) != search.outcome):
            return False
        if search.policy is not None and not (name(begin.policy) or "").startswith(search.policy):
            return False
        if search.model is not None:
            used = (
                (begin.requested, begin.sent)
                if finish is None
                else (finish.requested, finish.sent, finish.served)
            )
            if search.model[:NAME_CHARS_MAX] not in map(name, used):
                return False
        return self._is_subject(begin)

    def _is_subject(self, begin: BeginRow) -> bool:
        if self._network is not None:
            try:
                return ipaddress.ip_address(self._fetch.name(begin.ip) or "") in self._network
            except ValueError:
                return False
        if self._subject is None:
            return True
        kind, word = self._subject
        columns = {
            Facet.USER: begin.user,
            Facet.KEY: begin.key,
            Facet.IP: begin.ip,
            Facet.REGION: begin.region,
            Facet.APP: begin.app,
        }
        return self._fetch.name(columns[kind]) == word

    def _found(self, finish: FinishRow | None) -> bool:
        rule, least, most = self._search.rule, self._search.scores or {}, self._search.max_scores or {}
        if rule is None and not least and not most:
            return True
        rules, scores = found_words(self._fetch, finish)
        if rule is not None and rule[:NAME_CHARS_MAX] not in rules:
            return False
        return all(scores.get(label, -1.0) >= score for label, score in least.items()) and all(
            label in scores and scores[label] <= score for label, score in most.items()
        )

    def _says(self, begin: BeginRow, finish: FinishRow | None) -> bool:
        left = set(self._words)
        for part in self._spoken(begin, finish):
            left -= self._said(part)
            if not left:
                return True
        return False

    def _spoken(self, begin: BeginRow, finish: FinishRow | None) -> Iterator[int]:
        """The parts that hold what was said, the newest first."""
        if finish is not None:
            yield from (part for part in (finish.received, finish.delivered) if part is not None)
        window = self._fetch.window_parts(begin.node)
        yield from (part for _, part in reversed(window))
        if not window and begin.skeleton is not None:
            yield begin.skeleton

    def _said(self, part: int) -> frozenset[Sought]:
        known = self._in_part.get(part)
        if known is None:
            text = said(self._fetch.content(part))
            if len(self._in_part) >= _PARTS_REMEMBERED_MAX:
                self._in_part.clear()
            known = self._in_part[part] = frozenset(word for word in self._words if word.stands_in(text))
        return known


def read_bounds(texts: Iterable[str]) -> dict[str, float]:
    """Bounds of scores by label, each written as `BOUND` says. Raises ValueError."""
    bounds: dict[str, float] = {}
    for text in texts:
        if re.fullmatch(BOUND, text) is None:
            raise ValueError(f"{text!r} is no score: write LABEL=NUMBER, as toxicity=0.8")
        label, _, number = text.partition("=")
        if label in bounds:
            raise ValueError(f"{label} is given twice")
        bounds[label] = float(number)
    return bounds


def _read_subject(subject: str | None) -> tuple[tuple[Facet, str] | None, Network | None]:
    if subject is None:
        return None, None
    kind, colon, value = subject.partition(":")
    if not colon or not value or kind not in _SUBJECTS:
        raise ValueError("subject must be user:ID, key:NAME, ip:ADDRESS, ip:CIDR, region:CC or app:NAME")
    if kind == "ip":
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value} is no IP address and no CIDR range") from None
        if network.num_addresses > 1:
            return None, network
        value = str(network.network_address)
    return (_SUBJECTS[kind], value[:NAME_CHARS_MAX]), None


def erasable(subject: str) -> tuple[Facet, str]:
    """A subject whose exchanges can be erased. Raises ValueError."""
    one, _ = _read_subject(subject)
    if one is None or one[0] not in (Facet.USER, Facet.KEY, Facet.IP):
        raise ValueError("only user:ID, key:NAME and ip:ADDRESS can be erased")
    return one
