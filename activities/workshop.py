"""The workshop: what a recipe says is made once, and found again ever after."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from activities.download import asset_of
from filmforge.domain import Asset, GenerationRequest, Ingredient
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.makings import Making
from filmforge.media.probe import probe
from filmforge.media.progress import Progress
from filmforge.store import AssetStore

R = TypeVar("R")
# From the folder to work in and the recipe's ingredients, in order, to the file that was made.
Make = Callable[[Path, Sequence[Path]], Awaitable[Path]]


class MadeFile(NamedTuple):
    """A file that was made, and the name it is found by among those of its recipe."""

    name: str
    path: Path
    media_type: str


MakeFiles = Callable[[Path, Sequence[Path]], Awaitable[Sequence[MadeFile]]]

AT_ONCE = 8
# What keeps a core busy by itself is done so often at once.
CORES = os.cpu_count() or 1


class Workshop:
    """Makes files from stored assets, over the ledger and the store."""

    def __init__(self, ledger: Ledger, store: AssetStore, work_dir: Path) -> None:
        self._ledger = ledger
        self._store = store
        self._work_dir = work_dir
        work_dir.mkdir(parents=True, exist_ok=True)

    async def made(
        self, recipe: GenerationRequest, make: Make, *, intermediate: bool = False
    ) -> Asset:
        """What the recipe came to before, if the store still has it; else it is made now.

        Of what is `intermediate`, and never given out, a copy on this machine is enough.
        """
        if found := await self._made_before(recipe, intermediate):
            return (await asyncio.to_thread(self._ledger.assets.read, found[0].digest)).asset
        async with self.bench(recipe) as (folder, sources):
            path = await make(folder, sources)
            facts = await asyncio.to_thread(probe, path)
            asset = asset_of(await self._store.put(path, facts.media_type), facts)
        await asyncio.to_thread(self._ledger.assets.keep, asset, recipe)
        await self._keep(recipe, [_making("", asset)])
        return asset

    async def made_files(
        self, recipe: GenerationRequest, make: MakeFiles, *, intermediate: bool = False
    ) -> Sequence[Making]:
        """The same for a recipe of several files, which are found by their names."""
        if found := await self._made_before(recipe, intermediate):
            return found
        async with self.bench(recipe) as (folder, sources):
            files = await make(folder, sources)
            made = await few_at_once([self._put(file) for file in files])
        await self._keep(recipe, made)
        return made

    @asynccontextmanager
    async def bench(self, recipe: GenerationRequest) -> AsyncIterator[tuple[Path, list[Path]]]:
        """A folder to work in, with the recipe's ingredients in order; it is removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._work_dir) as name:
            folder = Path(name)
            sources = [folder / f"{n:05d}-{part.role}" for n, part in enumerate(recipe.inputs)]
            await few_at_once(
                [self._fetch(part, path) for part, path in zip(recipe.inputs, sources, strict=True)]
            )
            yield folder, sources

    async def _fetch(self, part: Ingredient, path: Path) -> None:
        try:
            await self._store.fetch(part.digest, path)
        except NotFound as error:
            remedy = "upload the same file again and resume the film, or retry the shot it is of"
            raise NotFound(f"{error}, the {part.role}: {remedy}") from error

    async def made_before(self, recipes: Sequence[GenerationRequest]) -> dict[str, str]:
        """The digests of what recipes of one intermediate file came to, by the recipe's key."""
        keys = [recipe.key for recipe in recipes]
        known = await asyncio.to_thread(self._ledger.makings.among, keys)
        found = [(key, made[0]) for key, made in known.items()]
        there = await few_at_once([self._is_there(making, True) for _, making in found])
        return {key: made.digest for (key, made), so in zip(found, there, strict=True) if so}

    async def _made_before(self, recipe: GenerationRequest, intermediate: bool) -> Sequence[Making]:
        """What the same recipe came to before, if the store still has all of it."""
        found = await asyncio.to_thread(self._ledger.makings.of, recipe.key)
        present = await few_at_once([self._is_there(making, intermediate) for making in found])
        return found if all(present) else ()

    async def _is_there(self, making: Making, intermediate: bool) -> bool:
        if intermediate and self._store.at_hand(making.digest):
            return True
        try:
            return await self._store.size(making.digest) == making.size
        except NotFound:
            return False

    async def _put(self, file: MadeFile) -> Making:
        stored = await self._store.put(file.path, file.media_type)
        return Making(
            name=file.name, digest=stored.digest, media_type=file.media_type, size=stored.size
        )

    async def _keep(self, recipe: GenerationRequest, made: Sequence[Making]) -> None:
        await asyncio.to_thread(self._ledger.makings.keep, recipe.key, made)


def _making(name: str, asset: Asset) -> Making:
    return Making(name=name, digest=asset.digest, media_type=asset.media_type, size=asset.size)


async def few_at_once(
    work: Sequence[Coroutine[Any, Any, R]],
    at_once: int = AT_ONCE,
    progress: Progress | None = None,
) -> list[R]:
    """The results of all work in order, with little of it going on at any time."""
    gate, done = asyncio.Semaphore(at_once), 0

    async def one(each: Coroutine[Any, Any, R]) -> R:
        nonlocal done
        async with gate:
            result = await each
        done += 1
        if progress:
            progress(done / len(work))
        return result

    with first_error():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in work]
    return [task.result() for task in tasks]


@contextmanager
def first_error() -> Iterator[None]:
    """Raise what went wrong first in a group of tasks as if it had been alone."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
