"""The workshop: what a recipe says is made once, and found again ever after."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue

from activities.download import asset_of
from filmforge.domain import Asset, GenerationRequest, Ingredient, Kind
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.media.probe import probe
from filmforge.store import AssetStore

R = TypeVar("R")
# From the folder to work in and the recipe's ingredients, in order, to the file that was made.
Make = Callable[[Path, Sequence[Path]], Awaitable[Path]]

AT_ONCE = 8
# Part of every recipe: raise it when filmforge.media makes other bytes from the same sources.
EDITION = 2


def recipe_of(
    step: str,
    parameters: dict[str, JsonValue],
    inputs: Sequence[Ingredient],
    kind: Kind = Kind.VIDEO,
) -> GenerationRequest:
    """The recipe of a step of ours: its key says everything that decides the bytes it makes."""
    return GenerationRequest(
        kind=kind,
        provider="filmforge",
        model=f"{step}-{EDITION}",
        parameters=parameters,
        inputs=tuple(inputs),
    )


class Workshop:
    """Makes files from stored assets, over the ledger and the store."""

    def __init__(self, ledger: Ledger, store: AssetStore, work_dir: Path) -> None:
        self._ledger = ledger
        self._store = store
        self._work_dir = work_dir
        work_dir.mkdir(parents=True, exist_ok=True)

    async def made(self, recipe: GenerationRequest, make: Make) -> Asset:
        """What the recipe came to before, if the store still has it; else it is made now."""
        return await self.made_before(recipe) or await self._make(recipe, make)

    async def made_before(self, recipe: GenerationRequest) -> Asset | None:
        """What the same recipe came to before, if the store still has it."""
        found = await asyncio.to_thread(self._ledger.assets.made_by, recipe.key)
        try:
            present = found and await self._store.size(found.digest) == found.size
        except NotFound:
            return None
        return found if present else None

    async def _make(self, recipe: GenerationRequest, make: Make) -> Asset:
        with tempfile.TemporaryDirectory(dir=self._work_dir) as name:
            folder = Path(name)
            sources = [folder / f"{n:05d}-{part.role}" for n, part in enumerate(recipe.inputs)]
            await few_at_once(
                [
                    self._store.fetch(part.digest, path)
                    for part, path in zip(recipe.inputs, sources, strict=True)
                ]
            )
            path = await make(folder, sources)
            facts = await asyncio.to_thread(probe, path)
            asset = asset_of(await self._store.put(path, facts.media_type), facts)
        await asyncio.to_thread(self._ledger.assets.keep, asset, recipe)
        return asset


async def few_at_once(work: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """The results of all work in order, with little of it going on at any time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: Coroutine[Any, Any, R]) -> R:
        async with gate:
            return await each

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in work]
    return [task.result() for task in tasks]
