"""Hooks of the whole suite."""

from tests.skips import pytest_sessionfinish

__all__ = ["pytest_sessionfinish"]
