"""Commands about models: toxicity by a transformer, made ready for the scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy import jsonio
from proxy.model.record import Json
from proxy.scoring.export import PUBLISHED, export_checkpoint, export_published
from proxy.scoring.exported import Manifest
from proxy.settings.scoring import EXPORTED

app_models = typer.Typer(name="models", no_args_is_help=True)

OutOption = Annotated[
    Path, typer.Option(help="The folder to write: by default where `engine: auto` looks for it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DEFAULT_OUT = Path("data") / EXPORTED


@app_models.callback()
def _models() -> None:
    """Make models ready for the scorers.

    Example: guardrail-proxy models fetch-detoxify unbiased
    """


@app_models.command("export-detoxify")
def export(
    checkpoint: Annotated[Path, typer.Option(help="A Detoxify checkpoint. Opening it runs what it holds.")],
    out: OutOption = DEFAULT_OUT,
    arch: Annotated[
        Path | None,
        typer.Option(help="The base model's folder (config, tokenizer), where the checkpoint names a hub's."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Turn a Detoxify checkpoint into the int8 ONNX files that the scorer loads. Opens no connection.

    Example: guardrail-proxy models export-detoxify --checkpoint toxic.ckpt --out data/models/detoxify
    """
    _tell(export_checkpoint(checkpoint, out, arch), out, json)


@app_models.command("fetch-detoxify")
def fetch(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(PUBLISHED)}.")],
    out: OutOption = DEFAULT_OUT,
    json: JsonOption = False,
) -> None:
    """Fetch a published Detoxify model by its name and export it: the one command that goes to the network.

    Example: guardrail-proxy models fetch-detoxify unbiased
    """
    if name not in PUBLISHED:
        raise typer.BadParameter(f"`{name}` is none of {', '.join(PUBLISHED)}", param_hint="NAME")
    _tell(export_published(name, out), out, json)


def _tell(manifest: Manifest, out: Path, json: bool) -> None:
    if json:
        labels: list[Json] = list(manifest.labels)
        answer: dict[str, Json] = {"out": str(out), "model": manifest.model, "labels": labels}
        typer.echo(jsonio.dumps(answer | {"source_sha256": manifest.source}))
    else:
        typer.echo(f"{manifest.model} is in {out}; it scores {', '.join(manifest.labels)}")
