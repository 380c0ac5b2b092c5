"""Materials: judged by their content, kept, and named by films that are refused without them."""

import json
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from filmforge.media.wav import wav_writer
from tests.gateway.api import Api, film, shot

SRT = "1\n00:00:00,500 --> 00:00:01,500\nWho is there?\n"
LATE = "1\n00:10:00,500 --> 00:10:01,500\nToo late.\n"
CUBE = "LUT_3D_SIZE 2\n" + "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))
NOBODY = "0123456789abcdef" * 4
# No font that comes with FilmForge has the Egyptian hieroglyphs.
HIEROGLYPH = "\U00013000"


def _font() -> bytes:
    noto = Path(str(files("justmytype_western_core"))) / "fonts/ofl/notosanssymbols2"
    return (noto / "NotoSansSymbols2-Regular.ttf").read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    with wav_writer(path) as write:
        write(np.sin(np.linspace(0, 2_000, 96_000, dtype=np.float32))[:, None].repeat(2, 1))
    return path.read_bytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=12:d=1", "-pix_fmt", "yuv420p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()


def kept(api: Api, body: bytes | str, **params: str) -> dict[str, Any]:
    """What became of an upload that was taken."""
    answer = api.http.post("/v1/assets", content=body, params=params)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_file_is_told_by_its_content_whatever_it_is_said_to_be(
    api: Api, png: bytes, sound: bytes, clip: bytes
) -> None:
    for body, kind, media_type in (
        (png, "image", "image/png"),
        (sound, "audio", "audio/wav"),
        (clip, "video", "video/mp4"),
        (CUBE.encode(), "lut", "application/x-cube"),
        (_font(), "font", "font/ttf"),
        (SRT.encode(), "captions", "application/x-subrip"),
        (SRT.encode("utf-16"), "captions", "application/x-subrip"),
        (f"WEBVTT\n\n{SRT}".encode(), "captions", "text/vtt"),
    ):
        headers = {"content-type": "video/mp4"}
        told = api.http.post("/v1/assets", content=body, headers=headers).json()
        assert (told["kind"], told["media_type"], told["size"]) == (kind, media_type, len(body))
        assert api.http.get(f"/v1/assets/{told['digest']}").json()["provider"] == "upload"
        assert api.stranger.get(told["url"]).content == body


def test_a_material_is_measured_and_found_again_by_name_and_kind(api: Api, sound: bytes) -> None:
    told = kept(api, sound, name="harbour bell.wav")
    assert (told["duration_s"], told["width"]) == (2.0, None)
    (found,) = api.http.get("/v1/assets?text=harbour+bell&kind=audio").json()["assets"]
    assert found["digest"] == told["digest"]
    assert api.http.get("/v1/assets?text=harbour+bell&kind=lut").json()["assets"] == []


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"", "is empty"),
        (b"#EXTM3U\nhttp://example.com/a.ts\n", ".cube LUTs"),
        (CUBE.encode()[:-6], "line 9"),
        (b"OTTO" + bytes(60), "font"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n\n", "no subtitles"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "cannot be read"),
    ],
)
def test_what_no_film_can_use_is_refused_with_what_can_be(api: Api, body: bytes, hint: str) -> None:
    answer = api.http.post("/v1/assets", content=body)
    assert answer.status_code == 422, answer.text
    assert hint in answer.json()["errors"][0]["problem"]


def test_a_stranger_cannot_upload(api: Api) -> None:
    assert api.stranger.post("/v1/assets", content=SRT).status_code == 401


def _music(digest: str) -> dict[str, Any]:
    return film(sound={"music": [{"digest": digest}]})


def _track(**track: Any) -> dict[str, Any]:
    return {"tracks": [{"language": "en", **track}], "burn_in": "en"}


PLACES: list[tuple[str, str, Callable[[str], dict[str, Any]]]] = [
    ("look.lut", "lut", lambda d: film(look={"lut": d})),
    (
        "scenes.hall.look.lut",
        "lut",
        lambda d: film(shots=[shot(scene_id="hall")], scenes={"hall": {"look": {"lut": d}}}),
    ),
    ("sound.music[0].digest", "audio", _music),
    (
        "sound.ambience[0].digest",
        "audio",
        lambda d: film(
            shots=[shot(scene_id="hall")], sound={"ambience": [{"digest": d, "scene_id": "hall"}]}
        ),
    ),
    (
        "sound.effects[0].digest",
        "audio",
        lambda d: film(sound={"effects": [{"digest": d, "shot_id": "s0"}]}),
    ),
    ("subtitles.tracks[0].file", "captions", lambda d: film(subtitles=_track(file=d))),
    ("subtitles.font", "font", lambda d: film(subtitles={**_track(), "font": d})),
    ("title_card.font", "font", lambda d: film(title_card={"text": "Attic", "font": d})),
    ("end_card.font", "font", lambda d: film(end_card={"text": "Fin", "font": d})),
]


@pytest.mark.parametrize(("field", "kind", "document"), PLACES, ids=[place[0] for place in PLACES])
def test_a_film_is_refused_until_the_file_it_names_is_there_and_of_its_kind(
    api: Api,
    sound: bytes,
    png: bytes,
    field: str,
    kind: str,
    document: Callable[[str], dict[str, Any]],
) -> None:
    bodies = {"audio": sound, "lut": CUBE, "captions": SRT, "font": _font()}
    wrong = kept(api, png)["digest"]
    count = api.films()
    for path in ("/v1/estimates", "/v1/films"):
        assert field in refused(api, document(NOBODY), path, "POST /v1/assets")
        assert field in refused(api, document(wrong), path, f"{kind} is expected")
    assert api.films() == count
    digest = kept(api, bodies[kind])["digest"]
    assert api.http.post("/v1/films", json=document(digest)).status_code == 202


@pytest.mark.parametrize(
    ("field", "hint", "changes"),
    [
        ("title_card.text", "U+13000", {"title_card": {"text": f"The {HIEROGLYPH}"}}),
        ("end_card.subtext", "U+13000", {"end_card": {"text": "Fin", "subtext": HIEROGLYPH}}),
        (
            "title_card",
            "Shorten",
            {"title_card": {"text": "word " * 390}, "output": {"width": 128, "height": 72}},
        ),
        (
            "subtitles.tracks[0].lines.s1",
            "U+13000",
            {"subtitles": _track(lines={"s0": "Plain.", "s1": HIEROGLYPH})},
        ),
        (
            "shots[1].dialogue",
            "U+13000",
            {"subtitles": _track(), "shots": [shot(0), shot(1, dialogue=HIEROGLYPH)]},
        ),
    ],
)
def test_words_that_cannot_be_drawn_are_refused_before_anything_is_made(
    api: Api, field: str, hint: str, changes: dict[str, Any]
) -> None:
    assert field in refused(api, film(**changes), "/v1/films", hint)


def test_words_of_a_track_that_only_players_draw_need_no_font_of_ours(api: Api) -> None:
    tracks = [{"language": "en", "lines": {"s0": HIEROGLYPH}}]
    assert api.http.post("/v1/estimates", json=film(subtitles={"tracks": tracks})).is_success


def test_subtitles_that_begin_after_the_films_end_are_refused(api: Api) -> None:
    digest = kept(api, LATE)["digest"]
    document = film(subtitles={"tracks": [{"language": "en", "file": digest}]})
    assert "subtitles.tracks[0].file" in refused(api, document, "/v1/films", "after the film's end")


def test_subtitles_are_held_against_the_film_as_it_is_cut(api: Api) -> None:
    """Two shots of two seconds that a crossfade, then a trim, makes a film of three."""
    changes: list[dict[str, Any]] = [
        {"transition": {"type": "crossfade", "duration": 1}},
        {"trim": {"s0": {"start": 1}}},
    ]
    shots = [shot(number, duration=2) for number in range(2)]
    for change in changes:
        for start, taken in (("02,900", True), ("03,000", False)):
            late = kept(api, f"1\n00:00:{start} --> 00:00:03,900\nStill here?\n")["digest"]
            tracks = [{"language": "en", "file": late}]
            document = film(shots=shots, subtitles={"tracks": tracks}, **change)
            answer = api.http.post("/v1/estimates", json=document)
            assert answer.is_success == taken, answer.text
            if not taken:
                assert "1 of 1 subtitles begin after the film's end, at 3.00 s" in answer.text


@pytest.mark.parametrize(
    ("field", "hint", "changes"),
    [
        (
            "title_card",
            "Make the card longer",
            {"title_card": {"text": "A", "duration": 1, "fade_in": 2}},
        ),
        ("subtitles.burn_in", "Choose one of en", {"subtitles": {**_track(), "burn_in": "de"}}),
        ("sound.music[0]", "Name the digest", {"sound": {"music": [{}]}}),
        ("trim.s9", "no shot has this id", {"trim": {"s9": {"start": 1}}}),
        (
            "shots[0].transition.duration",
            "Make it at most 1 s",
            {"shots": [shot(0, transition={"type": "crossfade", "duration": 1.5}), shot(1)]},
        ),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_own_field(
    api: Api, field: str, hint: str, changes: dict[str, Any]
) -> None:
    assert field in refused(api, film(**changes), "/v1/films", hint)


def test_a_film_may_have_as_many_cues_as_it_says(api: Api, sound: bytes) -> None:
    digest = kept(api, sound)["digest"]
    cues = [{"digest": digest, "shot_id": "s0"}] * 150
    assert api.http.post("/v1/estimates", json=film(sound={"effects": cues})).is_success


def refused(api: Api, document: dict[str, Any], path: str, hint: str) -> list[str]:
    """The fields that a refusal names; its words hold the hint."""
    answer = api.http.post(path, json=document)
    assert answer.status_code == 422, answer.text
    assert hint in json.dumps(answer.json()), answer.text
    return [error["field"] for error in answer.json()["errors"]]
