"""Every sample, by name: what the wires' own tests and the end-to-end tests run through."""

from __future__ import annotations

from typing import Final

from tests.wire import samples, samples_anthropic, samples_responses, samples_shapes
from tests.wire.samples import Sample, chat_request
from tests.wire.samples_anthropic import messages_request
from tests.wire.samples_responses import responses_request

_CHAT = "/v1/chat/completions"
_OPTIONS = {"include_usage": True}
_EMBED: dict[str, str] = {"model": "text-embedding-test", "input": "Hello?"}

STREAMS: Final = (
    Sample("chat", _CHAT, chat_request(stream=True, stream_options=_OPTIONS), samples.chat_stream(),
           texts={
               "choices[0].message.content": "The capital of France is Paris. 🗼",
               "usage.big": str(2**70),
           }),
    Sample("chat_n2", _CHAT, chat_request(stream=True, n=2), samples.chat_two_choices(),
           texts={"choices[0].message.content": "Red roses bloom.", "choices[1].message.content": "Blue skies"}),
    Sample("chat_tools", _CHAT, chat_request(stream=True), samples.chat_tools(),
           texts={
               "choices[0].message.tool_calls[0].function.name": "get_weather",
               "choices[0].message.tool_calls[0].function.arguments": '{"city":"Paris"}',
               "choices[0].message.tool_calls[1].function.name": "send_mail",
               "choices[0].message.tool_calls[1].function.arguments": '{"to":"a\\u0040b.example"}',
           }),
    Sample("chat_one_frame_tool", _CHAT, chat_request(stream=True), samples.chat_one_frame_tool(),
           texts={
               "choices[0].message.tool_calls[0].function.name": "look_up",
               "choices[0].message.tool_calls[0].function.arguments": '{"q":"rain"}',
           }),
    Sample("chat_reasoning", _CHAT, chat_request(stream=True), samples.chat_reasoning(),
           texts={
               "choices[0].message.reasoning_content": "The user greets me.",
               "choices[0].message.content": "Hello there.",
               "choices[0].native_finish_reason": "eos_token",
               "provider": "Test",
               "stream.comments": "OPENROUTER PROCESSINGping",
           }),
    Sample("chat_refusal", _CHAT, chat_request(stream=True), samples.chat_refusal(),
           texts={"choices[0].message.refusal": "I'm sorry, I can't help with that."}),
    Sample("chat_logprobs", _CHAT, chat_request(stream=True, logprobs=True), samples.chat_logprobs(),
           texts={"choices[0].message.content": "Call me now"}),
    Sample("chat_crlf", _CHAT, chat_request(stream=True), samples.chat_crlf(),
           texts={"choices[0].message.content": "Hi you"}),
    Sample("completions", "/v1/completions", {"model": "m", "prompt": "Tell", "stream": True},
           samples.completions_stream(), texts={"choices[0].text": "Once upon"}),
    Sample("messages", "/v1/messages", messages_request(stream=True), samples_anthropic.messages_stream(),
           texts={
               "content[0].thinking": "They greet me.",
               "content[1].text": "Bonjour — Paris.",
               "content[1].citations[0].cited_text": "Paris is the capital.",
               "content[1].citations[0].document_title": "Atlas",
               "content[2].name": "get_weather",
               "content[2].input": '{"city": "Paris"}',
           }),
    Sample("messages_server_tool", "/v1/messages", messages_request(stream=True),
           samples_anthropic.messages_server_tool(),
           texts={
               "content[0].name": "web_search",
               "content[0].input": '{"query":"paris weather"}',
               "content[1].content[0].title": "Weather in Paris",
               "content[1].content[0].url": "https://weather.example/paris",
               "content_block_news.note": "something that came later",
               "content[2].text": "It rains.",
           }),
    Sample("responses", "/v1/responses", responses_request(stream=True), samples_responses.responses_stream(),
           texts={"output[0].content[0].text": "Hi there! How can I help?"}),
    Sample("responses_logprobs", "/v1/responses", responses_request(stream=True),
           samples_responses.responses_stream(logprobs=True),
           texts={"output[0].content[0].text": "Hi there! How can I help?"}),
    Sample("responses_tools", "/v1/responses", responses_request(stream=True),
           samples_responses.responses_tools(),
           texts={
               "output[0].summary[0].text": "Looking it up",
               "output[1].name": "get_weather",
               "output[1].arguments": '{"city":"Paris"}',
               "response.gossip.heard.note": "something that came later",
               "output[2].name": "run_code",
               "output[2].input": "print(1)",
               "output[3].content[0].text": "It rains.",
           }),
    Sample("responses_refusal", "/v1/responses", responses_request(stream=True),
           samples_responses.responses_refusal(), texts={"output[0].content[0].refusal": "I can't help."}),
    Sample("chat_audio", _CHAT, chat_request(stream=True), samples_shapes.chat_audio(),
           texts={"choices[0].message.audio.transcript": "Good morning to you."}),
    Sample("chat_parallel", _CHAT, chat_request(stream=True), samples_shapes.chat_parallel(),
           texts={
               "choices[0].message.content": "Looking",
               "choices[0].message.tool_calls[0].function.name": "find_hotel",
               "choices[0].message.tool_calls[0].function.arguments": '{"city":"Lyon"}',
               "choices[0].message.tool_calls[1].function.name": "find_train",
               "choices[0].message.tool_calls[1].function.arguments": '{"from":"Berlin"}',
           }),
    Sample("chat_annotated", _CHAT, chat_request(stream=True), samples_shapes.chat_annotated(),
           texts={
               "choices[0].message.content": "Paris it is.",
               "choices[0].message.annotations[0].url_citation.url": "https://atlas.example/paris",
               "choices[0].message.annotations[0].url_citation.title": "Atlas",
           }),
    Sample("completions_n2", "/v1/completions", {"model": "m", "prompt": "Tell", "n": 2, "stream": True},
           samples_shapes.completions_mixed(),
           texts={"choices[0].text": "Once upon", "choices[1].text": "Twice as"}),
    Sample("messages_sealed", "/v1/messages", messages_request(stream=True), samples_shapes.messages_sealed(),
           texts={
               "content[1].thinking": "Count first.",
               "content[2].name": "bash_code_execution",
               "content[2].input": '{"command":"wc -l atlas"}',
               "content[3].content.stdout": "four lines",
               "content[4].citations[0].url": "https://atlas.example/paris",
               "content[4].citations[0].title": "Atlas of cities",
               "content[4].citations[0].cited_text": "Capital since long",
               "content[4].text": "Paris, the capital.",
           }),
    Sample("responses_hosted", "/v1/responses", responses_request(stream=True), samples_shapes.responses_hosted(),
           texts={
               "output[0].content[0].text": "Need sources",
               "output[1].action.query": "paris weather",
               "output[2].code": "print(4)",
               "output[2].container_id": "c_1",
               "output[2].outputs[0].logs": "four lines",
               "output[3].server_label": "atlas",
               "output[3].name": "lookup",
               "output[3].arguments": '{"q":"Lyon"}',
               "output[3].output": "a town",
               "output[4].content[0].text": "Paris, capital",
               "output[4].content[0].annotations[0].url": "https://atlas.example/paris",
               "output[4].content[0].annotations[0].title": "Atlas of cities",
           }),
)  # fmt: skip

WHOLES: Final = (
    Sample("chat", _CHAT, chat_request(n=2), samples.chat_whole(),
           texts={
               "choices[0].message.content": "Paris — of course.",
               "choices[0].message.reasoning_content": "Capital of France?",
               "choices[0].message.tool_calls[0].function.name": "get_weather",
               "choices[0].message.tool_calls[0].function.arguments": '{"city":"Paris"}',
               "choices[1].message.content": "Lyon?",
               "x_timing.seed": str(2**80),
           }),
    Sample("completions", "/v1/completions", {"model": "m", "prompt": "Tell", "n": 2},
           samples.completions_whole(), texts={"choices[0].text": "Once upon", "choices[1].text": "Twice"}),
    Sample("messages", "/v1/messages", messages_request(), samples_anthropic.messages_whole(),
           texts={
               "content[0].thinking": "They greet me.",
               "content[1].text": "Bonjour — Paris.",
               "content[2].name": "get_weather",
               "content[2].input": f'{{"city":"Paris","zip":75001,"seed":{2**70},"ratio":0.1}}',
           }),
    Sample("responses", "/v1/responses", responses_request(), samples_responses.responses_whole(),
           texts={
               "output[0].content[0].text": "Hi there!",
               "output[1].name": "get_weather",
               "output[1].arguments": '{"city":"Paris"}',
           }),
    Sample("chat_spoken", _CHAT, chat_request(n=2), samples_shapes.chat_spoken_whole(),
           texts={
               "choices[0].message.annotations[0].url_citation.url": "https://atlas.example/paris",
               "choices[0].message.annotations[0].url_citation.title": "Atlas",
               "choices[0].message.audio.transcript": "Good morning",
               "choices[1].message.refusal": "I cannot help",
           }),
    Sample("messages_sealed", "/v1/messages", messages_request(), samples_shapes.messages_sealed_whole(),
           texts={
               "content[1].name": "web_search",
               "content[1].input": '{"query":"paris weather"}',
               "content[2].content[0].title": "Weather in Paris",
               "content[2].content[0].url": "https://weather.example/paris",
               "content[3].text": "It rains there.",
               "content[3].citations[0].cited_text": "Capital since long",
               "content[3].citations[0].document_title": "Atlas of cities",
           }),
    Sample("response_by_id", "/v1/responses/resp_1", {}, samples_responses.responses_whole(), method="GET",
           texts={
               "output[0].content[0].text": "Hi there!",
               "output[1].name": "get_weather",
               "output[1].arguments": '{"city":"Paris"}',
               "echo.instructions": "You are kind.",
           }),
    Sample("embeddings", "/v1/embeddings", _EMBED, samples.embeddings_whole(),
           texts={"model": "text-embedding-test"}),
    Sample("openai_models", "/v1/models", {}, samples.openai_models(), method="GET", texts={"data": "tests"}),
    Sample("count_tokens", "/v1/messages/count_tokens", messages_request(), samples.count_tokens_whole()),
)  # fmt: skip
