"""Films of one shot in which only one maker is paid."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.fakeserver.artwork import Artwork
from filmforge.fakeserver.catalogue import ClipInput, ImageInput
from filmforge.media.probe import verify
from tests.crash.makers import Maker
from tests.world import World

SHOT = "s000"
SIDE = 64
# Before the step that is paid for comes one that a person's own file stands in for.
OWN = {Kind.VIDEO: Kind.IMAGE, Kind.AUDIO: Kind.VIDEO}


async def keep_film(world: World, maker: Maker, words: str, folder: Path) -> str:
    """Keep a film whose one paid request holds these words; returns its id."""
    shot: dict[str, Any] = {"shot_id": SHOT, "enhanced_prompt": words, "duration": 1}
    if maker.kind is Kind.AUDIO:
        shot["dialogue"] = words
    film_id = await asyncio.to_thread(
        world.keep,
        {
            "film_id": f"film-{uuid.uuid4().hex[:16]}",
            "output": {"width": SIDE, "height": SIDE, "fps": 12},
            "stop_after": "frames" if maker.kind is Kind.IMAGE else "clips",
            "providers": {maker.kind.value: maker.ref},
            "shots": [shot],
        },
    )
    if maker.kind in OWN:
        path = await own_file(folder, OWN[maker.kind])
        await _replace(world, film_id, OWN[maker.kind], path)
    return film_id


async def own_file(folder: Path, kind: Kind) -> Path:
    """A person's own picture or clip, made once."""
    path, size = folder / f"own-{kind.value}", {"width": SIDE, "height": SIDE}
    if not path.exists():
        wanted = ImageInput.model_validate({"prompt": "-", **size})
        if kind is Kind.VIDEO:
            length = {"fps": 12, "duration": 1}
            wanted = ClipInput.model_validate({"prompt": "-", **size, **length})
        path.write_bytes(await Artwork(folder).make(wanted, "0" * 64))
    return path


async def _replace(world: World, film_id: str, kind: Kind, path: Path) -> None:
    """Put a file in place of what would be generated, as a person's command does."""
    facts = await asyncio.to_thread(verify, path, kind)
    stored = await world.parts.store.put(path, facts.media_type)
    asset = Asset(**stored.model_dump(), width=SIDE, height=SIDE, duration_s=facts.duration_s)
    upload = GenerationRequest(kind=kind, provider="upload", model="upload", parameters={})
    takes, record = world.ledger.takes, world.shot(film_id, SHOT)
    takes.upload(film_id, SHOT, upload, asset, Tags())
    takes.replace(film_id, SHOT, kind, asset.digest, "a person")
    direction = record.direction.model_copy(update={"replaced": {kind: asset.digest}})
    world.ledger.shots.direct(film_id, SHOT, direction)
