"""The command that has one work of a GPU function made, outside of any film."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from filmforge.cli.connect import print_json, say
from filmforge.cli.options import DEFAULT_STATE
from filmforge.errors import AnswerLost, BadInput, JobFailed, NotSent, ServiceUnavailable

if TYPE_CHECKING:
    from filmforge.domain import GenerationRequest
    from filmforge.providers.base import Job, JobReport, Provider
    from filmforge.store import AssetStore
    from filmforge.works import Works

MAX_OUTPUT_BYTES = 4_000_000_000


class _Desk(NamedTuple):
    """What a work is made with."""

    provider: "Provider"
    store: "AssetStore"
    works: "Works"


def run(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="Such as train_lora.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the output goes.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="ROLE=FILE", help="What it is made from; may be repeated."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter; JSON, or else a text."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another result.")] = 0,
    on: Annotated[
        Literal["modal", "local"], typer.Option("--on", help="Where it is made.")
    ] = "modal",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the price is fine.")
    ] = False,
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where FilmForge runs.")
    ] = DEFAULT_STATE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Have one work made: a LoRA trained, a frame restored, a line transcribed.

    The same command again goes on with the same work, and costs nothing once it is made. It
    belongs to no film, so no budget counts it: its highest price is shown before it begins.
    """
    wish = dict(map(_parameter, given or ()))
    files = dict(map(_file, inputs or ()))
    told = asyncio.run(_run(on, function, wish, files, seed, out, yes, state))
    if as_json:
        print_json(told)
    else:
        spent = "made before" if told["reused"] else f"${told['cost_usd']}"
        say(f"{told['path']}  {spent}", *(f"{k}: {v}" for k, v in told["facts"].items()))


async def _run(
    on: str,
    function: str,
    wish: dict[str, Any],
    files: dict[str, Path],
    seed: int,
    out: Path,
    yes: bool,
    state: Path,
) -> dict[str, Any]:
    from filmforge.money import format_money

    async with _open_desk(on, state) as desk:
        request = await _request(desk, on, function, wish, files, seed)
        made = await desk.works.receipt(request.key)
        if made is None and not yes:
            _ask(format_money(desk.provider.quote(request)))
        job = await _begin(desk, request)
        report = await _ended(desk.provider, job, request)
        assert report.output_url
        out.parent.mkdir(parents=True, exist_ok=True)
        await desk.provider.fetch(report.output_url, out, MAX_OUTPUT_BYTES)
        receipt = await desk.works.receipt(request.key)
    return {
        "path": str(out),
        "request_key": request.key,
        "reused": made is not None,
        "cost_usd": format_money(report.cost or Decimal(0)),
        "facts": dict(receipt.facts) if receipt else {},
    }


@asynccontextmanager
async def _open_desk(on: str, state: Path) -> AsyncIterator[_Desk]:
    """The provider, the store and the bucket of the FilmForge in a directory, or elsewhere."""
    from filmforge.embedded import settings_beside
    from filmforge.engine import Engine
    from filmforge.providers.registry import build_registry
    from filmforge.store import AssetStore
    from filmforge.works import Works

    settings = settings_beside(state)
    store = AssetStore(settings.s3_bucket, settings.s3_endpoint)
    queue = await Engine.connected(settings) if on == "local" else None
    registry = build_registry(settings, store.fetch, queue)
    try:
        works = Works(settings.s3_bucket, settings.s3_endpoint)
        yield _Desk(registry.get(on), store, works)
    finally:
        await registry.close()


async def _request(
    desk: _Desk, on: str, function: str, wish: dict[str, Any], files: dict[str, Path], seed: int
) -> "GenerationRequest":
    """The request, its files stored; its price is known, or it is refused by name."""
    from pydantic import ValidationError

    from filmforge.domain import GenerationRequest, Ingredient

    models = desk.provider.models()
    if function not in models:
        known = ", ".join(sorted(models))
        raise BadInput("FUNCTION", f"{on} has no function {function!r}", f"Use one of: {known}")
    model = models[function]
    parts = []
    for role, path in files.items():
        stored = await desk.store.put(path, "application/octet-stream")
        try:
            parts.append(Ingredient.model_validate({"role": role, "digest": stored.digest}))
        except ValidationError:
            raise BadInput("--input", f"there is no role {role!r}", "See docs/gpu.md") from None
    request = GenerationRequest(
        kind=model.kind,
        provider=on,
        model=function,
        parameters=wish | model.fixed,
        seed=seed if model.takes_seed else None,
        inputs=tuple(parts),
    )
    desk.provider.quote(request)
    return request


def _ask(price: str) -> None:
    if not sys.stdin.isatty():
        raise BadInput("--yes", f"is missing: it costs at most ${price}", "Say that it may")
    typer.confirm(f"It costs at most ${price}. Begin?", abort=True)


async def _begin(desk: _Desk, request: "GenerationRequest") -> "Job":
    """The call that is at this work or has made it, or else a new one."""
    from filmforge.providers.base import Material

    found = await desk.provider.find(request, datetime.now(UTC), frozenset())
    if found is not None:
        return found
    materials: dict[str, Material] = {}
    for part in request.inputs:
        public, data = desk.store.public, None
        if not (public or desk.provider.local):
            data = (await desk.store.load(part.digest, MAX_OUTPUT_BYTES)).data
        media_type = "application/octet-stream"
        url = desk.store.url(part.digest)
        materials[part.role] = Material(url=url, media_type=media_type, public=public, data=data)
    try:
        return await desk.provider.submit(request, materials, None, Path())
    except AnswerLost as error:
        raise ServiceUnavailable(f"{error}; the same command again finds out") from error
    except NotSent as error:
        raise ServiceUnavailable(f"{error}; nothing was begun") from error


async def _ended(provider: "Provider", job: "Job", request: "GenerationRequest") -> "JobReport":
    """The last word on a work. Raises JobFailed."""
    from filmforge.providers.base import JobStatus

    waited_s = 0.0
    while True:
        report = await provider.poll(job, request)
        if report.status is JobStatus.SUCCEEDED:
            return report
        if report.status is not JobStatus.RUNNING:
            raise JobFailed(f"{report.status.value}: {report.message}")
        pause_s = provider.poll_interval_s(waited_s)
        await asyncio.sleep(pause_s)
        waited_s += pause_s


def _parameter(words: str) -> tuple[str, Any]:
    name, mark, value = words.partition("=")
    if not mark:
        raise BadInput("--set", f"{words!r} is no NAME=VALUE", "Write it as name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _file(words: str) -> tuple[str, Path]:
    role, _, name = words.partition("=")
    path = Path(name)
    if not name or not path.is_file():
        raise BadInput("--input", f"{words!r} names no file", "Write it as source=picture.png")
    return role, path
