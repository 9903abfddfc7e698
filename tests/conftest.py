"""Hooks of the whole suite."""

from hypothesis import settings

from tests.skips import pytest_sessionfinish

__all__ = ["pytest_sessionfinish"]

# For tests that name no number of their own: the whole suite is to end within ten minutes on two cores.
settings.register_profile("suite", max_examples=40, deadline=None)
settings.load_profile("suite")
