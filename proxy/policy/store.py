"""The policy in force: read from its folder, watched, swapped whole, with the last good one kept on disk.

The folder is watched by comparing what its files look like a few times a second, not by kernel events: those
run out of watches, miss network file systems, and go silent when the folder itself is replaced. A change is
read once the folder has looked the same twice, so that a file caught half written settles first. Reading and
compiling happen in a thread; the event loop only swaps a reference. The thread still shares the interpreter,
so many thousand lines of YAML slow the loop while they compile: long word lists belong into phrase files.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy import jsonio
from proxy.detect.offers import NO_SCORERS, Offers
from proxy.errors import ConfigError, Problem
from proxy.jsonio import InvalidJson
from proxy.model.record import Json
from proxy.policy.compile import Policy, compile_policy, patched
from proxy.policy.folder import Folder
from proxy.policy.patch import Kept, Patch
from proxy.policy.reading import Look, look, read_folder
from proxy.policy.rule import Rule

POLL_S: Final = 0.2
SETTLE_S: Final = 0.1
SETTLE_ROUNDS_MAX: Final = 20
"""A folder that never stops changing is read after this many rounds; the next look checks it again."""

KEPT_FILE: Final = "last-good.json"


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How a reload ended: the digest in force, and the problems for which the files were refused, if any."""

    digest: str | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()  # what is in force and probably not meant, or not kept on disk
    swapped: bool = False
    replaced: str | None = (
        None  # the digest before, where a change of the files that was seen brought another
    )

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class LastError:
    """Why the files as they are now are not the policy in force."""

    problems: tuple[Problem, ...]
    at: float  # Unix seconds


async def nothing_to_prepare(policy: Policy) -> tuple[str, ...]:
    """For policies whose rules ask no scorer."""
    return ()


class PolicyStore:
    """Holds the policy in force. One task reloads at a time; readers just take `current`."""

    def __init__(
        self,
        rules_dir: Path,
        keep_dir: Path,
        *,
        now: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
        settle_s: float = SETTLE_S,
        offers: Offers = NO_SCORERS,
        prepare: Callable[[Policy], Awaitable[tuple[str, ...]]] = nothing_to_prepare,
    ) -> None:
        """`now` gives Unix seconds. `keep_dir` is made when the first good policy is kept there. `offers` are the
        scorers that rules may ask; `prepare` has those of a new policy up before it is swapped in, or says why
        it is refused."""
        self._rules_dir = rules_dir
        self._keep_dir = keep_dir
        self._now = now
        self._offers = offers
        self._prepare = prepare
        self._poll_s = poll_s
        self._settle_s = settle_s
        self._current: Policy | None = None
        self._loaded_at = 0.0
        self._last_error: LastError | None = None
        self._look: Look | None = None
        self._patches: tuple[Rule, ...] = ()
        self._turn = asyncio.Lock()
        self._subscribers: list[Callable[[ReloadResult], None]] = []

    @property
    def current(self) -> Policy:
        """The policy in force. `load_first` must have returned."""
        if self._current is None:
            raise RuntimeError("no policy is loaded: call load_first")
        return self._current

    @property
    def loaded_at(self) -> float:
        """When the policy in force was swapped in, in Unix seconds."""
        return self._loaded_at

    @property
    def last_error(self) -> LastError | None:
        """Why the newest files were refused; None when they are in force."""
        return self._last_error

    def subscribe(self, callback: Callable[[ReloadResult], None]) -> None:
        """Have `callback` called after every load that swapped or was refused (reloads: in the event loop)."""
        self._subscribers.append(callback)

    def load_first(self) -> ReloadResult:
        """Load the policy at start. With a broken one the last good copy serves, and the result names the
        problems: whoever starts the proxy must say so loudly. Raises ConfigError where no copy is kept.

        Blocks: call it before serving.
        """
        self._look, read = self._read(None)
        if isinstance(read, ConfigError):
            kept = self._load_kept()
            if kept is None:
                raise read
            self._take(kept)
            self._last_error = LastError(read.problems, self._now())
            result = ReloadResult(kept.digest, read.problems, kept.warnings, swapped=True)
        else:
            folder, policy = read
            self._take(policy)
            warnings = policy.warnings + self._keep(folder, policy)
            result = ReloadResult(policy.digest, (), warnings, swapped=True)
        self._tell(result)
        return result

    async def reload(self, *, seen: bool = False) -> ReloadResult:
        """Read the folder now, asked for by somebody or since a change was `seen`. With any problem the policy in
        force stays."""
        async with self._turn:
            self._look, read = await asyncio.to_thread(self._read, self._current)
            before = self._current
            if not isinstance(read, ConfigError) and (faults := await self._prepare(read[1])):
                read = ConfigError(tuple(Problem(str(self._rules_dir), 1, 1, fault) for fault in faults))
            if isinstance(read, ConfigError):
                self._last_error = LastError(read.problems, self._now())
                result = ReloadResult(before.digest if before else None, read.problems)
                self._tell(result)
                return result
            folder, policy = read
            recovered, self._last_error = self._last_error is not None, None
            swapped = before is None or before.digest != policy.digest
            warnings = policy.warnings
            if swapped:
                # In force at once; that a copy is slow to write or cannot be kept must not delay a hot patch.
                self._take(policy)
                warnings += await asyncio.to_thread(self._keep, folder, policy)
            replaced = before.digest if seen and before is not None else None
            result = ReloadResult(policy.digest, (), warnings, swapped, replaced)
            if swapped or recovered:
                self._tell(result)
            return result

    async def patch(self, patches: Sequence[Kept]) -> None:
        """Have these patches stand behind the rules of the files, from now on and whatever becomes of the files.
        They are in force when it returns; where others were asked for meanwhile, those are. Raises Invalid."""
        self._patches = tuple(Patch.loads(one.value).rule(one.id) for one in patches)
        async with self._turn:
            before = self.current
            if before.patches == self._patches:
                return
            policy = await asyncio.to_thread(patched, before, self._patches, self._offers)
            self._take(policy)
            self._tell(ReloadResult(policy.digest, swapped=True))

    async def watch(self) -> None:
        """Reload whenever the folder's files change. Runs until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            seen = await asyncio.to_thread(look, self._rules_dir)
            if seen == self._look:
                continue
            for _ in range(SETTLE_ROUNDS_MAX):
                await asyncio.sleep(self._settle_s)
                before, seen = seen, await asyncio.to_thread(look, self._rules_dir)
                if seen == before:
                    break
            await self.reload(seen=True)

    def _read(self, before: Policy | None) -> tuple[Look, tuple[Folder, Policy] | ConfigError]:
        seen = look(self._rules_dir)  # before the reading, so that what changes meanwhile is seen as new
        try:
            folder = read_folder(self._rules_dir)
            return seen, (folder, compile_policy(folder, before, self._offers, self._patches))
        except ConfigError as error:
            return seen, error
        except Exception as error:  # noqa: BLE001 - whatever a compiler raises, the last good policy stays in force
            message = f"the rules cannot be compiled: {type(error).__name__}: {error}"
            return seen, ConfigError((Problem(str(self._rules_dir), 1, 1, message),))

    def _take(self, policy: Policy) -> None:
        self._current = policy
        self._loaded_at = self._now()

    def _tell(self, result: ReloadResult) -> None:
        for callback in self._subscribers:
            callback(result)

    def _keep(self, folder: Folder, policy: Policy) -> tuple[Problem, ...]:
        """Write the copy that serves when a later start finds the folder broken: whole or not at all."""
        document: Json = {
            "digest": policy.files_digest,
            "folder": folder.name,
            "files": {name: b64encode(folder.files[name]).decode() for name in policy.files},
        }
        target = self._keep_dir / KEPT_FILE
        part = target.with_suffix(".part")
        try:
            self._keep_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                handle.write(jsonio.dumps(document))
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(target)
        except OSError as error:
            return (Problem(str(target), 1, 1, f"the copy of the policy cannot be kept: {error.strerror}"),)
        return ()

    def _load_kept(self) -> Policy | None:
        """The copy, compiled; None where there is none, or none that is whole."""
        try:
            document = jsonio.loads((self._keep_dir / KEPT_FILE).read_bytes())
        except (OSError, InvalidJson):
            return None
        if not isinstance(document, dict) or not isinstance(document.get("files"), dict):
            return None
        files: dict[str, bytes] = {}
        for name, content in document["files"].items():
            if not isinstance(content, str):
                return None
            try:
                files[name] = b64decode(content, validate=True)
            except ValueError:
                return None
        with suppress(ConfigError):
            policy = compile_policy(Folder(str(document.get("folder", "")), files), None, self._offers)
            return policy if policy.files_digest == document.get("digest") else None
        return None
