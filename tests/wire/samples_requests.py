"""Requests that hold everything that their APIs know, for every path that takes one."""

from __future__ import annotations

from proxy.model.record import Json
from tests.wire.requests import PNG

_SCHEMA: Json = {
    "type": "object",
    "description": "About it",
    "properties": {
        "to": {
            "type": "string",
            "description": "Whom",
            "enum": ["a", "b"],
            "default": "a",
            "examples": ["x"],
        },
        "kind": {"const": "letter", "title": "T", "pattern": "^x$"},
    },
    "required": ["to"],
}
_PARTS: Json = [
    {"type": "text", "text": "one "},
    {"type": "text", "text": "two", "note": "beside it"},
    {
        "type": "image_url",
        "image_url": {"url": "https://pics.example/1.png", "detail": "low", "alt": "a cat"},
    },
    {"type": "file", "file": {"filename": "cv.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
    {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
    {"type": "hologram", "hologram": {"caption": "a caption", "deep": [{"er": "still"}]}},
]
CHAT: Json = {
    "model": "m",
    "messages": [
        {"role": "system", "name": "boss", "content": "Be brief."},
        {"role": "user", "content": _PARTS},
        {
            "role": "assistant",
            "content": None,
            "refusal": "no",
            "reasoning_content": "hm",
            "audio": {"id": "audio_1"},
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "mail", "arguments": '{"to": "x"}'},
                },
                {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "print(1)"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "done"}]},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    ],
    "tools": [
        {"type": "function", "function": {"name": "mail", "description": "Mails.", "parameters": _SCHEMA}},
        {"type": "custom", "custom": {"name": "run", "format": {"grammar": {"definition": "start: X"}}}},
    ],
    "functions": [{"name": "f", "description": "F.", "parameters": _SCHEMA}],
    "tool_choice": {"type": "function", "function": {"name": "mail"}},
    "function_call": {"name": "f"},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "schema": _SCHEMA},
    },
    "prediction": {"type": "content", "content": [{"type": "text", "text": "a guess"}]},
    "web_search_options": {"user_location": {"approximate": {"city": "Paris"}}},
    "metadata": {"team": "blue"},
    "user": "u1",
    "safety_identifier": "s1",
    "prompt_cache_key": "p1",
    "stop": ["END", "STOP"],
    "suffix": "the end",
    "documents": [{"title": "T", "text": "D"}],
    "chat_template_kwargs": {"tone": "dry"},
}
CLAUDE: Json = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "note": "n"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi", "citations": [{"type": "char_location", "cited_text": "c"}]},
                {
                    "type": "document",
                    "title": "T",
                    "context": "C",
                    "citations": {"enabled": True},
                    "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]},
                },
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://pics.example/1.png"}},
                {
                    "type": "search_result",
                    "source": "wiki",
                    "title": "S",
                    "content": [{"type": "text", "text": "hit"}],
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "RXFBYg"},
                {"type": "redacted_thinking", "data": "RXFBYg"},
                {"type": "tool_use", "id": "toolu_1", "name": "mail", "input": {"to": ["x"]}},
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": "q"},
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": [
                        {"type": "web_search_result", "title": "W", "url": "u", "encrypted_content": "RXFB"}
                    ],
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "search_result", "content": [{"type": "text", "text": "deep"}]}],
                },
                {"type": "mcp_tool_result", "tool_use_id": "m1", "content": "plain"},
                {"type": "container_upload", "file_id": "file_1"},
            ],
        },
    ],
    "tools": [
        {"name": "mail", "description": "Mails.", "input_schema": _SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"]},
    ],
    "tool_choice": {"type": "tool", "name": "mail"},
    "mcp_servers": [{"type": "url", "name": "crm", "url": "https://mcp.example/sse"}],
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u1"},
    "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}},
}
RESPONSES: Json = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        "bare",
        {"role": "user", "content": "hi"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "https://pics.example/1.png", "detail": "low"},
                {"type": "input_file", "filename": "cv.pdf", "file_data": PNG},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "said", "annotations": [{"title": "A", "url": "u"}]}],
        },
        {"type": "function_call", "call_id": "call_1", "name": "mail", "arguments": '{"to": "x"}'},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "p"}],
        },
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "print()"},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": PNG}},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "thought"}],
            "content": [{"type": "reasoning_text", "text": "deeper"}],
            "encrypted_content": "RXFB",
        },
        {"type": "mcp_list_tools", "server_label": "crm", "tools": [{"name": "n", "input_schema": _SCHEMA}]},
        {"type": "file_search_call", "queries": ["q"], "results": [{"text": "r", "filename": "f"}]},
        {"type": "shell_call_output", "output": [{"stdout": "out", "stderr": "err"}]},
    ],
    "prompt": {
        "id": "pmpt_1",
        "version": "2",
        "variables": {"who": "Ann", "what": {"type": "input_text", "text": "it"}},
    },
    "tools": [
        {"type": "function", "name": "mail", "description": "Mails.", "parameters": _SCHEMA},
        {"type": "mcp", "server_label": "crm", "server_description": "CRM", "allowed_tools": ["find"]},
    ],
    "tool_choice": {"type": "function", "name": "mail"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}},
    "metadata": {"team": "blue"},
    "user": "u1",
}
COMPLETIONS: Json = {"model": "m", "prompt": ["one", "two"], "suffix": "end", "stop": "END", "user": "u1"}
EMBEDDINGS: Json = {"model": "m", "input": ["one", "two"], "user": "u1"}

BODIES: dict[str, Json] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CLAUDE,
    "/v1/messages/count_tokens": CLAUDE,
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
}
