"""A real model behind the real proxy; run by `make e2e`, never by the suite (it compiles for ten minutes)."""
