"""All restraints at one moment, indexed for what every exchange asks. Immutable and pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from math import inf
from types import MappingProxyType

from proxy.dial.restraint import Kind, Restraint
from proxy.model.subject import Subject
from proxy.subjects import SubjectKind, plain_address

RESTRAINTS_MAX = 5000
"""How many may hold at once; one more is refused. A change indexes them anew, which is a few milliseconds."""


class _Index:
    """The restraints of one kind by the subject that they are about; ranges by their version and length, so that an
    address is looked up once for each length in use."""

    __slots__ = ("_named", "_ranges")

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], list[Restraint]] = {}
        self._ranges: dict[tuple[int, int], dict[int, list[Restraint]]] = {}

    def add(self, one: Restraint) -> None:
        name = one.subject
        assert name is not None, "blocks and limits are about a subject"
        network = name.network
        if network is None:
            self._named.setdefault((name.kind, name.value), []).append(one)
        else:
            starts = self._ranges.setdefault((network.version, network.prefixlen), {})
            start = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            starts.setdefault(start, []).append(one)

    def about(self, subject: Subject, app: str | None) -> Iterator[Restraint]:
        if self._named:
            for kind, value in (
                (SubjectKind.KEY, subject.key),
                (SubjectKind.USER, subject.user),
                (SubjectKind.REGION, subject.region),
                (SubjectKind.APP, app),
            ):
                if value is not None:
                    yield from self._named.get((kind, value), ())
        if self._ranges and subject.ip is not None:
            address = plain_address(subject.ip)
            number = int(address)
            for (version, length), starts in self._ranges.items():
                if version == address.version:
                    yield from starts.get(number >> (address.max_prefixlen - length), ())


class Restraints:
    """The restraints that hold."""

    __slots__ = ("_blocks", "_by_key", "_limits", "mark", "next_expiry", "patches", "rollbacks")

    def __init__(self, restraints: Sequence[Restraint] = ()) -> None:
        by_key = {one.key: one for one in restraints}
        mark = 0
        for one in by_key.values():
            mark ^= _mark(one)
        self._fill(by_key, mark)

    @classmethod
    def _of(cls, by_key: dict[tuple[str, str], Restraint], mark: int) -> Restraints:
        made = cls.__new__(cls)
        made._fill(by_key, mark)
        return made

    def _fill(self, by_key: dict[tuple[str, str], Restraint], mark: int) -> None:
        self.mark = mark  # tells them apart: the same for the same restraints in any order
        self.next_expiry = inf
        self._by_key = by_key
        self._blocks, self._limits = _Index(), _Index()
        rollbacks: dict[str, str] = {}
        for one in by_key.values():
            match one.kind:
                case Kind.BLOCK:
                    self._blocks.add(one)
                case Kind.LIMIT:
                    self._limits.add(one)
                case Kind.ROLLBACK:
                    rollbacks[one.about] = one.value
                case Kind.PATCH:
                    pass
            if one.expires is not None and one.expires < self.next_expiry:
                self.next_expiry = one.expires
        self.rollbacks: Mapping[str, str] = MappingProxyType(rollbacks)
        """Each public model that is rolled back, and the version that it is served as."""
        self.patches = self.of(Kind.PATCH)

    def __iter__(self) -> Iterator[Restraint]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def of(self, kind: Kind) -> tuple[Restraint, ...]:
        """Those of one kind, the oldest first."""
        return tuple(sorted((one for one in self if one.kind is kind), key=lambda one: (one.since, one.id)))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there are of each kind."""
        counts = dict.fromkeys(Kind, 0)
        for one in self:
            counts[one.kind] += 1
        return {str(kind): count for kind, count in counts.items()}

    @property
    def calls(self) -> int:
        """How many calls all limits together allow in their windows."""
        return sum(one.rate.calls for one in self if one.rate is not None)

    def get(self, key: tuple[str, str]) -> Restraint | None:
        return self._by_key.get(key)

    def blocks(self, subject: Subject, app: str | None) -> Iterator[Restraint]:
        """The blocks that refuse a caller."""
        return self._blocks.about(subject, app)

    def limits(self, subject: Subject, app: str | None) -> Iterator[Restraint]:
        """The limits under which a caller's exchanges count."""
        return self._limits.about(subject, app)

    def with_one(self, one: Restraint) -> Restraints:
        old = self._by_key.get(one.key)
        mark = self.mark ^ _mark(one) ^ (_mark(old) if old is not None else 0)
        return self._of({**self._by_key, one.key: one}, mark)

    def without(self, *keys: tuple[str, str]) -> Restraints:
        left, mark = dict(self._by_key), self.mark
        for key in keys:
            gone = left.pop(key, None)
            mark ^= _mark(gone) if gone is not None else 0
        return self if len(left) == len(self._by_key) else self._of(left, mark)


def _mark(one: Restraint) -> int:
    return int.from_bytes(blake2b(repr(one).encode(), digest_size=8).digest())
