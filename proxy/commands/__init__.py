"""One file per group of commands; `proxy/cli.py` puts them together."""
