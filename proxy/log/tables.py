"""The store's tables, and the steps that bring an older form to this one.

Rows are only ever inserted, but for `open` (exchanges under way), the places up to which indexes are filled in, and
what retention and erasure remove. One writer assigns every number. An exchange adds one row to `exchange` when it
begins, and one to `finish` and `chain` when it ends; `posting` serves the search and says what is still in use, is
filled in behind, and can be made again from the rest; so is `word`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

_DDL: Final = """
CREATE TABLE store (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  created_ms INTEGER NOT NULL,
  key BLOB NOT NULL,                 -- of content addresses
  indexed_link INTEGER NOT NULL      -- up to which place of the chain postings are written
) STRICT;
CREATE TABLE name (                  -- every word that rows repeat: models, users, outcomes, digests
  id INTEGER PRIMARY KEY,
  text ANY NOT NULL UNIQUE           -- bytes where it is no valid UTF-8
) STRICT;
CREATE TABLE part (                  -- content, each once
  id INTEGER PRIMARY KEY,
  salt BLOB NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE TABLE part_address (
  address BLOB PRIMARY KEY,
  part INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE node (                  -- context windows, chained to their beginning; parent 0: the first
  id INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL,
  part INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  digest BLOB NOT NULL,
  UNIQUE (parent, part, slot)
) STRICT;
CREATE TABLE exchange (
  seq INTEGER PRIMARY KEY,           -- gapless, in the order of beginning
  id TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,          -- of the record's form
  started_ms INTEGER NOT NULL,
  api INTEGER NOT NULL,
  path INTEGER NOT NULL,
  stream INTEGER NOT NULL,
  app INTEGER,
  key INTEGER,
  user INTEGER,
  ip INTEGER,
  region INTEGER,
  requested INTEGER,
  model_version INTEGER,
  sent INTEGER,
  level INTEGER NOT NULL,
  policy INTEGER NOT NULL,
  body_bytes INTEGER NOT NULL,
  skeleton INTEGER,
  node INTEGER NOT NULL,
  salt BLOB NOT NULL                 -- of the commitments to the subject and to finish.detail
) STRICT;
CREATE TABLE finish (
  seq INTEGER PRIMARY KEY,
  link INTEGER NOT NULL,
  finished_ms INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  level INTEGER NOT NULL,
  backend INTEGER,
  requested INTEGER,
  model_version INTEGER,
  sent INTEGER,
  served INTEGER,
  fingerprint INTEGER,
  sent_skeleton INTEGER,
  sent_node INTEGER NOT NULL,
  received INTEGER,
  delivered INTEGER,
  detail BLOB NOT NULL
) STRICT;
CREATE TABLE open (seq INTEGER PRIMARY KEY) STRICT;
CREATE TABLE chain (
  link INTEGER PRIMARY KEY,          -- gapless, in the order of finishing
  kind INTEGER NOT NULL,             -- 0 an exchange, 1 a removal
  seq INTEGER,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE posting (
  kind INTEGER NOT NULL,
  value INTEGER NOT NULL,
  at INTEGER NOT NULL,               -- started_ms
  seq INTEGER NOT NULL,
  PRIMARY KEY (kind, value, at, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
"""

_WORDS_DDL: Final = """
CREATE VIRTUAL TABLE word USING fts5 (tokens, content='', detail=none, columnsize=0, tokenize='ascii');
CREATE TABLE wording (               -- the words of parts up to this one are in the index
  id INTEGER PRIMARY KEY CHECK (id = 1),
  part INTEGER NOT NULL,
  due INTEGER NOT NULL               -- until it has come so far, the index cannot be relied on
) STRICT;
"""

_RESPONSE_DDL: Final = """
CREATE TABLE response (              -- the exchanges about a reply that its backend keeps, by its id there
  address BLOB NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (address, seq)
) STRICT, WITHOUT ROWID;
"""

_REMOVAL_DDL: Final = """
CREATE INDEX node_part ON node (part);
CREATE TABLE removal (               -- what took records out, itself in the chain
  link INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,         -- the highest given out by then
  detail BLOB NOT NULL
) STRICT;
CREATE TABLE removed_link (          -- runs of places in the chain that are empty now
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  hash BLOB NOT NULL,                -- of the last of them, which the chain goes on from
  removal INTEGER NOT NULL
) STRICT;
CREATE TABLE removed_seq (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  removal INTEGER NOT NULL
) STRICT;
CREATE TABLE garbage (               -- what may have lost its last reference
  kind INTEGER NOT NULL,             -- 0 a name, 1 a part, 2 a node
  id INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE erasure (               -- asked for and not done yet; the writer carries it out
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  state INTEGER NOT NULL,            -- see `keep`
  subject ANY NOT NULL,              -- empty once its records are gone
  actor TEXT NOT NULL,
  reason TEXT,
  upto INTEGER                       -- the last exchange that it reaches; the writer fills it in
) STRICT;
"""


_SEAL_DDL: Final = """
CREATE TABLE seal (                  -- one row where content is encrypted; the store's key is sealed then
  id INTEGER PRIMARY KEY CHECK (id = 1),
  secret TEXT NOT NULL               -- the id of the operator's key that seals it
) STRICT;
"""


_ADDRESSING_DDL: Final = """
CREATE TABLE addressing (            -- the addresses of parts up to this one are in part_address
  id INTEGER PRIMARY KEY CHECK (id = 1),
  part INTEGER NOT NULL
) STRICT;
"""


def create(db: sqlite3.Connection) -> None:
    """The tables of the newest form, in an empty file."""
    _run(db, _DDL + _REMOVAL_DDL + _WORDS_DDL + _RESPONSE_DDL + _SEAL_DDL + _ADDRESSING_DDL)
    db.execute("INSERT INTO wording VALUES (1, 0, 0)")
    db.execute("INSERT INTO addressing VALUES (1, 0)")


def _upgrade_1(db: sqlite3.Connection) -> None:
    """To form 2: removals, and postings of all that a record refers to (the numbers are those of `index.Facet`)."""
    _run(db, _REMOVAL_DDL)
    indexed = (
        "FROM exchange e JOIN finish f ON f.seq = e.seq WHERE f.link <= (SELECT indexed_link FROM store)"
    )
    for kind, column in (
        (1, "e.requested"),
        (1, "e.sent"),
        (11, "e.path"),
        (16, "e.node"),
        (16, "f.sent_node"),
        (17, "e.skeleton"),
        (17, "f.sent_skeleton"),
        (17, "f.received"),
        (17, "f.delivered"),
    ):
        db.execute(
            f"INSERT OR IGNORE INTO posting SELECT {kind}, {column}, e.started_ms, e.seq {indexed} "
            f"AND {column} > 0 ORDER BY 2, 3, 4"
        )
    for column in ("e.api", "e.model_version", "f.model_version", "f.backend", "f.fingerprint"):
        db.execute(
            f"INSERT OR IGNORE INTO posting SELECT DISTINCT 12, {column}, 0, 0 {indexed} "
            f"AND {column} IS NOT NULL"
        )


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";\n"):
        db.execute(statement)


def _upgrade_2(db: sqlite3.Connection) -> None:
    """To form 3: an index of words, filled in behind."""
    _run(db, _WORDS_DDL)
    db.execute("INSERT INTO wording VALUES (1, 0, (SELECT coalesce(max(id), 0) FROM part))")
    db.execute("UPDATE erasure SET state = state + 1 WHERE state >= 2")  # one came between


def _upgrade_3(db: sqlite3.Connection) -> None:
    """To form 4: replies by their ids at the backend. Records of before do not have these."""
    _run(db, _RESPONSE_DDL)


def _upgrade_4(db: sqlite3.Connection) -> None:
    """To form 5: content may be encrypted; that of an older store is not."""
    _run(db, _SEAL_DDL)


def _upgrade_5(db: sqlite3.Connection) -> None:
    """To form 6: addresses are filled in behind."""
    _run(db, _ADDRESSING_DDL)
    db.execute("INSERT INTO addressing VALUES (1, (SELECT coalesce(max(id), 0) FROM part))")


UPGRADES: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (
    _upgrade_1,
    _upgrade_2,
    _upgrade_3,
    _upgrade_4,
    _upgrade_5,
)
"""The step at place n brings a store of version n + 1 to n + 2, within one transaction for all steps."""
