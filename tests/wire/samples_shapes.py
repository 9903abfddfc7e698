"""More shapes of every wire: audio, parallel calls, annotations, hosted tools, sealed reasoning, mixed choices."""

from __future__ import annotations

import json

from proxy.model.record import Json
from tests.wire.samples import DONE, chat_chunk, delta, event, tool_delta
from tests.wire.samples_anthropic import block_delta, block_start, block_stop, message_end, message_start
from tests.wire.samples_responses import USAGE, Events, response

SOUND = "UklGRiT//3dhdmVmbXQg" * 20
SEALED = "EoAC" + "q8Zx" * 80
CITED: dict[str, Json] = {
    "type": "url_citation",
    "url_citation": {
        "url": "https://atlas.example/paris",
        "title": "Atlas",
        "start_index": 0,
        "end_index": 5,
    },
}


def chat_audio() -> bytes:
    """Speech: its transcript in pieces beside the sound's bytes, then its id's expiry."""
    frames = [
        delta({"role": "assistant", "content": None, "audio": {"id": "audio_1", "transcript": "Good"}}),
        delta({"audio": {"data": SOUND}}),
        delta({"audio": {"transcript": " morning"}}),
        delta({"audio": {"data": SOUND}}),
        delta({"audio": {"transcript": " to you."}}),
        delta({"audio": {"expires_at": 1729018505}}),
        delta({}, finish="stop"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_parallel() -> bytes:
    """Two tool calls, their fragments in turn, once both in one frame."""
    heads: list[Json] = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": ""}}
        for n, name in enumerate(("find_hotel", "find_train"))
    ]
    frames = [
        delta({"role": "assistant", "content": "Looking", "tool_calls": heads}),
        delta({"tool_calls": [tool_delta(1, '{"from":"Ber')]}),
        delta({"tool_calls": [tool_delta(0, '{"city":"')]}),
        delta({"tool_calls": [tool_delta(0, "Lyon"), tool_delta(1, 'lin"}')]}),
        delta({"tool_calls": [tool_delta(0, '"}')]}),
        delta({}, finish="tool_calls"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def chat_annotated() -> bytes:
    """A search-backed answer, its sources in the last delta but one."""
    frames = [
        delta({"role": "assistant", "content": "Paris"}),
        delta({"content": " it is."}),
        delta({"annotations": [CITED]}),
        delta({}, finish="stop"),
    ]
    return b"".join(event(chat_chunk([frame])) for frame in frames) + DONE


def completions_mixed() -> bytes:
    """`n=2` of the legacy form, in turn."""
    rows = [("Once", 0, None), ("Twice", 1, None), (" upon", 0, None), (" as", 1, "stop"), ("", 0, "stop")]
    out = b""
    for text, index, finish in rows:
        choice: Json = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
        out += event(
            {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
        )
    return out + DONE


def messages_sealed() -> bytes:
    """Sealed reasoning, a search whose result is cited, and a code tool's output."""
    source: Json = {
        "type": "web_search_result_location",
        "url": "https://atlas.example/paris",
        "title": "Atlas of cities",
        "encrypted_index": SEALED,
        "cited_text": "Capital since long",
    }
    ran: Json = {"type": "bash_code_execution_result", "stdout": "four lines", "stderr": "", "return_code": 0}
    ran_block: Json = {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content": ran}
    call: Json = {"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution", "input": {}}
    return b"".join(
        [
            message_start(),
            block_start(0, {"type": "redacted_thinking", "data": SEALED}),
            block_stop(0),
            block_start(1, {"type": "thinking", "thinking": "", "signature": ""}),
            block_delta(1, {"type": "thinking_delta", "thinking": "Count first."}),
            block_delta(1, {"type": "signature_delta", "signature": SEALED}),
            block_stop(1),
            block_start(2, call),
            block_delta(2, {"type": "input_json_delta", "partial_json": '{"command":"wc -l atlas"}'}),
            block_stop(2),
            block_start(3, ran_block),
            block_stop(3),
            block_start(4, {"type": "text", "text": "", "citations": []}),
            block_delta(4, {"type": "citations_delta", "citation": source}),
            block_delta(4, {"type": "text_delta", "text": "Paris, the capital."}),
            block_stop(4),
            message_end(),
        ]
    )


def messages_sealed_whole() -> bytes:
    source: Json = {
        "type": "char_location",
        "cited_text": "Capital since long",
        "document_index": 0,
        "document_title": "Atlas of cities",
        "start_char_index": 0,
        "end_char_index": 9,
    }
    found: Json = {
        "type": "web_search_result",
        "title": "Weather in Paris",
        "url": "https://weather.example/paris",
        "encrypted_content": SEALED,
        "page_age": None,
    }
    body: Json = {
        "id": "msg_02",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": [
            {"type": "redacted_thinking", "data": SEALED},
            {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "paris weather"},
            },
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]},
            {"type": "text", "text": "It rains there.", "citations": [source]},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 89},
    }
    return json.dumps(body).encode()


def responses_hosted() -> bytes:
    """Reasoning in the open, a web search, code that ran, a call to an MCP server, and an answer with sources."""
    events = Events()
    events.add("created", {"response": response([], "in_progress")})
    thought: dict[str, Json] = {"id": "rs_1", "type": "reasoning", "summary": [], "content": []}
    events.add("output_item.added", {"output_index": 0, "item": thought})
    at: dict[str, Json] = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    events.add("content_part.added", {**at, "part": {"type": "reasoning_text", "text": ""}})
    events.text("reasoning_text", at, ["Need", " sources"], "text")
    open_part: Json = {"type": "reasoning_text", "text": "Need sources"}
    events.add("content_part.done", {**at, "part": open_part})
    thought = {**thought, "content": [open_part]}
    events.add("output_item.done", {"output_index": 0, "item": thought})

    search: dict[str, Json] = {"id": "ws_1", "type": "web_search_call", "status": "in_progress"}
    events.add("output_item.added", {"output_index": 1, "item": search})
    for step in ("in_progress", "searching", "completed"):
        events.add(f"web_search_call.{step}", {"output_index": 1, "item_id": "ws_1"})
    search = {**search, "status": "completed", "action": {"type": "search", "query": "paris weather"}}
    events.add("output_item.done", {"output_index": 1, "item": search})

    ran: dict[str, Json] = {
        "id": "ci_1", "type": "code_interpreter_call", "status": "in_progress", "code": "", "container_id": "c_1",
        "outputs": None,
    }  # fmt: skip
    events.add("output_item.added", {"output_index": 2, "item": ran})
    events.text(
        "code_interpreter_call_code", {"item_id": "ci_1", "output_index": 2}, ["print", "(4)"], "code"
    )
    logs: Json = [{"type": "logs", "logs": "four lines"}]
    ran = {**ran, "status": "completed", "code": "print(4)", "outputs": logs}
    events.add("output_item.done", {"output_index": 2, "item": ran})

    call: dict[str, Json] = {
        "id": "mcp_1", "type": "mcp_call", "server_label": "atlas", "name": "lookup", "arguments": "",
        "output": None, "error": None,
    }  # fmt: skip
    events.add("output_item.added", {"output_index": 3, "item": call})
    events.text(
        "mcp_call_arguments", {"item_id": "mcp_1", "output_index": 3}, ['{"q":', '"Lyon"}'], "arguments"
    )
    call = {**call, "arguments": '{"q":"Lyon"}', "output": "a town", "status": "completed"}
    events.add("output_item.done", {"output_index": 3, "item": call})
    answer = _cited(events, 4)
    output: list[Json] = [thought, search, ran, call, answer]
    events.add("completed", {"response": response(output, "completed", usage=USAGE)})
    return events.out


def _cited(events: Events, index: int) -> Json:
    item: dict[str, Json] = {
        "id": "m_1",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    at: dict[str, Json] = {"item_id": "m_1", "output_index": index, "content_index": 0}
    part: dict[str, Json] = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    source: Json = {
        "type": "url_citation", "start_index": 0, "end_index": 5, "url": "https://atlas.example/paris",
        "title": "Atlas of cities",
    }  # fmt: skip
    events.add("output_item.added", {"output_index": index, "item": item})
    events.add("content_part.added", {**at, "part": part})
    events.add("output_text.delta", {**at, "delta": "Paris,", "logprobs": []})
    events.add("output_text.annotation.added", {**at, "annotation_index": 0, "annotation": source})
    events.add("output_text.delta", {**at, "delta": " capital", "logprobs": []})
    done: Json = {**part, "text": "Paris, capital", "annotations": [source]}
    events.add("output_text.done", {**at, "text": "Paris, capital", "logprobs": []})
    events.add("content_part.done", {**at, "part": done})
    said: Json = {**item, "status": "completed", "content": [done]}
    events.add("output_item.done", {"output_index": index, "item": said})
    return said


def chat_spoken_whole() -> bytes:
    """Audio, sources and a refusal, in two choices."""
    spoken: Json = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [CITED],
        "audio": {"id": "audio_1", "data": SOUND, "transcript": "Good morning", "expires_at": 1729018505},
    }
    refused: Json = {"role": "assistant", "content": None, "refusal": "I cannot help"}
    body: Json = {
        "id": "chatcmpl-B2",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-test-2",
        "choices": [
            {"index": 0, "message": spoken, "logprobs": None, "finish_reason": "stop"},
            {"index": 1, "message": refused, "logprobs": None, "finish_reason": "stop"},
        ],
    }
    return json.dumps(body).encode()
