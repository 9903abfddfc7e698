"""The official clients as the tests use them: pointed at a proxy, and otherwise as they come."""

from __future__ import annotations

import ssl
from functools import cache

import anthropic
import openai

TIMEOUT_S = 60.0
"""A client whose reply does not come fails its test. Longer than any wait that a test makes on purpose."""


@cache
def _tls() -> ssl.SSLContext:
    """One for all: to read the machine's certificates takes 24 ms a client, and nothing is asked over TLS."""
    return ssl.create_default_context()


def openai_client(
    url: str, key: str = "k", *, max_retries: int = openai.DEFAULT_MAX_RETRIES, timeout: float = TIMEOUT_S
) -> openai.AsyncOpenAI:
    """OpenAI's client for the proxy at `url`, which is without a path."""
    return openai.AsyncOpenAI(
        base_url=f"{url}/v1",
        api_key=key,
        max_retries=max_retries,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(verify=_tls()),
    )


def anthropic_client(
    url: str, key: str = "k", *, max_retries: int = anthropic.DEFAULT_MAX_RETRIES, timeout: float = TIMEOUT_S
) -> anthropic.AsyncAnthropic:
    """Anthropic's client for the proxy at `url`, which is without a path."""
    return anthropic.AsyncAnthropic(
        base_url=url,
        api_key=key,
        max_retries=max_retries,
        timeout=timeout,
        http_client=anthropic.DefaultAsyncHttpxClient(verify=_tls()),
    )
