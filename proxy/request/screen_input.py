"""Step 7: the input rules, over every text of the request. What is scanned is what is sent."""

from __future__ import annotations

from proxy import jsonio
from proxy.errors import ContentFiltered
from proxy.model.level import Direction
from proxy.model.record import Json
from proxy.model.text import Text
from proxy.policy.pseudonym import Pseudonyms
from proxy.policy.redact import first_block
from proxy.request.exchange import Exchange, Ports
from proxy.request.judged import JudgedText
from proxy.request.on_record import OnRecord
from proxy.request.scan import judge_texts
from proxy.request.target import target_texts
from proxy.request.turn import CHANGES_INLINE_MAX, READ_INLINE_BYTES_MAX, beside, free
from proxy.wire.base import Wire
from proxy.wire.credentials import masked
from proxy.wire.openai_responses_kept import KeptConversation, edited, explicit

UNEDITABLE = (
    "the conversation that this request goes on from holds what may not be sent, and cannot be edited where it is"
    " kept: send its messages themselves"
)


async def screen_input(x: Exchange, ports: Ports) -> None:
    """Redacts what is to be redacted, and gives pseudonyms. Raises ContentFiltered with the rule's message."""
    if x.view is None or x.wire is None:
        return
    plan = x.policy.plan(Direction.INPUT, x.selection)
    if plan.idle:
        return
    measured = x.policy.measure(x.selection, x.context)
    x.findings.extend(measured)
    too_large = first_block(measured)
    if too_large is not None:  # and need not be read
        raise ContentFiltered(too_large.message)
    if plan.pseudonymizes:
        x.pseudonyms = _pseudonyms(x, ports)
    texts = (*x.screened, *target_texts(x.http))
    judged: list[JudgedText] = []
    try:
        await judge_texts(x, ports, Direction.INPUT, texts, judged)
    finally:
        if plan.unlogged:
            x.judged, x.judged_raw = tuple(judged), x.sent_raw
        on_record = OnRecord(x)
        many = len(judged) > CHANGES_INLINE_MAX
        await beside(many, x.take_findings, judged, on_record.findings)
    many = many or len(x.findings) > CHANGES_INLINE_MAX
    if plan.unlogged and (many or x.body_bytes > READ_INLINE_BYTES_MAX):
        x.logged = await beside(True, lambda: masked(on_record.body()))
    changed = await beside(many, _edited, x.wire, x.sent_raw, texts, judged, x.kept)
    if changed is not None:
        x.sent_raw, x.sent = changed
    if many:
        ports.spawn(free(judged))


def _edited(
    wire: Wire,
    raw: bytes,
    sources: tuple[Text, ...],
    judged: list[JudgedText],
    kept: KeptConversation | None,
) -> tuple[bytes, Json] | None:
    """The request with what its findings ask for; None where they ask for nothing. What the backend keeps cannot be
    edited there: it is sent edited, in place of its name. Raises ContentFiltered where that cannot be, and for what
    blocks it."""
    for text in judged:
        if text.block is not None:
            raise ContentFiltered(text.block.message)
    edits = [
        (source, edit)
        for source, text in zip(sources, judged, strict=True)
        if (edit := text.changes.edit(0, text.length)) is not None
    ]
    if not edits:
        return None
    elsewhere = frozenset(id(text) for text in kept.texts) if kept is not None else frozenset()
    own = [edit for edit in edits if id(edit[0]) not in elsewhere]
    if own:
        raw = wire.edit_request(raw, own)
    if kept is not None and len(own) < len(edits):
        if not kept.sendable:
            raise ContentFiltered(UNEDITABLE)
        raw = explicit(raw, edited(kept, [edit for edit in edits if id(edit[0]) in elsewhere]))
    return raw, jsonio.loads_strict(raw)


def _pseudonyms(x: Exchange, ports: Ports) -> Pseudonyms:
    """The exchange's own, without what its request spells out already. In a kept conversation they are our own."""
    assert x.received is not None, "contain takes it"
    subject = x.subject
    pseudonyms = Pseudonyms(ports.pseudonym_key, (x.app or "", subject.key or "", subject.user or ""))
    for text in x.received.texts:
        pseudonyms.avoid(text.value)
    return pseudonyms
