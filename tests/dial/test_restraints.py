"""Blocks, limits and rollbacks as values: what a subject is, and whom a restraint is about."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dial.restraint import Kind, Restraint
from proxy.dial.restraints import Restraints
from proxy.errors import Invalid
from proxy.model.subject import Subject
from proxy.subjects import CALLS_MAX, Rate, SubjectName
from tests.dial.helpers import ANN


def block(about: str, id: str = "1", expires: float | None = None) -> Restraint:
    return Restraint(Kind.BLOCK, id, about, "", ANN, "x", 0.0, expires)


def blocked(about: str, subject: Subject, app: str | None = None) -> bool:
    return bool(list(Restraints((block(about),)).blocks(subject, app)))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("user:4711", "user:4711"),
        ("user:a:b c", "user:a:b c"),
        ("key:shop", "key:shop"),
        ("app:雪", "app:雪"),
        ("region:de", "region:DE"),
        ("ip:203.0.113.7", "ip:203.0.113.7/32"),
        ("ip:203.0.113.0/24", "ip:203.0.113.0/24"),
        ("ip:2001:DB8:0::1", "ip:2001:db8::1/128"),
        ("ip:2001:db8::/32", "ip:2001:db8::/32"),
        ("ip:::ffff:203.0.113.7", "ip:203.0.113.7/32"),
        ("ip:::ffff:203.0.113.0/120", "ip:203.0.113.0/24"),
        ("ip:::ffff:0:0/96", "ip:0.0.0.0/0"),
        ("ip:::/0", "ip:::/0"),
    ],
)
def test_a_subject_has_one_form(text: str, canonical: str) -> None:
    assert str(SubjectName.parse(text)) == canonical
    assert SubjectName.parse(canonical) == SubjectName.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "user", "user:", "user: 1", "user:a\nb", "user:" + "x" * 257, "model:bot", "global", "User:1",
     "ip:", "ip:300.1.1.1", "ip:10.0.0.0/33", "ip:10.0.0.5/8", "ip:10.0.0.0/255.0.0.0", "ip:fe80::1%eth0",
     "ip:010.0.0.1", "ip:10.0.0.0/-1", "ip:example.com", "region:Germany", "region:D", "region:1D", "region:ß"],
)  # fmt: skip
def test_what_is_no_subject(text: str) -> None:
    with pytest.raises(Invalid):
        SubjectName.parse(text)


def test_a_range_with_too_much_in_its_address_is_asked_back() -> None:
    with pytest.raises(Invalid, match=r"write 10\.0\.0\.0/8 for the range"):
        SubjectName.parse("ip:10.0.0.5/8")


@pytest.mark.parametrize(
    ("about", "subject", "app"),
    [
        ("user:1", Subject(user="1"), None),
        ("key:shop", Subject(key="shop"), None),
        ("region:de", Subject(region="DE"), None),
        ("app:shop", Subject(), "shop"),
        ("ip:10.0.0.0/8", Subject(ip="10.255.0.1"), None),
        ("ip:::/0", Subject(ip="2001:db8::1"), None),
        ("ip:::ffff:10.0.0.1", Subject(ip="10.0.0.1"), None),
    ],
)
def test_a_block_is_about_whoever_has_that_name_and_nobody_else(
    about: str, subject: Subject, app: str | None
) -> None:
    assert blocked(about, subject, app)
    kind = about.partition(":")[0]
    other = Subject(key="other", user="other", ip="192.0.2.1", region="FR")
    assert not blocked(about, other, "other")
    assert not blocked(about, Subject())
    # The same words under another kind of name are another name.
    for elsewhere in ({"user", "key", "app"} - {kind}) if kind in ("user", "key", "app") else ():
        assert not blocked(f"{elsewhere}:{about.partition(':')[2]}", subject, app)


_V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
_V6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda one: one.ipv4_mapped is None)
_ADDRESS = st.one_of(_V4, _V6)


@st.composite
def _networks(draw: st.DrawFn) -> str:
    address = draw(_ADDRESS)
    bits = draw(st.integers(0, address.max_prefixlen))
    return str(ip_network(f"{address}/{bits}", strict=False))


@given(st.lists(_networks(), min_size=1, max_size=8), _ADDRESS, st.data())
def test_an_address_is_blocked_by_just_the_ranges_that_hold_it(
    ranges: list[str], address: IPv4Address | IPv6Address, data: st.DataObject
) -> None:
    """Against `ipaddress` itself, with addresses inside some range as well as anywhere."""
    inside = data.draw(st.sampled_from(ranges).map(lambda text: ip_network(text)[0]))
    held = Restraints([block(f"ip:{text}", str(number)) for number, text in enumerate(ranges)])
    for one in (address, inside):
        expected = {str(number) for number, text in enumerate(ranges) if one in ip_network(text)}
        assert {found.id for found in held.blocks(Subject(ip=str(one)), None)} == expected


@given(_V4, st.integers(0, 32))
def test_a_v4_range_means_the_same_when_it_is_written_as_mapped(address: IPv4Address, bits: int) -> None:
    network = ip_network(f"{address}/{bits}", strict=False)
    mapped = f"ip:::ffff:{network.network_address}/{bits + 96}"
    assert SubjectName.parse(mapped) == SubjectName.parse(f"ip:{network}")


_NAMES = st.sampled_from(["a", "b", "A", " "])


@given(st.lists(st.tuples(st.sampled_from(["user", "key", "app"]), st.sampled_from("abA")), max_size=6),
       _NAMES, _NAMES, _NAMES)  # fmt: skip
def test_names_are_compared_as_they_are(blocks: list[tuple[str, str]], user: str, key: str, app: str) -> None:
    held = Restraints([block(f"{kind}:{name}", str(at)) for at, (kind, name) in enumerate(blocks)])
    carried = {"user": user, "key": key, "app": app}
    expected = {str(at) for at, (kind, name) in enumerate(blocks) if carried[kind] == name}
    assert {one.id for one in held.blocks(Subject(user=user, key=key), app)} == expected


@given(st.permutations(range(6)))
def test_what_holds_does_not_depend_on_the_order_in_which_it_came(order: list[int]) -> None:
    some = [block(f"user:{number % 3}", str(number), float(number)) for number in range(6)]
    one, two = Restraints(some), Restraints()
    for number in order:
        two = two.with_one(some[number])
    assert (one.mark, one.next_expiry, set(one)) == (two.mark, two.next_expiry, set(two))
    for number in order[:3]:
        two = two.without(some[number].key)
    left = [some[number] for number in order[3:]]
    assert (two.mark, set(two)) == (Restraints(left).mark, set(left))
    assert {found.id for found in two.blocks(Subject(user="1"), None)} == {
        one.id for one in left if one.about == "user:1"
    }


@pytest.mark.parametrize(
    ("text", "shown", "calls", "window_s"),
    [("10/minute", "10/minute", 10, 60), ("1 / 5 seconds", "1/5 seconds", 1, 5),
     ("500/12hours", "500/12 hours", 500, 43_200), ("3/60 seconds", "3/minute", 3, 60),
     ("7/days", "7/day", 7, 86_400)],
)  # fmt: skip
def test_a_rate_has_one_form(text: str, shown: str, calls: int, window_s: int) -> None:
    rate = Rate.parse(text)
    assert (str(rate), rate.calls, rate.window_s) == (shown, calls, window_s)
    assert Rate.parse(shown) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "10/", "0/minute", "-1/minute", "1.5/minute", "10/week", "10/minute;5/hour", "10/0 seconds",
             f"{CALLS_MAX + 1}/day", "1/8 days", "１/minute"],
)  # fmt: skip
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(Invalid):
        Rate.parse(text)
