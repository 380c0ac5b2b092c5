"""Drawing: the pictures of a film, each made once: pieces, cards, passages and text."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from activities.marks import Marks
from activities.workshop import Workshop
from filmforge.brief import Output
from filmforge.cut.cards import card_recipe
from filmforge.cut.layout import Slot, frames_of
from filmforge.cut.lettering import Lettered
from filmforge.cut.reel import Passage
from filmforge.cut.timeline import COLOUR
from filmforge.domain import Asset, GenerationRequest, Ingredient
from filmforge.look import Look
from filmforge.media.burn import BurnSpec, burn_in
from filmforge.media.cards import draw_card, draw_plate
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.passage import Piece, Way, draw_blend, draw_fade
from filmforge.recipe import recipe_of
from filmforge.subtitles import Card, Subtitles


class Drawing:
    """Draws the parts of a film, over the workshop."""

    def __init__(self, workshop: Workshop, marks: Marks) -> None:
        self._workshop = workshop
        self._marks = marks

    async def card(self, card: Card, output: Output) -> Asset:
        """A card's clip, which is conformed as any other clip is."""
        recipe = card_recipe(card, output)
        slot = Slot(shot_id="card", frames=frames_of(card.duration, output.fps))

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path = folder / "card.mov"
            font = sources[0] if sources else None
            await draw_card(card, path, spec_of(slot, output), folder, font)
            return path

        return await self._workshop.made(recipe, make, intermediate=True)

    async def piece(
        self, source: str, slot: Slot, output: Output, look: Look
    ) -> tuple[Asset, GenerationRequest]:
        """A clip or a plain colour as a piece that joins any other, and the piece's recipe."""
        spec = spec_of(slot, output, look)
        recipe = _piece_recipe(source, spec)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("conforming", recipe.key)
            path = folder / "piece.mov"
            if source.startswith(COLOUR):
                await draw_plate(source.removeprefix(COLOUR), path, spec)
            else:
                await conform(sources[0], path, spec, sources[1] if look.lut else None)
            return path

        piece = await self._workshop.made(recipe, make, intermediate=True)
        self._marks.reach("conformed", recipe.key)
        return piece, recipe

    async def part(
        self,
        part: Passage | Lettered,
        slots: Sequence[Slot],
        pieces: Sequence[str],
        output: Output,
        subtitles: Subtitles | None,
    ) -> str:
        """The digest of a part of the film that is not copied from its pieces."""
        if isinstance(part, Passage):
            return await self._passage(part, slots, pieces, output)
        assert subtitles is not None, "text comes of subtitles"
        under = part.part
        if isinstance(under, Passage):
            source = await self._passage(under, slots, pieces, output)
            return await self._lettered(part, source, 0, output, subtitles)
        return await self._lettered(part, pieces[under.shot], under.start, output, subtitles)

    async def _passage(
        self, passage: Passage, slots: Sequence[Slot], pieces: Sequence[str], output: Output
    ) -> str:
        lengths, fps = [slots[shot].frames for shot in passage.shots], output.fps

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path = folder / "passage.mov"
            given = [Piece(path=p, frames=n) for p, n in zip(sources, lengths, strict=True)]
            if passage.colour:
                way: Way = "from" if passage.leaving is None else "to"
                await draw_fade(way, passage.colour, given[0], passage.frames, path, fps)
            else:
                leaving, coming = given
                await draw_blend(passage.look, leaving, coming, passage.frames, path, fps)
            return path

        told = passage.model_dump(mode="json", include={"look", "frames", "colour"})
        parameters = {**told, "fps": str(fps), "lengths": cast(JsonValue, lengths)}
        inputs = [Ingredient(role="piece", digest=pieces[shot]) for shot in passage.shots]
        recipe = recipe_of("passage", parameters, inputs)
        return (await self._workshop.made(recipe, make, intermediate=True)).digest

    async def _lettered(
        self, part: Lettered, source: str, start: int, output: Output, subtitles: Subtitles
    ) -> str:
        language = subtitles.burn_in or "und"
        spec = BurnSpec(width=output.width, height=output.height, fps=output.fps, language=language)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path, font = folder / "lettered.mov", sources[1] if subtitles.font else None
            stretch = (start, start + part.frames)
            await burn_in(sources[0], path, part.cues, spec, folder, font=font, stretch=stretch)
            return path

        parameters: dict[str, JsonValue] = {
            "start": start,
            "frames": part.frames,
            "cues": [cue.model_dump(mode="json") for cue in part.cues],
            "spec": spec.model_dump(mode="json"),
        }
        inputs = [Ingredient(role="piece", digest=source)]
        if subtitles.font:
            inputs.append(Ingredient(role="font", digest=subtitles.font))
        recipe = recipe_of("lettered", parameters, inputs)
        return (await self._workshop.made(recipe, make, intermediate=True)).digest


def spec_of(slot: Slot, output: Output, look: Look | None = None) -> ConformSpec:
    """What a shot's piece is to be."""
    return ConformSpec(
        width=output.width,
        height=output.height,
        fps=output.fps,
        start_frames=slot.start,
        frames=slot.frames,
        head_frames=slot.head,
        tail_frames=slot.tail,
        look=look or Look(),
    )


def _piece_recipe(source: str, spec: ConformSpec) -> GenerationRequest:
    parameters: dict[str, JsonValue] = {"spec": spec.model_dump(mode="json")}
    if source.startswith(COLOUR):
        return recipe_of("plate", {**parameters, "colour": source})
    inputs = [Ingredient(role="clip", digest=source)]
    if spec.look.lut:
        inputs.append(Ingredient(role="lut", digest=spec.look.lut))
    return recipe_of("conform", parameters, inputs)
