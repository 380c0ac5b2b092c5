"""The animatic: what is played before there are clips, and what of it changes as they land."""

from fractions import Fraction
from typing import Any

from filmforge.domain import Execution, Kind, Review
from filmforge.interchange.recut import Heard, Passage, Recut, Shown
from filmforge.rights import Given
from tests.pages.house import House, come_in

PATH = "/films/attic/animatic.json"


async def reel(house: House) -> dict[str, Any]:
    async with house.client() as client:
        await come_in(client, house.share(Given.SEE))
        answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def page(house: House) -> str:
    async with house.client() as client:
        await come_in(client, house.share(Given.SEE))
        answer = await client.get("/films/attic/play")
    assert answer.status_code == 200, answer.text
    return answer.text


async def stored(house: House, name: str) -> str:
    """Some bytes in the store that stand for a clip or a voice."""
    path = house.folder / name
    path.write_bytes(name.encode())
    digest: str = (await house.store.put(path, "application/octet-stream")).digest
    return digest


async def test_frames_play_with_what_is_said_before_there_is_any_clip(house: House):
    house.shot_list(3)
    first = await house.waiting("An attic")
    told = await reel(house)
    assert (told["duration_s"], told["shots"], told["clips"]) == (9.0, 3, 0)
    one, two, three = told["slots"]
    assert [slot["start_s"] for slot in told["slots"]] == [0, 3, 6]
    assert one["frame_url"] == f"/films/attic/media/{first.digest}"
    assert one["thumb_url"] == f"/films/attic/thumb/{first.digest}"
    assert one["clip_url"] is None
    (line,) = one["lines"]
    assert line["words"] == "So this is where he kept it."
    assert (line["at_s"], line["duration_s"], line["voice_url"]) == (0.25, 2.75, None)
    assert (two["frame_url"], two["lines"]) == (None, [])
    assert two["words"].startswith("A woman opens")
    assert three["lines"][0]["at_s"] == 6.25


async def test_a_clip_takes_the_place_of_its_frame_and_a_voice_that_of_silence(house: House):
    house.shot_list(2)
    frame = await house.waiting("An attic")
    at = (await reel(house))["at"]
    clip, voice = await stored(house, "clip"), await stored(house, "voice")
    await house.take(clip, kind=Kind.VIDEO)
    await house.take(voice, kind=Kind.AUDIO, duration_s=1.0)
    told = await reel(house)
    slot = told["slots"][0]
    assert told["at"] > at
    assert told["clips"] == 1
    assert slot["clip_url"] == f"/films/attic/media/{clip}"
    assert slot["frame_url"] == f"/films/attic/media/{frame.digest}"
    (line,) = slot["lines"]
    assert line["voice_url"] == f"/films/attic/media/{voice}"
    assert (line["at_s"], line["duration_s"], line["offset_s"]) == (0.25, 1.0, 0)


async def test_a_shot_that_is_left_out_is_not_played(house: House):
    house.shot_list(3)
    house.ledger.shots.set(
        "attic", "shot_002", execution=Execution.SUCCEEDED, review=Review.OMITTED
    )
    told = await reel(house)
    assert [slot["shot_id"] for slot in told["slots"]] == ["shot_001", "shot_003"]
    assert told["slots"][1]["start_s"] == 3


async def test_what_overlaps_and_what_fades_is_told_in_seconds(house: House):
    house.shot_list(
        3,
        transition={"type": "crossfade", "duration": "0.5"},
        opening={"type": "fade_from_black", "duration": "1"},
    )
    told = await reel(house)
    one, two, _ = told["slots"]
    assert told["duration_s"] == 8
    assert (two["start_s"], one["overlap_s"], one["style"]) == (2.5, 0.5, "crossfade")
    assert (one["fade_in_s"], one["fade_in"]) == (1, "black")
    assert (two["fade_in_s"], one["fade_out_s"]) == (0, 0)


async def test_cards_stand_in_the_film_with_their_words(house: House):
    house.shot_list(1, title_card={"text": "The Attic", "duration": 2})
    card, shot = (await reel(house))["slots"]
    assert (card["card"], card["words"], card["clip_url"]) == (True, "The Attic", None)
    assert shot["start_s"] == 2


async def test_a_recut_is_played_as_the_editor_cut_it(house: House):
    house.shot_list(2)
    clip, voice = await stored(house, "clip"), await stored(house, "voice")
    await house.take(clip, kind=Kind.VIDEO)
    await house.take(voice, kind=Kind.AUDIO, duration_s=1.0)
    fade = Passage(style="dip_to_white", tail=12, head=12)
    cut = Recut(
        fps=Fraction(24),
        shown=(
            Shown(frames=24, source="colour:white", transition=fade),
            Shown(shot_id="shot_001", digest=clip, start=12, frames=48),
        ),
        heard=(
            Heard(track="Music", at=0, name="score", digest=voice, frames=24),
            Heard(track="Dialogue 2", at=36, name="line", digest=voice, start=6, frames=18),
            Heard(track="Dialogue", at=60, name="breath", digest="f" * 64, frames=12),
        ),
    )
    house.ledger.films.set("attic", execution=Execution.SUCCEEDED)
    house.ledger.films.set_recut("attic", cut.model_dump(mode="json"), "jo")
    told = await reel(house)
    assert told["is_recut"]
    assert told["duration_s"] == 3
    white, shot = told["slots"]
    assert (white["colour"], white["fade_out"], white["fade_out_s"]) == ("white", "white", 0.5)
    assert (shot["shot_id"], shot["offset_s"], shot["fade_in_s"]) == ("shot_001", 0.5, 0.5)
    assert shot["clip_url"] == f"/films/attic/media/{clip}"
    said, breath = shot["lines"]
    assert (said["at_s"], said["offset_s"], said["duration_s"]) == (1.5, 0.25, 0.75)
    assert said["words"] == "So this is where he kept it."
    assert (breath["words"], breath["voice_url"]) == ("breath", None)


async def test_only_who_may_see_the_film_plays_it(house: House):
    house.shot_list(1)
    house.shot_list(1, "other")
    async with house.client() as client:
        assert (await client.get(PATH)).status_code == 401
        await come_in(client, house.share(Given.SEE, "other"))
        for path in (PATH, "/films/attic/play"):
            assert (await client.get(path)).status_code == 401


async def test_the_page_can_be_read_shot_by_shot_and_what_models_wrote_stays_text(house: House):
    house.shot_list(2)
    gate = await house.waiting("An attic")
    text = await page(house)
    assert f'src="/films/attic/thumb/{gate.digest}"' in text
    assert "<q>So this is where he kept it.</q>" in text
    assert "opens the &lt;b&gt;trunk&lt;/b&gt; number 2" in text
    assert "<b>trunk" not in text
    assert "0 of 2 shots have clips" in text
    assert 'aria-current="page">Play' in text


async def test_a_film_that_shows_no_shot_has_nothing_to_play(house: House):
    house.shot_list(1)
    house.ledger.shots.set("attic", "shot_001", review=Review.OMITTED)
    told = await reel(house)
    assert (told["slots"], told["duration_s"]) == ([], 0)
    assert "The film shows no shot." in await page(house)
