"""The exchange log with a million generated exchanges: size, search, verification, export.

    python -m benchmarks.log make DIR --records 1000000
    python -m benchmarks.log search DIR
    python -m benchmarks.log verify DIR
    python -m benchmarks.log export DIR
    python -m benchmarks.log cost [--before CHECKOUT]    (see log_cost.py)
    python -m benchmarks.log stall                       (see log_stall.py)

The exchanges are drawn from a seed: conversations of one to eight turns, words by Zipf's law, a few of another
script, users, models, outcomes, findings and scores. Times are of the process's CPU; trust the ratios.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.log_cost import cost
from benchmarks.log_stall import stall
from proxy.log.export import FORMS, Export
from proxy.log.port import PAGE_MAX, Search
from proxy.log.query import LogReader
from proxy.log.schema import FILE_NAME
from proxy.log.store import Store
from proxy.log.verify import verify
from proxy.model.finding import Finding
from proxy.model.level import Action, Direction, Level, Mode, Outcome
from proxy.model.record import Begun, Finished, Json, Latency, ModelUsed
from proxy.model.subject import Subject

START: Final = 1_790_000_000.0
EVERY_S: Final = 7.0
BATCH: Final = 64
INDEX: Final = 512
VOCABULARY: Final = 20_000
TURNS_MAX: Final = 8
OUTCOMES: Final = (Outcome.RELEASED, Outcome.REDACTED, Outcome.BLOCKED_OUTPUT, Outcome.BACKEND_ERROR)
HAN: Final = (
    "请问我的订单什么时候发货",
    "我想退货但是找不到发票",
    "注文した商品がまだ届きません",
    "領収書を再発行してください",
)
ROUNDS: Final = 15
EXPORTED: Final = 100_000


class Source:
    """Draws exchanges; the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = random.Random(1)
        self._words = ["".join(words.choices(letters, k=words.randint(2, 10))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (rank + 10) for rank in range(VOCABULARY)))

    def exchanges(self) -> Iterator[tuple[Begun, Finished]]:
        draw, number = self._random, 0
        while True:
            system = f"You are the assistant of shop {draw.randrange(200)}. {self._said(0, 60)}"
            messages: list[Json] = [{"role": "system", "content": system}]
            user, app = f"user-{int(draw.paretovariate(1.1)) % 50_000}", draw.choice(("shop", "desk", "lab"))
            model = draw.choices(("support-bot", "writer", "old-bot"), (80, 19, 1))[0]
            for _ in range(draw.randint(1, TURNS_MAX)):
                number += 1
                messages.append({"role": "user", "content": self._said(number, draw.randint(5, 60))})
                body: Json = {"model": model, "messages": list(messages), "temperature": 0.7}
                reply = self._said(number, draw.randint(10, 120))
                yield self._exchange(number, user, app, model, body, reply)
                messages.append({"role": "assistant", "content": reply})

    def _said(self, number: int, words: int) -> str:
        text = " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words))
        if number % 50 == 0:
            text += " " + HAN[number // 50 % len(HAN)]
        if number % 1000 == 500:
            text += f" needle{number // 1000 % 100}"
        return text

    def _exchange(
        self, number: int, user: str, app: str, model: str, body: Json, reply: str
    ) -> tuple[Begun, Finished]:
        draw, id, at = self._random, f"{number:032x}", START + number * EVERY_S
        outcome = draw.choices(OUTCOMES, (930, 50, 15, 5))[0]
        found = outcome in (Outcome.REDACTED, Outcome.BLOCKED_OUTPUT)
        rule = draw.choice(("pii-in-replies", "secrets-in-replies", "insults"))
        used = ModelUsed(model, "v2", "gpt-test-2", "gpt-test-2-0101", "fp_1")
        subject = Subject(
            key=app, user=user, ip=f"10.1.{draw.randrange(64)}.{draw.randrange(256)}", region="DE"
        )
        begun = Begun(
            id=id, started_at=at, api="openai", path="/v1/chat/completions", stream=False, app=app,
            subject=subject, model=used, level=Level.DEGRADED if number % 997 == 0 else Level.GUARDED,
            policy=f"{number // 100_000:02x}" * 32, body=body, body_bytes=len(str(body)),
        )  # fmt: skip
        finished = Finished(
            id=id, finished_at=at + 1, outcome=outcome, model=used, level=begun.level, backend="main",
            received=reply, finish_reason="stop", usage={"prompt_tokens": 50, "completion_tokens": 60},
            latency=Latency(total=900.5, backend_first_byte=300.0, first_byte=301.0, guard=1.25),
            findings=(_finding(rule),) if found else (),
            scores={"toxicity": round(draw.betavariate(0.5, 8), 3), "insult": round(draw.betavariate(0.4, 9), 3)},
        )  # fmt: skip
        return begun, finished


def _finding(rule: str) -> Finding:
    return Finding(
        rule=rule, detector="pii", label="EMAIL_ADDRESS", score=1.0, action=Action.REDACT,
        direction=Direction.OUTPUT, field="choices[0].message.content", start=5, end=9, mode=Mode.ENFORCE,
    )  # fmt: skip


def make(folder: Path, records: int) -> None:
    """Write that many finished and indexed exchanges."""
    store = Store(folder / FILE_NAME, lambda: START)
    exchanges = islice(Source(7).exchanges(), records)
    writing = indexing = 0.0
    asked = 0
    for start in range(0, records, BATCH):
        batch = list(islice(exchanges, BATCH))
        asked += sum(begun.body_bytes for begun, _ in batch)
        begin = time.process_time()
        store.write([begun for begun, _ in batch])
        store.write([finished for _, finished in batch])
        writing += time.process_time() - begin
        if start % (BATCH * 64) == 0 or start + BATCH >= records:
            begin = time.process_time()
            while store.index(INDEX):
                pass
            store.checkpoint()
            indexing += time.process_time() - begin
            print(f"{start + len(batch):,} of {records:,}", end="\r", flush=True)
    store.put_head(last=True)
    store.release()
    size = (folder / FILE_NAME).stat().st_size
    each = f"{writing / records * 1e6:.0f} us to write, {indexing / records * 1e6:.0f} us to index"
    print(f"{records:,} exchanges: {each}")
    print(f"requests {asked:,} bytes, store {size:,} ({size / asked:.1%}; {size / records:.0f} an exchange)")


SEARCHES: Final[tuple[tuple[str, Search], ...]] = (
    ("everything, newest first", Search()),
    ("a time in the middle", Search(until=START + EVERY_S * 500_000)),
    ("model, 80 % of all", Search(model="support-bot")),
    ("model, 1 % of all", Search(model="old-bot")),
    ("app and outcome", Search(app="lab", outcome="blocked_output")),
    ("a user of 60 exchanges", Search(subject="user:user-90")),
    ("the user of most exchanges", Search(subject="user:user-1")),
    ("an address", Search(subject="ip:10.1.3.4")),
    ("a range of addresses", Search(subject="ip:10.1.3.0/24")),
    ("rule", Search(rule="insults")),
    ("level", Search(level="degraded")),
    ("policy, an old one", Search(policy="01" * 32)),
    ("score >= 0.5", Search(scores={"toxicity": 0.5})),
    ("score >= 0.35 and 0.35", Search(scores={"toxicity": 0.35, "insult": 0.35})),
    ("score from 0.55 to 0.6", Search(scores={"toxicity": 0.55}, max_scores={"toxicity": 0.6})),
    ("a common word", Search(q="THE_COMMON")),
    ("a rare word", Search(q="needle7")),
    ("two words, one rare", Search(q="THE_COMMON needle42")),
    ("a word that nobody said", Search(q="zebraquartz")),
    ("Chinese", Search(q="发票")),
    ("Japanese", Search(q="領収書を再発行")),
    ("a rare word of one app's", Search(q="needle7", app="lab")),
)


def search(folder: Path) -> None:
    """A page of each search: CPU of the best and the median round, what it found, whether there is more."""
    common = Source(7)._words[0]
    print("| search | ms, median | ms, first | found | more |\n| --- | --- | --- | --- | --- |")
    for title, asked in SEARCHES:
        if asked.q is not None:
            asked = replace(asked, q=asked.q.replace("THE_COMMON", common))
        times: list[float] = []
        for _ in range(ROUNDS):
            with LogReader(folder / FILE_NAME) as reader:
                begin = time.process_time()
                page = reader.search(asked)
                times.append((time.process_time() - begin) * 1000)
        more = "yes" if page.next else "no"
        print(
            f"| {title} | {statistics.median(times):.1f} | {times[0]:.1f} | {len(page.exchanges)} | {more} |"
        )


def check(folder: Path) -> None:
    """Verify the whole store, then with the index of words; then make the indexes anew."""
    for index in (False, True):
        begin = time.process_time()
        with LogReader(folder / FILE_NAME) as reader:
            verdict = verify(reader, index=index)
        took = time.process_time() - begin
        fault = "" if verdict.fault is None else f", FAULT: {verdict.fault.text}"
        print(
            f"{verdict.records:,} records verified{' with --index' if index else ''} in {took:.1f} s, "
            f"{verdict.records / took:,.0f} a second{fault}"
        )
    begin = time.process_time()
    store = Store(folder / FILE_NAME, time.time)
    store.reindex()
    while store.index(INDEX):
        pass
    store.release()
    print(
        f"indexes made anew in {time.process_time() - begin:.1f} s; the process has held {held_mib():.0f} MiB"
    )


def export(folder: Path) -> None:
    """Export up to a tenth of a million whole records in each form, to files that are removed again."""
    for form in FORMS:
        with TemporaryDirectory(dir=folder) as place, LogReader(folder / FILE_NAME) as reader:
            out = Path(place) / "out"
            begin = time.process_time()
            written = Export.begin(out, Search(limit=PAGE_MAX), form)
            any(count >= EXPORTED for count in written.pages(reader))
            count = written.records
            took = time.process_time() - begin
            written.close()
            size = sum(path.stat().st_size for path in (out.iterdir() if out.is_dir() else [out]))
        print(
            f"{count:,} whole records as {form} in {took:.1f} s, {count / took:,.0f} a second, "
            f"{size / count:,.0f} bytes each; the process has held {held_mib():.0f} MiB"
        )


def held_mib() -> float:
    """The most memory that the process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


WAYS: Final[dict[str, Callable[[Path], None]]] = {"search": search, "verify": check, "export": export}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", *WAYS, "cost", "stall"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--before", type=Path, help="another checkout, to measure beside this one")
    parser.add_argument("--records", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.what == "cost":
        cost(asked.before)
    elif asked.what == "stall":
        stall()
    elif asked.folder is None:
        parser.error(f"{asked.what} needs a folder")
    elif asked.what == "make":
        make(asked.folder, asked.records)
    else:
        WAYS[asked.what](asked.folder)


if __name__ == "__main__":
    main()
