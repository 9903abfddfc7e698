"""The policy in force: `/admin/v1/rules`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from proxy.admin import present, shapes
from proxy.admin.endpoint import Call, Endpoint, answer, read_object, reason_of, text_of
from proxy.admin.errors import ApiError
from proxy.model.record import Json
from proxy.policy.patch import RULE_PREFIX

_RELOAD_KEYS: Final = frozenset({"reason"})


async def show(call: Call) -> web.Response:
    """The rules in force, and why the newest files are not, if they are not."""
    store = call.context.policy
    policy, error = store.current, store.last_error
    patches = {RULE_PREFIX + one.id: one for one in call.context.dial.restraints().patches}
    problems: list[Json] = [present.problem(one) for one in error.problems] if error is not None else []
    return answer(
        {
            "digest": policy.digest,
            "loaded_at": present.moment(store.loaded_at),
            "rules": [present.rule(one, patches.get(one.id)) for one in policy.rules],
            "last_error": None if error is None else {"problems": problems},
        }
    )


async def reload(call: Call) -> web.Response:
    """Read the rule files now, without waiting for the watcher. The answer is what is in force."""
    body = await read_object(call, _RELOAD_KEYS)
    reason = text_of(body, "reason")
    reason = "reload asked for" if reason is None else reason_of(reason)
    store = call.context.policy
    before = store.current.digest
    result = await store.reload()
    if result.problems:
        problems: list[Json] = [present.problem(one) for one in result.problems]
        raise ApiError(
            422,
            "invalid_rules",
            f"the rule files have {len(problems)} problem(s); the policy from before stays in force",
            details={"problems": problems},
            extra={"problems": problems},
        )
    digest = store.current.digest
    if digest != before:
        await call.context.dial.note(
            actor=call.actor, action="rules.reload", scope="rules", before=before, after=digest, reason=reason
        )
    return answer({"digest": digest})


ENDPOINTS: Final = (
    Endpoint(
        "GET", "/admin/v1/rules", "viewer", show, "The policy in force",
        shapes.record({
            "digest": shapes.TEXT, "loaded_at": shapes.MOMENT, "rules": shapes.several(shapes.RULE),
            "last_error": shapes.or_null(shapes.record({"problems": shapes.several(shapes.PROBLEM)})),
        }),
        {200: "A rule that was patched in has `patch`"},
    ),
    Endpoint(
        "POST", "/admin/v1/rules/reload", "operator", reload, "Read the rule files now",
        shapes.record({"digest": shapes.TEXT}),
        {200: "What is in force", 422: "{error, problems}: the policy from before stays in force"},
        body={"reason": shapes.OPTIONAL_REASON},
    ),
)  # fmt: skip
