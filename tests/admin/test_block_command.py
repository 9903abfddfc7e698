"""`guardrail-proxy block`, as a process, against a real admin listener."""

from __future__ import annotations

import json
from pathlib import Path

from tests.admin.conftest import Admin
from tests.admin.test_dial_command import run


async def test_add_list_remove_by_id_and_by_subject(admin: Admin, tmp_path: Path) -> None:
    words = ("block", "add", "ip:203.0.113.0/24", "--reason", "INC-42: [b]probing[/b]", "--ttl", "2h")
    done = await run(tmp_path, *words, admin=admin.url)
    assert (done.status, done.err) == (0, "")
    (block,) = admin.dial.restraints()
    assert done.out.startswith("ip:203.0.113.0/24 is blocked, for another ")
    assert done.out.endswith(f"; its id is {block.id}.\n")
    for subject in ("user:bob", "user:bob", "ip:192.0.2.1"):
        await run(tmp_path, "block", "add", subject, "--reason", "x", admin=admin.url)

    shown = await run(tmp_path, "block", "list", admin=admin.url)
    for word in (block.id, "203.0.113.0/24", "operator-token", "INC-42: [b]probing[/b]", "never"):
        assert word in shown.out
    listed = json.loads((await run(tmp_path, "block", "list", "--json", admin=admin.url)).out)
    assert len(listed["blocks"]) == 4

    asked = await run(tmp_path, "dial", "effective", "--ip", "203.0.113.9", admin=admin.url)
    assert asked.out.endswith(
        f"refused: ip:203.0.113.0/24 is blocked by operator-token: INC-42: [b]probing[/b] ({block.id})\n"
    )
    gone = await run(tmp_path, "block", "remove", block.id, "--reason", "over", admin=admin.url)
    assert gone.out == f"The block {block.id} of ip:203.0.113.0/24 is gone.\n"
    gone = await run(tmp_path, "block", "remove", "user:bob", "--reason", "over", admin=admin.url)
    assert gone.out.count("of user:bob is gone.") == 2
    gone = await run(tmp_path, "block", "remove", "ip:192.0.2.1", "--reason", "x", "--json", admin=admin.url)
    assert [one["subject"] for one in json.loads(gone.out)["removed"]] == ["ip:192.0.2.1/32"]
    assert (await run(tmp_path, "block", "list", admin=admin.url)).out == "Nobody is blocked.\n"


async def test_what_goes_wrong_is_one_line_and_a_status(admin: Admin, tmp_path: Path) -> None:
    for words, status, says in (
        (("add", "bob", "--reason", "x"), 2, "invalid_subject"),
        (("add", "region:DE", "--reason", "x"), 2, "unmatched_subject"),
        (("add", "user:bob"), 2, "--reason"),
        (("remove", "nothing", "--reason", "x"), 1, "no_such_restraint"),
        (("remove", "user:bob", "--reason", "x"), 1, "there is no block of user:bob"),
        (("remove", "who:bob", "--reason", "x"), 2, "a subject is"),
    ):
        done = await run(tmp_path, "block", *words, admin=admin.url)
        assert (done.status, done.out) == (status, ""), words
        assert says in done.err
    assert admin.dial.snapshot().version == 0


async def test_a_block_that_is_not_durable_warns_and_is_done(admin: Admin, tmp_path: Path) -> None:
    admin.store.broken = True
    done = await run(tmp_path, "block", "add", "user:bob", "--reason", "x", admin=admin.url)
    assert done.status == 0
    assert "could not be stored" in done.err
