"""What a brief says of cards, looks, text and transitions is seen in the finished film."""

import asyncio
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from filmforge.domain import Kind, Stage
from filmforge.interchange.recut import Recut
from tests.world import World, film_document

Pictures = NDArray[np.int16]
SIZE = {"width": 192, "height": 108, "fps": 12}
CARD, SHOT, FADE = 12, 24, 6
INVERTED = """LUT_3D_SIZE 2
1 1 1
0 1 1
1 0 1
0 0 1
1 1 0
0 1 0
1 0 0
0 0 0
"""


def document(**changes: Any) -> dict[str, Any]:
    """Three shots of two seconds in two scenes, between cards of one second."""
    shots = [
        {
            "shot_id": name,
            "enhanced_prompt": f"{name} of {changes}",
            "duration": 2,
            "scene_id": scene,
            **({"dialogue": "Mind the lamp."} if name == "b" else {}),
        }
        for name, scene in (("a", "day"), ("b", "day"), ("c", "night"))
    ]
    card = {"duration": 1, "fade_in": 0, "fade_out": 0, "background": "#000000"}
    given = {
        "output": SIZE,
        "shots": shots,
        "transition": {"type": "crossfade", "duration": 0.5},
        "title_card": {"text": "ATTIC", **card},
        "end_card": {"text": "END", **card},
        **changes,
    }
    return {**film_document(), **given}


async def made(world: World, **changes: Any) -> tuple[str, Pictures]:
    """The id of a film that was made, and all of its pictures as RGB."""
    film_id = await world.submit(document(**changes))
    await world.finish(film_id)
    return film_id, await pictures(world, film_id)


async def pictures(world: World, film_id: str) -> Pictures:
    """Every picture of a finished film as RGB."""
    outputs = {kind: digest for kind, digest, *_ in world.ledger.films.outputs(film_id)}
    path = Path(world.settings.work_dir) / f"{film_id}.mp4"
    await world.parts.store.fetch(outputs["film"], path)

    def decode() -> Pictures:
        with av.open(str(path)) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        return np.stack(frames).astype(np.int16)

    return await asyncio.to_thread(decode)


def colourfulness(shown: Pictures) -> float:
    return float(np.ptp(shown, axis=-1).mean())


async def test_cards_stand_before_and_after_the_film(world: World) -> None:
    _, shown = await made(world)
    assert len(shown) == CARD + 3 * SHOT + CARD - 3 * FADE, "the last shot goes over into its card"
    for card in (shown[: CARD - 1], shown[-CARD + FADE :]):
        assert colourfulness(card) < 4
        assert card[0].max() > 180, "the text is there"
        assert np.median(card) < 20
    assert colourfulness(shown[CARD + 8 : CARD + 12]) > 30


async def test_a_scene_looks_as_it_is_asked_to_and_the_others_as_the_film(world: World) -> None:
    _, shown = await made(
        world,
        look={"saturation": 0.0},
        scenes={"night": {"look": {"saturation": 1.0, "letterbox": "2.39:1"}}},
    )
    day, night = shown[CARD + 4 : CARD + SHOT], shown[CARD + 2 * (SHOT - FADE) + 8 :][:8]
    assert colourfulness(day) < 6
    assert colourfulness(night) > 25
    assert night[:, :10].max() < 30, "black bars"
    assert day[:, :10].mean() > 40


async def test_a_lut_of_the_users_own_is_applied(world: World) -> None:
    digest = await _kept(world, "invert.cube", INVERTED)
    _, plain = await made(world, transition="cut", title_card=None, end_card=None)
    _, shown = await made(
        world, look={"lut": digest}, transition="cut", title_card=None, end_card=None
    )
    wrong = np.abs(255 - plain[4:20] - shown[4:20]).mean()
    assert wrong < 8


async def test_text_is_burnt_in_while_it_is_said_and_the_rest_is_copied(world: World) -> None:
    subtitles = {"tracks": [{"language": "en"}], "burn_in": "en", "soft": False}
    _, bare = await made(world, transition="cut")
    _, shown = await made(world, transition="cut", subtitles=subtitles)
    assert len(bare) == len(shown)
    changed = np.abs(bare - shown)[:, 70:].reshape(len(bare), -1).max(axis=1) > 90
    first, last = np.flatnonzero(changed)[[0, -1]]
    assert CARD + SHOT <= first < last < CARD + 2 * SHOT, "only in the shot that speaks"
    assert changed[first : last + 1].all()
    assert not np.abs(bare - shown)[: CARD + SHOT].any()
    assert not np.abs(bare - shown)[CARD + 2 * SHOT :].any()


async def test_a_recut_film_is_assembled_anew_without_a_charge(world: World) -> None:
    film_id, before = await made(world, transition="cut")
    charged = world.fake.charges()
    takes = world.ledger.takes.of_film(film_id)
    clips = {name: takes[name][-1] for name in "abc"}
    video = {n: next(t for t in ts if t.kind == Kind.VIDEO) for n, ts in takes.items()}
    assert set(clips) == set(video)
    shown = [
        {"shot_id": "c", "digest": video["c"].digest, "start": 6, "frames": 10},
        {"shot_id": None, "frames": 5},
        {
            "shot_id": "a",
            "digest": video["a"].digest,
            "frames": 20,
            "transition": {"style": "crossfade", "tail": 4, "head": 4},
        },
        {"shot_id": "c", "digest": video["c"].digest, "frames": 9},
    ]
    recut = Recut.model_validate({"fps": 12, "shown": shown, "heard": None})
    world.ledger.films.set_recut(film_id, recut.model_dump(mode="json"), "ada")
    await world.start_again(film_id, Stage.FILM)
    await world.finish(film_id)
    after = await pictures(world, film_id)
    assert len(after) == 10 + 5 + 20 + 9 - 4
    assert np.abs(after[:10] - before[CARD + 2 * SHOT + 6 :][:10]).mean() < 6
    assert after[10:15].max() < 20
    assert np.abs(after[15:30] - before[CARD:][:15]).mean() < 6
    assert world.fake.charges() == charged


async def _kept(world: World, name: str, text: str) -> str:
    """The digest of a file as a person uploads it."""
    path = Path(world.settings.work_dir) / name
    await asyncio.to_thread(path.write_text, text)
    stored = await world.parts.store.put(path, "text/plain")
    return stored.digest
