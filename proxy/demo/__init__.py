"""The built-in demo backend: a script that speaks the model APIs. There is no model in it.

It stands in for a model that misbehaves, so that a newcomer can watch the proxy stop it without any API key,
and so that tests have a backend that the official clients accept. What it answers is decided by words in the
last user message (`proxy.demo.script`), nothing is learned, stored or sent anywhere.
"""

from proxy.demo.server import build_demo

__all__ = ["build_demo"]
