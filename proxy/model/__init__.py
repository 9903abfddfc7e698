"""The plain frozen values that every layer shares. This package imports nothing of the proxy."""
