"""What people said in a whole record: who said what in a request, and a reply as one text."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.model.record import Json


def said(body: Json) -> Iterator[tuple[str, str, str]]:
    """Who said what in a request, with the field's name as findings write it: (who, field, text)."""
    if isinstance(body, str):
        yield "client", "body", body
    if not isinstance(body, dict):
        return
    for key, who in (("system", "system"), ("instructions", "system"), ("prompt", "user"), ("input", "user")):
        value = body.get(key)
        if (value is not None and not _has_objects(value)) or (key == "system" and value is not None):
            yield who, key, _joined(value)
    for key in ("messages", "input"):
        value = body.get(key)
        for place, message in enumerate(value if isinstance(value, list) else ()):
            if not isinstance(message, dict):
                continue
            who = _word(message.get("role") or message.get("type") or key)
            content = message.get("content", message.get("output"))
            if content is not None:
                yield who, f"{key}[{place}].content", _joined(content)
            calls = message.get("tool_calls")
            for at, call in enumerate(calls if isinstance(calls, list) else ()):
                function = call.get("function") if isinstance(call, dict) else None
                if isinstance(function, dict):
                    field = f"{key}[{place}].tool_calls[{at}].function.arguments"
                    yield (
                        f"{who} calls {_word(function.get('name'))}",
                        field,
                        _word(function.get("arguments")),
                    )


def asked(body: Json) -> str | None:
    """What the caller said last: the last text of a `user`, else the last text; None for a body without one."""
    texts = [(who, text) for who, _, text in said(body)]
    mine = [text for who, text in texts if who == "user"]
    return mine[-1] if mine else texts[-1][1] if texts else None


def answered(reply: Json) -> str | None:
    """A reply's text, as `received` or `delivered` hold it: that of several choices with an empty line between."""
    if isinstance(reply, list):
        entries = [entry for entry in reply if isinstance(entry, dict)]
        texts = [entry.get(key) for entry in entries for key in ("text", "refusal")]
        return "\n\n".join(text for text in texts if isinstance(text, str) and text)
    return reply if isinstance(reply, str) else None


def _joined(value: Json) -> str:
    """A content's text; its parts are one text, as the rules judge them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_joined, value))
    if isinstance(value, dict):
        for key in ("text", "content", "output", "input"):
            if key in value:
                return _joined(value[key])
        return f"[{_word(value.get('type')) or 'part'}]"
    return "" if value is None else str(value)


def _has_objects(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _word(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
