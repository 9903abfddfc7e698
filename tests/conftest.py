"""Hooks of the whole suite."""

import gc

from hypothesis import settings

from tests.skips import pytest_sessionfinish

__all__ = ["pytest_sessionfinish"]

# For tests that name no number of their own: the whole suite is to end within ten minutes on two cores.
settings.register_profile("suite", max_examples=40, deadline=None)
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Eleven thousand collected tests stay for the whole run: no pass of the garbage collector need walk them."""
    gc.collect()
    gc.freeze()
