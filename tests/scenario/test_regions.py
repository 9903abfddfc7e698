"""The region of a caller by a database of addresses: on the record, and for blocks and limits."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from proxy.regions import UnusableDatabase, regions
from proxy.settings import Identify
from tests.fakes import Json, ScriptedBackend
from tests.fakes.mmdb import mmdb
from tests.scenario.harness import post, proxy_for
from tests.scenario.test_identity import CHAT, REPLY

FILE = mmdb(
    {
        "9.9.9.0/24": {"country": {"iso_code": "de"}, "registered_country": {"iso_code": "US"}},
        "8.8.0.0/16": {"registered_country": {"iso_code": "US"}},
        "7.0.0.0/8": {"country": "FR", "country_name": "France"},
        "6.6.6.6/32": {"continent": {"code": "EU"}},
        "2001:db8::/32": {"country": {"iso_code": "NL"}},
    }
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "geo.mmdb"
    path.write_bytes(FILE)
    return path


@pytest.mark.parametrize(
    ("address", "region"),
    [("9.9.9.9", "DE"), ("9.9.8.9", None), ("8.8.4.4", "US"), ("7.1.2.3", "FR"), ("6.6.6.6", None),
     ("2001:db8::1", "NL"), ("2001:db9::1", None), ("127.0.0.1", None)],
)  # fmt: skip
def test_an_addresses_country_else_where_it_is_registered(
    address: str, region: str | None, path: Path
) -> None:
    region_of = regions(path)
    path.write_bytes(b"replaced under the running proxy")
    assert [region_of(address), region_of(address)] == [region, region]


@pytest.mark.parametrize("raw", [b"", b"no database", FILE[:200]])
def test_what_is_no_database(raw: bytes, path: Path) -> None:
    path.write_bytes(raw)
    with pytest.raises(UnusableDatabase, match=r"geo\.mmdb"):
        regions(path)


async def test_a_region_is_on_the_record_and_can_be_blocked(path: Path, tmp_path: Path) -> None:
    identify = Identify(geoip_db=path, trusted_proxies=(ip_network("127.0.0.1/32"),))
    async with (
        ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
        proxy_for(tmp_path, backend.url, identify=identify) as proxy,
    ):
        url = f"{proxy.url}/v1/chat/completions"
        assert (await post(url, CHAT, {"x-forwarded-for": "9.9.9.9"})).status == 200
        assert (await proxy.finished())["subject"] == {
            "key": None, "user": "body-user", "ip": "9.9.9.9", "region": "DE",
        }  # fmt: skip
        status, _ = await proxy.admin_call("POST", "/blocks", {"subject": "region:de", "reason": "x"})
        assert status == 200
        assert (await post(url, CHAT, {"x-forwarded-for": "9.9.9.9"})).status == 403
        assert (await post(url, CHAT, {"x-forwarded-for": "9.9.9.9", "cf-ipcountry": "FR"})).status == 403
        assert (await post(url, CHAT, {"x-forwarded-for": "2001:db8::1"})).status == 200


async def test_what_a_trusted_proxy_says_goes_before_the_database(path: Path, tmp_path: Path) -> None:
    both = Identify(
        region_header="cf-ipcountry", geoip_db=path, trusted_proxies=(ip_network("127.0.0.1/32"),)
    )
    for identify, region in ((both, "FR"), (replace(both, trusted_proxies=()), None)):
        async with (
            ScriptedBackend(lambda _: [Json(REPLY)]) as backend,
            proxy_for(tmp_path, backend.url, identify=identify) as proxy,
        ):
            headers = {"x-forwarded-for": "9.9.9.9", "cf-ipcountry": "fr"}
            await post(f"{proxy.url}/v1/chat/completions", CHAT, headers)
            assert (await proxy.finished())["subject"]["region"] == region
