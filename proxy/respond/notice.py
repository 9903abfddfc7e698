"""What people are told: that a tripwire fires or is well again, and everything that they need next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote

from proxy.model.card import Card
from proxy.model.observation import Metric
from proxy.model.record import Json
from proxy.model.tripwire import Alert, Per, Stat, Tripwire
from proxy.respond.act import limit_of, span
from proxy.respond.attribution import looks
from proxy.watch.normal import Limits
from proxy.watch.wire import Turned


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `done` is what was done about it, in words."""

    turned: Turned
    card: Card | None = None
    done: tuple[str, ...] = ()
    other_version: str | None = None  # to which the model could be rolled back
    changes: tuple[str, ...] = ()  # shortly before it began
    drill: bool = False

    @property
    def title(self) -> str:
        wire = self.turned.tripwire
        what = "FIRING" if self.turned.fires else "RESOLVED"
        drill = "DRILL, nothing is wrong: " if self.drill else ""
        return f"{drill}[{what}] {wire.id} ({wire.severity}): {self.turned.group}"

    @property
    def named(self) -> tuple[str, ...]:
        """Whom the tripwire asks to be told."""
        return tuple(one.target for one in self.turned.tripwire.then if isinstance(one, Alert))

    @property
    def targets(self) -> tuple[str, ...]:
        """Those, and the contact on the model's card."""
        contact = self.card.owner.contact if self.card is not None and self.named else None
        return tuple(dict.fromkeys((*self.named, *((contact,) if contact is not None else ()))))

    @property
    def key(self) -> tuple[str, str]:
        """The same for all that is said of one incident."""
        return (self.turned.tripwire.id, self.turned.group)

    def commands(self) -> tuple[str, ...]:
        """What contains it, ready to be typed."""
        group, wire = self.turned.group, self.turned.tripwire
        because = f'--reason "{wire.id}"'
        if wire.per is Per.USER:
            lines = [f"guardrail-proxy block add {quote(group)} {because} --ttl 2h"]
        else:
            scope = quote(group)
            lines = [
                f"guardrail-proxy dial set {level} --scope {scope} {because} --ttl 1h"
                for level in ("degraded", "killed")
            ]
            lines.append(f'guardrail-proxy dial clear --scope {scope} --reason "looked into it"')
        if wire.per is Per.MODEL and self.other_version is not None:
            model = quote(group.removeprefix("model:"))
            lines.insert(
                0, f"guardrail-proxy rollback set {model} {quote(self.other_version)} {because} --ttl 12h"
            )
        lines += [f"guardrail-proxy log show {one}" for one in self.turned.examples[-1:]]
        return tuple(lines)

    def text(self) -> str:
        """For people."""
        turned, wire = self.turned, self.turned.tripwire
        value = "no value" if turned.value is None else f"{turned.value:.3g}"
        lines = [
            f"{wire.stat} of {wire.metric} over {span(wire.window_s)}: {value}, {limit_of(turned)}"
            f" ({turned.samples} samples)"
        ]
        if self.drill:
            lines.insert(0, f"This is a drill: {turned.why}. What follows is made up.")
        if turned.fires:
            lines.append(f"too much since {_time(turned.began)}, fires since {_time(turned.at)}")
            lines.append(looks(turned, self.changes).text)
            if turned.examples:
                lines.append(f"examples: {', '.join(turned.examples)}")
        else:
            lines.append(f"began {_time(turned.began)}, ended {_time(turned.at)}")
            lines += [turned.why] if turned.why else []
        lines += [f"done: {one}" for one in self.done]
        lines += self._about_the_model()
        if turned.fires:
            lines += ["to contain it:", *(f"  {line}" for line in self.commands())]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Json]:
        """For machines."""
        turned, wire = self.turned, self.turned.tripwire
        return {
            "status": "firing" if turned.fires else "resolved",
            "drill": self.drill,
            "tripwire": wire.id,
            "severity": wire.severity,
            "per": turned.group,
            "metric": wire.metric,
            "stat": wire.stat,
            "window_s": wire.window_s,
            "value": turned.value,
            "above": turned.limits.top,
            "below": turned.limits.floor,
            "expected": None if turned.limits.expected is None else turned.limits.expected.value,
            "samples": turned.samples,
            "since": _time(turned.began),
            "at": _time(turned.at),
            "callers": [{"subject": caller, "samples": count} for caller, count in turned.callers],
            "callers_count": turned.callers_count,
            "looks_like": looks(turned, self.changes).like if turned.fires else None,
            "because": list(looks(turned, self.changes).because) if turned.fires else [],
            "examples": list(turned.examples),
            "done": list(self.done),
            "why": turned.why,
            "card": None if self.card is None else self.card.shown(),
            "commands": list(self.commands()) if turned.fires else [],
            "title": self.title,
            "text": self.text(),
        }

    def _about_the_model(self) -> list[str]:
        card = self.card
        if card is None:
            return ["the model has no card"] if self.turned.tripwire.per is Per.MODEL else []
        said = {
            "model": card.model if card.version is None else f"{card.model} {card.version}",
            "owner": card.owner.team,
            "contact": card.owner.contact,
            "base model": card.base_model,
            "training data": card.training_data,
            "dependencies": ", ".join(card.dependencies or ()) or None,
            "risks": "; ".join(card.risks or ()) or None,
        }
        return [f"{name}: {value}" for name, value in said.items() if value is not None]


def drill(now: float, why: str) -> Notice:
    """A message that looks like an alert and says that it is none."""
    wire = Tripwire("drill", Metric.TOXICITY, Stat.P95, Per.MODEL, 900.0, above=0.5)
    limits = Limits(top=wire.above)
    turned = Turned(wire, "model:drill", True, now, now - 900.0, 0.9, 100, why=why, limits=limits)
    return Notice(turned, drill=True)


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
