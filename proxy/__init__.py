"""Inline LLM guardrail proxy: judges, logs and contains every exchange between applications and models."""

__version__ = "0.1.0"
