"""Scorers that need processes of their own: named entities by spaCy, toxicity by a transformer."""
