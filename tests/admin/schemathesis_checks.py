"""A check that schemathesis loads beside its own: what the document allows is not refused as malformed."""

from __future__ import annotations

from typing import Any, Final

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case

BEYOND_SCHEMAS: Final = {
    "reason_required": "a DELETE's reason stands in the body or in the query",
    "unmatched_subject": "which callers there can be is known by the settings",
    "invalid_subject": "not everything in the letters of an address is one",
    "invalid_version": "which versions a model has is known by the settings",
    "unknown_target": "which targets there are is known by the settings",
    "invalid_patch": "a phrase of blanks only has nothing to look for",
    "unknown_series": "which series tripwires watch is known by the rules",
    "not_now": "when a sample is too old depends on the time",
    "invalid_search": "a cursor is of a search",
}
"""Why a request that fits the schema can be refused with 400 or 422 all the same."""


@schemathesis.check
def taken_as_the_schema_says(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive and response.status_code in (400, 422):
        code = response.json()["error"]["code"]
        assert code in BEYOND_SCHEMAS, f"{code}: the schema allows it"
