"""A finished film is given out: signed, with its subtitles, credits and deliveries."""

import asyncio
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import pytest_asyncio

import activities.telling
from filmforge.commands import Cancel, TryAgain
from filmforge.cut.room import CuttingRoom
from filmforge.domain import Execution, Kind, Stage
from filmforge.embedded import Servers
from filmforge.errors import BadInput
from filmforge.interchange.recut import Recut
from filmforge.interchange.timeline import recut_of
from filmforge.media.captionfile import read_captions
from filmforge.media.probe import MediaFacts, probe
from filmforge.media.voiced import Span, speech_spans
from filmforge.provenance.credentials import Credentials, State
from filmforge.provenance.read import read
from tests.fake_process import FakeServer
from tests.world import World, film_document, open_world

PREVIEW = {"image": "preview:storyboard", "video": "preview:camera", "audio": "preview:voice"}
FPS = Fraction(12)
LEAD_S = Fraction(1, 4)
DELIVERIES: dict[str, dict[str, Any]] = {
    "upright": {"format": "h264", "aspect": "9:16"},
    "small": {"format": "vp9", "height": 64},
    "stream": {"format": "hls"},
    "poster": {"format": "poster"},
    "moving": {"format": "gif", "width": 128},
    "boards": {"format": "storyboard"},
}


def document(**changes: Any) -> dict[str, Any]:
    """Two shots of two seconds, the second of which says something."""
    shots: list[dict[str, Any]] = [
        {"shot_id": "a", "enhanced_prompt": f"an attic, {changes}", "duration": 2},
        {"shot_id": "b", "enhanced_prompt": "a lamp", "duration": 3, "dialogue": "Mind the lamp."},
    ]
    return {
        **film_document(),
        "title": "Attic",
        "providers": PREVIEW,
        "output": {"width": 160, "height": 90, "fps": 12},
        "shots": shots,
        **changes,
    }


async def made(world: World, **changes: Any) -> str:
    """The id of a film that was made."""
    film_id = await world.submit(document(**changes))
    await world.finish(film_id)
    return film_id


def outputs(world: World, film_id: str) -> dict[str, str]:
    """The digest of each output."""
    return {output.kind: output.digest for output in world.ledger.films.given(film_id)}


async def fetched(world: World, film_id: str, kind: str) -> Path:
    """An output as a file."""
    return await stored(world, outputs(world, film_id)[kind])


async def stored(world: World, digest: str) -> Path:
    path = Path(world.settings.work_dir) / digest
    await world.parts.store.fetch(digest, path)
    return path


async def credentials(world: World, digest: str) -> Credentials:
    return await asyncio.to_thread(read, await stored(world, digest))


@pytest_asyncio.fixture(loop_scope="session")
async def film_id(world: World) -> str:
    return await made(world)


async def test_the_film_is_signed_and_names_the_model_of_each_clip_and_voice(
    world: World, film_id: str
) -> None:
    found = await credentials(world, outputs(world, film_id)["film"])
    assert found.state is State.DEVELOPMENT
    assert found.title == "Attic"
    told = [made for part in found.ingredients for made in part.made]
    assert sorted((made.shot_id, f"{made.provider}:{made.model}") for made in told) == [
        ("a", "preview:camera"),
        ("a", "preview:storyboard"),
        ("b", "preview:camera"),
        ("b", "preview:storyboard"),
        ("b", "preview:voice"),
    ]


async def test_the_film_as_it_was_joined_is_never_given_out(world: World, film_id: str) -> None:
    films = [o for o in world.ledger.films.given(film_id) if o.media_type == "video/mp4"]
    assert [film.kind for film in films] == ["film"]
    told = {event.data["digest"] for event in world.events(film_id, "film.output")}
    assert told == set(outputs(world, film_id).values())


async def test_every_clip_in_use_has_a_signed_copy(world: World, film_id: str) -> None:
    for shot_id in ("a", "b"):
        shot = world.shot(film_id, shot_id)
        assert shot.signed_digest
        assert shot.signed_digest != shot.video_digest
        found = await credentials(world, shot.signed_digest)
        assert found.state is State.DEVELOPMENT
        assert "preview" in str(found.actions[0].made)


async def test_a_new_clip_loses_the_signed_copy_of_the_old_one(world: World) -> None:
    film_id = await made(world)
    other = world.shot(film_id, "b").video_digest
    assert other

    def replace() -> None:
        world.ledger.takes.replace(film_id, "a", Kind.VIDEO, other, "editor")

    await asyncio.to_thread(replace)
    assert world.shot(film_id, "a").signed_digest is None


async def test_a_film_that_is_released_again_is_the_same_file(world: World) -> None:
    film_id = await made(world)
    before, signed = outputs(world, film_id), world.shot(film_id, "a").signed_digest
    events = len(world.events(film_id, "film.output"))
    await world.start_again(film_id, Stage.FILM)
    await world.finish(film_id)
    assert outputs(world, film_id) == before
    assert world.shot(film_id, "a").signed_digest == signed
    assert len(world.events(film_id, "film.output")) == events


async def test_the_credits_say_which_models_made_what(world: World, film_id: str) -> None:
    found = json.loads((await fetched(world, film_id, "credits.json")).read_text())
    assert found["title"] == "Attic"
    assert {(each["role"], each["model"], each["in_film"]) for each in found["made_with"]} == {
        ("frame", "storyboard", 2),
        ("clip", "camera", 2),
        ("voice", "voice", 1),
    }
    text = (await fetched(world, film_id, "credits.txt")).read_text()
    assert "Voices\npreview:voice: 1\n" in text


async def test_subtitles_are_files_and_tracks_timed_by_the_voice(world: World) -> None:
    tracks = [
        {"language": "en"},
        {"language": "de", "name": "Deutsch", "lines": {"b": "Vorsicht, die Lampe."}},
    ]
    film_id = await made(world, subtitles={"tracks": tracks})
    (english,) = read_captions(await fetched(world, film_id, "subtitles.en.vtt"), FPS)
    (german,) = read_captions(await fetched(world, film_id, "subtitles.de.srt"), FPS)
    assert (english.lines, german.lines) == (("Mind the lamp.",), ("Vorsicht, die Lampe.",))
    voice = await stored(world, world.shot(film_id, "b").audio_digest or "")
    begins = speech_spans(voice)[0][0]
    heard_at = 2 + LEAD_S + begins
    assert abs(english.start / FPS - heard_at) <= Fraction(1, 12)
    assert german.start == english.start
    with av.open(str(await fetched(world, film_id, "film"))) as film:
        languages = [stream.language for stream in film.streams.subtitles]
        (first, *_) = [
            packet for packet in film.demux(film.streams.subtitles[0]) if len(bytes(packet)) > 2
        ]
    assert languages == ["eng", "deu"]
    assert b"Mind the lamp." in bytes(first)
    assert first.pts is not None
    assert first.time_base is not None
    assert 0 <= english.start / FPS - first.pts * first.time_base < Fraction(1, 100)


async def test_no_subtitle_beyond_the_end_holds_a_film_back(world: World, tmp_path: Path) -> None:
    times = ("00:00:00,500 --> 00:00:01,000", "00:00:04,000 --> 00:00:09,000")
    late = "00:00:10,000 --> 00:00:11,000"
    path = tmp_path / "late.srt"
    path.write_text("".join(f"1\n{time}\nWords.\n\n" for time in (*times, late)))
    digest = (await world.parts.store.put(path, "application/x-subrip")).digest
    subtitles = {"tracks": [{"language": "en", "file": digest}], "burn_in": "en"}
    film_id = await made(world, subtitles=subtitles)
    read = read_captions(await fetched(world, film_id, "subtitles.en.srt"), FPS)
    assert [(cue.start, cue.end) for cue in read] == [(6, 12), (48, 60)]
    (told,) = world.events(film_id, "film.subtitles")
    assert told.data["remarks"] == [
        "subtitles en: beyond the film's end, at 5.00 s: 1 of 3 are left out, the last is cut short"
    ]


async def test_a_voice_is_listened_to_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def listening(path: Path) -> tuple[Span, ...]:
        asked.append(path)
        return speech_spans(path)

    monkeypatch.setattr("activities.captioning.speech_spans", listening)
    tracks = [{"language": "en"}, {"language": "fr", "lines": {"b": "Attention."}}]
    said = {"dialogue": "Nobody has said this before.", "shot_id": "b", "duration": 3}
    shots = [{"enhanced_prompt": "a lamp", **said}]
    await made(world, shots=shots, subtitles={"tracks": tracks, "burn_in": "en"})
    assert len(asked) == 1


async def test_every_delivery_is_what_it_says(world: World) -> None:
    wishes = [{"name": name, **wish} for name, wish in DELIVERIES.items()]
    for wish in wishes:
        if wish["format"] not in ("poster", "storyboard", "contact_sheet"):
            wish["quality"] = "draft"
    film_id = await made(world, deliveries=wishes)
    found = {o.kind: o.media_type for o in world.ledger.films.given(film_id)}
    assert {name: found[name] for name in DELIVERIES} == {
        "upright": "video/mp4",
        "small": "video/webm",
        "stream": "application/vnd.apple.mpegurl",
        "poster": "image/jpeg",
        "moving": "image/gif",
        "boards": "application/pdf",
    }
    upright = await facts(world, film_id, "upright")
    assert (upright.width, upright.height, upright.frames) == (90, 160, 60)
    small = await facts(world, film_id, "small")
    assert (small.height, small.video_codec) == (64, "vp9")
    poster = await facts(world, film_id, "poster")
    assert (poster.width, poster.height) == (160, 90)
    assert (await fetched(world, film_id, "boards")).read_bytes().startswith(b"%PDF")
    assert (await fetched(world, film_id, "moving")).read_bytes().startswith(b"GIF8")
    for kind in ("upright", "poster"):
        signed = await credentials(world, outputs(world, film_id)[kind])
        assert signed.state is State.DEVELOPMENT


async def facts(world: World, film_id: str, kind: str) -> MediaFacts:
    return await asyncio.to_thread(probe, await fetched(world, film_id, kind))


async def test_a_delivery_tells_how_far_its_encoder_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.telling, "EVERY_S", 0.01)
    film_id = await made(world, deliveries=[{"format": "vp9", "name": "web", "height": 1080}])
    told = [event.data for event in world.events(film_id, "film.progress")]
    shares = [each["share"] for each in told if each["step"] == "web"]
    assert shares
    assert shares == sorted(set(shares))


async def test_all_files_of_a_stream_are_kept(world: World) -> None:
    film_id = await made(world, deliveries=[{"format": "hls", "quality": "draft", "name": "hls"}])
    (stream,) = [o for o in world.ledger.films.given(film_id) if o.kind == "hls"]
    assert stream.recipe_key
    files = {making.name: making for making in world.ledger.makings.of(stream.recipe_key)}
    playlist = (await stored(world, stream.digest)).read_text()
    named = [line for line in playlist.splitlines() if line and not line.startswith("#")]
    assert named
    assert all(f"hls/{name}" in files for name in named)
    for making in files.values():
        assert await world.parts.store.size(making.digest) == making.size


async def test_a_delivery_that_cannot_be_made_loses_neither_the_film_nor_the_others(
    world: World,
) -> None:
    wishes = [{"format": "poster", "frame": 10_000}, {"format": "gif", "quality": "draft"}]
    film_id = await world.submit(document(deliveries=wishes))
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert world.ledger.films.read(film_id).reason == "undelivered"
    assert {"film", "gif-draft"} <= outputs(world, film_id).keys()
    (told,) = world.events(film_id, "film.undelivered")
    assert told.data["kind"] == "poster-frame10000"
    assert "10000" in str(told.data["message"]).replace(",", "")
    given = outputs(world, film_id)
    answer = await world.command(film_id, TryAgain(who="ada"))
    assert answer.outcome == "accepted"
    await world.until(lambda: len(world.events(film_id, "film.undelivered")) == 2)
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    assert outputs(world, film_id) == given


async def test_a_new_cut_is_given_out_with_nothing_of_the_cut_before(world: World) -> None:
    """The poster shows a frame that the shorter cut does not have; going back, all is there."""
    wishes = [{"format": "poster", "frame": 40}, {"format": "gif", "quality": "draft"}]
    film_id = await made(world, deliveries=wishes)
    before = outputs(world, film_id)
    await cut(world, film_id, lambda whole: {"shown": whole.shown[:1], "heard": None})
    await world.until_film(film_id, Execution.NEEDS_ATTENTION)
    shorter = outputs(world, film_id)
    assert before.keys() - shorter.keys() == {"poster-frame40"}
    assert not {shorter[kind] for kind in ("film", "gif-draft")} & set(before.values())
    await world.command(film_id, Cancel(who="ada"))
    await world.until_film(film_id, Execution.CANCELLED)
    await cut(world, film_id, None)
    await world.finish(film_id)
    assert outputs(world, film_id) == before


async def cut(world: World, film_id: str, edit: Callable[[Recut], dict[str, Any]] | None) -> None:
    """Let the film be cut otherwise, or in its own cut again, as the gateway does."""

    def keep() -> None:
        whole = recut_of(CuttingRoom(world.ledger).timeline(film_id))
        wanted = whole.model_copy(update=edit(whole)) if edit else None
        document = wanted.model_dump(mode="json", exclude_defaults=True) if wanted else None
        world.ledger.films.set_recut(film_id, document, "ada")

    await world.until_closed(film_id)
    await asyncio.to_thread(keep)
    await world.start_again(film_id, Stage.FILM)


async def test_a_certificate_that_cannot_sign_is_told_before_any_film_is_made(
    servers: Servers, shared_fake: FakeServer, tmp_path: Path
) -> None:
    nowhere = {"provenance_certificate": tmp_path / "unfit.pem", "provenance_key": tmp_path / "key"}
    with pytest.raises(BadInput, match="PROVENANCE_CERTIFICATE: "):
        async with open_world(servers, shared_fake, tmp_path, **nowhere):
            pytest.fail("a worker has started")
