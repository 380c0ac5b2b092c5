"""A real film goes to an editor and comes back over HTTP; nothing is ever paid for again."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import opentimelineio as otio
import pytest
from opentimelineio.opentime import RationalTime, TimeRange

from filmforge.domain import Asset, Execution, Kind
from filmforge.gateway import rhythm
from filmforge.interchange.media_names import digest_prefix
from filmforge.interchange.recut import WHITE
from filmforge.ledger.comments import Comment
from filmforge.marks import Remark
from tests.gateway.editing import FPS, OUTPUT, QUALITY, Editor, picture, reviewed
from tests.gateway.editing import editor as editor  # the fixtures of the tests below
from tests.gateway.editing import finished as finished
from tests.gateway.editing import module_fake as module_fake
from tests.gateway.test_whole import gateway
from tests.world import World, film_document

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMATS = ("otio", "otioz", "edl", "fcpxml")
NOTE = "Hold this longer"


async def test_an_independent_reader_opens_every_format(editor: Editor, tmp_path: Path) -> None:
    told = await editor.timeline()
    clips = list(picture(told).find_clips())
    assert [clip.name for clip in clips] == ["s000", "s001", "s002", "s003"]
    edl = otio.adapters.read_from_string(
        (await editor.export("edl")).decode(), "cmx_3600", rate=FPS
    )
    assert [clip.name for clip in edl.tracks[0].find_clips()] == [c.name for c in clips]
    fcpx = otio.adapters.read_from_string((await editor.export("fcpxml")).decode(), "fcpx_xml")
    assert fcpx.find_clips()
    (tmp_path / "film.otioz").write_bytes(await editor.export("otioz"))
    bundle = otio.adapters.read_from_file(str(tmp_path / "film.otioz"))
    names = [clip.media_reference.target_url for clip in bundle.find_clips()]
    with zipfile.ZipFile(tmp_path / "film.otioz") as archive:
        assert set(names) < set(archive.namelist())


async def test_every_clip_says_how_it_was_made(editor: Editor) -> None:
    takes = editor.world.ledger.takes.of_film(editor.film_id)
    told = await editor.timeline()
    clips = {clip.name: clip.metadata["filmforge"] for clip in picture(told).find_clips()}
    (take,) = [take for take in takes["s002"] if take.kind == "video"]
    request = editor.world.ledger.journal.read(take.request_key).request
    assert clips["s002"]["seed"] == request.seed
    assert clips["s002"]["request_key"] == take.request_key
    assert clips["s002"]["digest"] == take.digest
    assert clips["s002"]["cost_usd"] == format(take.cost, "f")
    assert (clips["s002"]["provider"], clips["s002"]["model"]) == (take.provider, take.model)
    assert clips["s002"]["prompt"] == request.parameters["prompt"]


async def test_media_are_listed_by_the_names_that_files_use(editor: Editor) -> None:
    listed = (await editor.http.get(f"{editor.path}/timeline/media")).json()["files"]
    timeline = await editor.timeline()
    used = [clip.media_reference.target_url for clip in timeline.find_clips()]
    assert {file["name"] for file in listed} == set(used)
    for file in listed:
        assert file["digest"].startswith(digest_prefix(file["name"]) or "?")
    async with httpx.AsyncClient(trust_env=False) as outside:
        assert len((await outside.get(listed[0]["url"])).content) == listed[0]["size"]


async def test_an_export_leaves_no_file_behind_and_is_named(editor: Editor) -> None:
    answer = await editor.http.get(f"{editor.path}/timeline", params={"format": "otioz"})
    assert answer.headers["content-type"] == "application/zip"
    assert f'{editor.film_id}.otioz"' in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert list((editor.world.settings.work_dir / "exports").iterdir()) == []


@pytest.mark.parametrize("format_", FORMATS)
async def test_what_was_exported_is_the_same_film(editor: Editor, format_: str) -> None:
    frames = await editor.frames()
    answer = await editor.recut(await editor.export(format_), dry_run=True)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["frames"] == frames
    assert told["shots"] == ["s000", "s001", "s002", "s003"]
    assert (told["omitted"], told["notes"]) == ([], 0)


async def test_an_edited_timeline_is_made_to_the_frame_and_its_notes_are_kept(
    editor: Editor,
) -> None:
    """Reordered, trimmed, one shot dropped, a crossfade instead of a cut, and a marker."""
    timeline = await editor.timeline()
    clips = {clip.name: clip.clone() for clip in picture(timeline).find_clips()}
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    ranges = {"s003": (2, 7), "s000": (4, 9), "s002": (3, 6)}
    for name, (start, frames) in ranges.items():
        clips[name].source_range = TimeRange(RationalTime(start, FPS), RationalTime(frames, FPS))
        track.append(clips[name])
    dissolve = otio.schema.Transition(
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=RationalTime(2, FPS),
        out_offset=RationalTime(1, FPS),
    )
    track.insert(1, dissolve)
    where = TimeRange(RationalTime(4, FPS), RationalTime(0, FPS))
    clips["s002"].markers.append(otio.schema.Marker(name="Edit", marked_range=where, comment=NOTE))
    timeline.tracks[0] = track
    told = await editor.cut(timeline)
    assert told["shots"] == ["s003", "s000", "s002"]
    assert told["omitted"] == ["s001"]
    assert told["frames"] == 7 + 9 + 6
    assert told["notes"] == 1
    assert await editor.frames() == 22
    for format_ in FORMATS:
        again = await editor.recut(await editor.export(format_), dry_run=True)
        assert again.json()["frames"] == 22
        assert again.json()["notes"] == 0
        assert again.json()["shots"] == told["shots"]
    await editor.clear()
    (marked,) = [c for c in picture(await editor.timeline()).find_clips() if c.name == "s002"]
    (marker,) = [m for m in marked.markers if m.comment == NOTE]
    assert marker.marked_range.start_time.value == 4
    actions = [entry.action for entry in editor.world.ledger.gates.trail(editor.film_id)]
    assert actions[-3:] == ["note", "recut", "recut.cleared"]


async def test_comments_go_out_in_every_format_and_come_back_to_the_film_that_has_them(
    editor: Editor,
) -> None:
    """On a frame, on a clip at a time that is shown and at one that is not, and a reply."""
    ledger, film_id = editor.world.ledger, editor.film_id
    shot = editor.world.shot(film_id, "s003")
    box = {"kind": "rectangle", "x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}

    def say(digest: str | None, text: str, **more: Any) -> Comment:
        remark = Remark.model_validate({"digest": digest, "text": text, **more})
        return ledger.comments.add(film_id, "s003", remark, "Kim (link Acme)", "share x")

    first = say(shot.image_digest, "Less light:\n<here> & there", marks=[box])
    say(shot.image_digest, "Yes.", parent_id=first.comment_id)
    say(shot.video_digest, "She blinks.", at_ms=640)
    say(shot.video_digest, "Too late.", at_ms=90_000)
    (clip,) = [c for c in picture(await editor.timeline()).find_clips() if c.name == "s003"]
    assert [each.name for each in clip.markers] == ["Comment", "Reply", "Comment", "Comment"]
    told = clip.markers[0].metadata["filmforge"]
    assert (told["who"], told["resolved"], told["place"]) == (
        "Kim (link Acme)",
        False,
        "upper left",
    )
    exports = [await editor.export(format_) for format_ in FORMATS]
    ledger.comments.resolve(film_id, "s003", first.comment_id, "ada")
    for exported in exports:
        again = await editor.recut(exported, dry_run=True)
        assert again.status_code == 200, again.text
        assert again.json()["notes"] == 0


async def test_a_note_on_plain_white_is_a_note_on_the_film(editor: Editor) -> None:
    timeline = await editor.timeline()
    second = TimeRange(RationalTime(0, FPS), RationalTime(FPS, FPS))
    white = otio.schema.Clip(name=WHITE, source_range=second)
    white.markers.append(otio.schema.Marker(name="Edit", marked_range=second, comment=NOTE))
    picture(timeline).append(white)
    answer = await editor.recut(timeline.to_json_string(), dry_run=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["notes"] == 1
    assert answer.json()["frames"] == await editor.frames() + FPS


async def test_an_archive_that_is_too_large_is_to_be_sent_without_its_media(
    editor: Editor,
) -> None:
    world = editor.world
    small = world.settings.model_copy(update={"max_asset_bytes": 1_000})
    async with gateway(World(small, world.client, world.parts, world.fake)) as http:
        body = await editor.export("otioz")
        answer = await http.post(f"{editor.path}/recut", content=body)
    assert answer.status_code == 413
    assert "send the .otio or .fcpxml alone" in answer.json()["detail"]


async def test_a_cut_says_which_subtitles_it_loses_and_is_made_without_them(
    finished: Editor, tmp_path: Path
) -> None:
    world, http = finished.world, finished.http
    times = ("00:00:00,200 --> 00:00:00,900", "00:00:01,500 --> 00:00:01,900")
    text = "\n".join(f"1\n{time}\nWords.\n" for time in times)
    digest = (await http.post("/v1/assets", content=text)).json()["digest"]
    tracks = [{"language": "en", "file": digest}]
    document = film_document(2, output=OUTPUT, quality=QUALITY, subtitles={"tracks": tracks})
    film_id = (await http.post("/v1/films", json=document)).json()["film_id"]
    mine = Editor(world, http, film_id, finished.folder)
    await mine.made()
    assert (await http.get(mine.path)).json()["remarks"] == []
    timeline = await mine.timeline()
    del picture(timeline)[1:]
    (asked,) = (await mine.recut(timeline.to_json_string(), dry_run=True)).json()["remarks"]
    assert asked == "subtitles en: beyond the film's end, at 1.00 s: 1 of 2 are left out"
    assert (await mine.cut(timeline))["remarks"] == [asked]
    assert (await http.get(mine.path)).json()["remarks"] == [asked]
    await mine.clear()
    assert (await http.get(mine.path)).json()["remarks"] == []
    shorter = await mine.uploaded(tmp_path / "reference.mp4", [("red", 10), ("blue", 14)])
    wish = {"reference": shorter, "mapping": "cyclic"}
    suggested = (await http.post(f"{mine.path}/rhythm", json=wish)).json()
    assert suggested["frames"] == 24
    assert suggested["remarks"] == [asked]


async def test_going_back_gives_the_very_film_again(editor: Editor) -> None:
    outputs = editor.world.ledger.films.outputs(editor.film_id)
    timeline = await editor.timeline()
    del picture(timeline)[3:]
    await editor.cut(timeline)
    assert editor.world.ledger.films.outputs(editor.film_id) != outputs
    await editor.clear()
    assert editor.world.ledger.films.outputs(editor.film_id) == outputs


async def test_sound_that_outlasts_the_picture_is_cut_off_and_said(editor: Editor) -> None:
    timeline = await editor.timeline()
    del picture(timeline)[1:]
    answer = await editor.recut(timeline.to_json_string(), dry_run=True)
    (remark,) = answer.json()["remarks"]
    assert "after the film" in remark


async def test_an_edl_from_other_hands_cuts_the_film(editor: Editor) -> None:
    """Without our comments, as an editor writes it again: clip names are all there is."""
    text = (await editor.export("edl")).decode()
    plain = "\n".join(line for line in text.splitlines() if "FILMFORGE" not in line)
    told = (await editor.recut(plain, dry_run=True)).json()
    assert told["shots"] == ["s000", "s001", "s002", "s003"]
    assert told["frames"] == await editor.frames()


def _elsewhere(timeline: otio.schema.Timeline) -> None:
    clip = picture(timeline)[0]
    clip.media_reference.target_url = "/volumes/other/holiday.mov"
    clip.name = "holiday"
    del clip.metadata["filmforge"]


def _too_long(timeline: otio.schema.Timeline) -> None:
    clip = picture(timeline)[0]
    clip.source_range = TimeRange(RationalTime(0, FPS), RationalTime(5_000, FPS))


def _faster(timeline: otio.schema.Timeline) -> None:
    picture(timeline)[0].effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))


@pytest.mark.parametrize("spoil", [_elsewhere, _too_long, _faster])
async def test_what_the_film_does_not_have_is_refused_by_name(
    editor: Editor, spoil: Callable[[otio.schema.Timeline], None]
) -> None:
    timeline = await editor.timeline()
    spoil(timeline)
    answer = await editor.recut(timeline.to_json_string())
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"]
    assert error["remedy"]
    assert editor.world.ledger.films.read(editor.film_id).recut is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"PK\x03\x04 no zip", b"<fcpxml", b"a text of no format", b"{}"]
)
async def test_what_is_no_timeline_is_refused_with_a_remedy(editor: Editor, body: bytes) -> None:
    answer = await editor.recut(body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] in ("file", "otio", "otioz", "fcpxml")
    assert error["remedy"]


async def test_a_film_that_is_not_made_is_neither_exported_nor_recut(editor: Editor) -> None:
    document = film_document(2, budget_usd="0.001")
    unmade = (await editor.http.post("/v1/films", json=document)).json()["film_id"]
    await editor.world.until_film(unmade, Execution.NEEDS_ATTENTION)
    path = f"/v1/films/{unmade}"
    told = await editor.http.get(f"{path}/timeline")
    assert told.status_code == 409
    assert "s000, s001" in told.json()["detail"]
    running = await editor.http.post(f"{path}/recut", content=await editor.export())
    assert running.status_code == 409
    assert "cancel it first" in running.json()["detail"]
    await editor.http.post(f"{path}/cancel")
    await editor.world.until_film(unmade, Execution.CANCELLED)
    ended = await editor.http.post(f"{path}/recut", content=await editor.export())
    assert ended.status_code == 409
    assert "are not finished" in ended.json()["detail"]
    assert editor.world.ledger.films.read(unmade).execution == Execution.CANCELLED


async def test_the_rhythm_of_another_film_is_taken_on(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference of four shots, each longer than the one before it; it is looked through once."""
    scenes = [("red", 10), ("blue", 12), ("white", 16), ("green", 22)]
    reference = await editor.uploaded(tmp_path / "reference.mp4", scenes)
    wish = {"reference": reference, "mapping": "scaled"}
    answer = await editor.http.post(f"{editor.path}/rhythm", json=wish)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["rhythm"]["shots"] == 4
    assert [length["shot_id"] for length in told["lengths"]] == ["s000", "s001", "s002", "s003"]
    lengths = [length["frames"] for length in told["lengths"]]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[3]
    before = await editor.frames()
    monkeypatch.setattr(rhythm, "PATIENCE_S", 0.0)
    applied = await editor.http.post(f"{editor.path}/rhythm", json={**wish, "apply": True})
    assert applied.status_code == 202, applied.text
    assert applied.json()["lengths"] == told["lengths"]
    await editor.made()
    assert await editor.frames() == told["frames"] < before


@pytest.mark.parametrize("reference", ["0" * 64, "no digest"])
async def test_a_reference_that_nobody_uploaded_is_refused(editor: Editor, reference: str) -> None:
    answer = await editor.http.post(f"{editor.path}/rhythm", json={"reference": reference})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "reference"


async def test_a_reference_that_is_stored_no_more_is_to_be_uploaded_again(editor: Editor) -> None:
    lost = Asset(digest="e" * 64, media_type="video/mp4", size=1)
    editor.world.ledger.assets.upload(lost, Kind.VIDEO)
    answer = await editor.http.post(f"{editor.path}/rhythm", json={"reference": lost.digest})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == "reference"
    assert "Upload the film again" in error["remedy"]


async def test_approvals_rejections_and_older_takes_go_out_and_come_back(
    finished: Editor, tmp_path: Path
) -> None:
    """The editor relinks a shot that was replaced to its earlier take: the old film is made."""
    world = finished.world
    film_id = await reviewed(world)
    mine = Editor(world, finished.http, film_id, finished.folder)
    film = await mine.picture()
    first, second = picture(await mine.timeline()).find_clips()
    assert [clip.metadata["filmforge"]["approval"] for clip in (first, second)] == ["ada", "ada"]
    assert [marker.comment for marker in first.markers] == ["Too dark"]
    assert not second.markers
    earlier = second.media_reference.target_url
    before = mine.spending()[:2]
    red = await finished.uploaded(tmp_path / "red.mp4", [("red", 24)])
    world.ledger.takes.replace(film_id, "s001", Kind.VIDEO, red, "ada")
    timeline = await mine.timeline()
    replaced = picture(timeline)[1]
    assert replaced.media_reference.target_url != earlier
    replaced.media_reference.target_url = f"file:///Volumes/Cut/{earlier}"
    await mine.cut(timeline)
    assert await mine.picture() == film
    await mine.clear()
    assert await mine.picture() != film
    assert mine.spending()[:2] == before
