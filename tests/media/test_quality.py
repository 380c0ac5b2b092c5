"""Takes are measured as they are, and judged as the film's policy says."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from filmforge.errors import BadMedia
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.findings import asks_for_still, take_findings
from filmforge.media.motion import render_motion
from filmforge.media.panel import PanelBrief, draw_panel
from filmforge.media.quality import Measures, measure, measured
from filmforge.media.speech import speak
from filmforge.quality import (
    Action,
    Check,
    Finding,
    Outcome,
    QualityPolicy,
    TakeExpectation,
    judge,
)

MakeClip = Callable[..., Awaitable[Path]]

MOVING = "testsrc2=s=128x72:r=24:d=2"
VOICE = "sine=f=300:r=48000:d=2"
STRICT = QualityPolicy(**{check.value: {"action": "attention"} for check in Check})
CLIP = TakeExpectation(kind="video", width=128, height=72, fps=24, duration_s=2)
SOUND = TakeExpectation(kind="audio")


def _take(path: Path, expected: TakeExpectation = CLIP) -> dict[Check, Finding]:
    return {each.check: each for each in take_findings(measured(path), expected, STRICT)}


def _failed(found: dict[Check, Finding]) -> set[Check]:
    return {check for check, finding in found.items() if not finding.passed}


async def test_a_moving_clip_passes_every_check_and_every_finding_tells_its_measure(
    make_clip: MakeClip,
) -> None:
    found = _take(await make_clip("clip.mp4", MOVING))
    assert not _failed(found)
    assert set(found) == {
        *(Check.CORRUPT, Check.SIZE, Check.SHAPE, Check.BARS, Check.BLACK, Check.FROZEN),
        *(Check.DURATION, Check.RATE),
    }
    assert found[Check.DURATION].measured == 2.0
    assert found[Check.RATE].measured == 24.0
    assert found[Check.RATE].threshold == pytest.approx(24 * 0.6)


@pytest.mark.parametrize(
    ("look", "fails", "figure"),
    [
        ("drawbox=c=black:t=fill:enable='gte(n,24)'", Check.BLACK, 1.0),
        ("loop=35:1:12,trim=end_frame=48", Check.FROZEN, 0.75),
        ("drawbox=h=9:c=black:t=fill,drawbox=y=63:c=black:t=fill", Check.BARS, 0.25),
        ("drawbox=w=16:c=black:t=fill,drawbox=x=112:c=black:t=fill", Check.BARS, 0.25),
        ("scale=32:18", Check.SIZE, 0.25),
        ("crop=72:72", Check.SHAPE, 7 / 9),
        ("trim=end_frame=40", Check.DURATION, 40 / 24),
        ("fps=12", Check.RATE, 12),
    ],
)
async def test_what_is_wrong_with_a_clip_is_measured_and_nothing_else_is_blamed(
    make_clip: MakeClip, look: str, fails: Check, figure: float
) -> None:
    found = _take(await make_clip("clip.mp4", f"{MOVING},{look}", None, "-crf", "12"))
    assert _failed(found) == {fails}
    assert found[fails].measured == pytest.approx(figure, abs=0.03)


@pytest.mark.parametrize(
    "picture",
    [
        "mandelbrot=s=128x72:r=24,trim=end=2,eq=brightness=-0.3:contrast=0.6",
        f"{MOVING},fade=in:0:10,fade=out:38:10",
        "testsrc2=s=512x288:r=24:d=2,loop=47:1:0,trim=end_frame=48,"
        "crop=384:216:x=n*0.3:y=20:exact=1,scale=128:72:flags=area",
        "color=0x606060:s=256x144:r=24:d=2[a];color=white:s=6x6:r=24:d=2[b];"
        "[a][b]overlay=x='120+30*sin(6*t)':y=60",
        f"{MOVING},noise=alls=12:allf=t,colorlevels=romax=0.12:gomax=0.12:bomax=0.14",
    ],
    ids=["dark", "fades at both ends", "slow pan", "one small thing moves", "night with grain"],
)
async def test_dark_slow_and_faded_clips_are_in_order(make_clip: MakeClip, picture: str) -> None:
    assert not _failed(_take(await make_clip("clip.mp4", picture)))


async def test_a_black_stretch_is_told_with_its_place_in_plain_words(make_clip: MakeClip) -> None:
    black = "drawbox=c=black:t=fill:enable='between(n,12,35)'"
    found = _take(await make_clip("clip.mp4", f"{MOVING},{black}"))[Check.BLACK]
    assert found.spans == ((0.5, 1.5),)
    assert found.words == "the clip is black for 1.0 s of 2.0 s; at most 0.5 s is allowed"
    assert (found.measured, found.threshold, found.unit) == (1.0, 0.5, "s")


async def test_a_still_that_was_asked_for_may_stand_still(make_clip: MakeClip) -> None:
    clip = await make_clip(
        "clip.mp4", f"{MOVING},loop=47:1:0,trim=end_frame=48", None, "-crf", "12"
    )
    assert _failed(_take(clip)) == {Check.FROZEN}
    asked = _take(clip, CLIP.model_copy(update={"still": asks_for_still("Static, on a tripod")}))
    assert not _failed(asked)
    assert asked[Check.FROZEN].measured == pytest.approx(1, abs=0.03), "it is measured all the same"
    assert not asks_for_still("slow push in")
    assert not asks_for_still(None)


async def test_bars_that_the_look_asked_for_are_fine_and_wider_ones_are_not(
    make_clip: MakeClip,
) -> None:
    bars = f"{MOVING},drawbox=h=9:c=black:t=fill,drawbox=y=63:c=black:t=fill"
    clip = await make_clip("clip.mp4", bars)
    assert not _failed(_take(clip, CLIP.model_copy(update={"letterbox": 2.37})))
    assert _failed(_take(clip, CLIP.model_copy(update={"letterbox": 2.0}))) == {Check.BARS}


async def test_a_turned_clip_is_measured_as_it_is_shown(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    lying = await make_clip("lying.mp4", "testsrc2=s=72x128:r=24:d=2")
    upright = tmp_path / "upright.mp4"
    await run_ffmpeg(["-display_rotation", "90", "-i", str(lying), "-c", "copy", str(upright)])
    assert not _failed(_take(upright))


async def test_damage_inside_a_clip_is_counted(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = await make_clip("clip.mp4", MOVING)
    content = bytearray(clip.read_bytes())
    chance = random.Random(7)
    for _ in range(30):
        content[chance.randrange(len(content) // 3, len(content) * 2 // 3)] ^= 0xFF
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    found = _take(broken)[Check.CORRUPT]
    assert not found.passed
    assert found.measured >= 1


async def test_a_clip_cut_short_misses_frames(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = await make_clip("clip.mp4", MOVING, None, "-movflags", "+faststart")
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    found = _take(short)
    assert {Check.CORRUPT, Check.DURATION} <= _failed(found)
    assert "missing frames" in found[Check.CORRUPT].words


def test_frames_are_checked_too(tmp_path: Path) -> None:
    frame = TakeExpectation(kind="image", width=128, height=72)
    noise = Image.effect_noise((128, 72), 90)
    for name, picture, fails in (
        ("good.png", noise, set()),
        ("black.png", Image.new("RGB", (128, 72), (3, 3, 3)), {Check.BLACK}),
        ("square.png", noise.resize((128, 128)), {Check.SHAPE}),
        ("small.png", noise.resize((32, 18)), {Check.SIZE}),
    ):
        picture.save(tmp_path / name)
        assert _failed(_take(tmp_path / name, frame)) == fails, name
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert _failed(_take(tmp_path / "cut.png", frame)) == {Check.CORRUPT}


def test_what_the_preview_provider_makes_passes_under_the_default_policy(tmp_path: Path) -> None:
    policy = QualityPolicy()
    cases = (("a dark cave, one candle", "night", "static"), ("deep space", "night", "push in"))
    for number, (prompt, hour, camera) in enumerate(cases):
        panel, clip = tmp_path / f"{number}.png", tmp_path / f"{number}.mp4"
        draw_panel(
            PanelBrief(prompt=prompt, time_of_day=hour, width=320, height=180, seed=number), panel
        )
        render_motion(
            panel,
            clip,
            width=320,
            height=180,
            fps=Fraction(24),
            duration_s=Decimal(2),
            camera=camera,
            shot_type="close-up",
            seed=number,
        )
        asked = {"width": 320, "height": 180}
        still = asks_for_still(camera)
        takes = (
            (panel, TakeExpectation(kind="image", **asked)),
            (clip, TakeExpectation(kind="video", **asked, fps=24, duration_s=2, still=still)),
        )
        for path, expected in takes:
            verdict = judge(take_findings(measured(path), expected, policy), policy)
            assert verdict.outcome is Outcome.OK, (prompt, verdict.words)


@pytest.mark.parametrize("gain", ["0dB", "-28dB"], ids=["spoken", "whispered"])
async def test_speech_passes_aloud_and_whispered(tmp_path: Path, gain: str) -> None:
    spoken, heard = tmp_path / "spoken.wav", tmp_path / "heard.wav"
    speak("Is anybody there?", spoken, voice="Anna", mood="calm", seed=1)
    await run_ffmpeg(["-i", str(spoken), "-af", f"volume={gain}", str(heard)])
    found = _take(heard, SOUND)
    assert not _failed(found)
    assert found[Check.SILENT].measured > 0.5


@pytest.mark.parametrize(
    ("sound", "fails"),
    [
        ("anullsrc=r=48000:d=1", {Check.SILENT}),
        ("anoisesrc=a=0.0003:d=1", {Check.SILENT}),
        ("sine=f=220:d=1:r=48000,volume=14", {Check.CLIPPED}),
        ("sine=f=220:d=1:r=48000,volume=14,aformat=s16,volume=0.4", {Check.CLIPPED}),
        ("sine=f=220:d=1:r=48000,volume=7.9", set()),
        ("sine=f=60:d=1:r=48000,volume=7.9", set()),
        ("sine=f=220:d=1:r=8000,volume=2", set()),
        ("anoisesrc=a=0.2:d=1,aformat=channel_layouts=5.1", set()),
    ],
    ids=["silence", "hiss", "clipped", "clipped, then lowered", "loud", "deep", "8 kHz", "5.1"],
)
async def test_silent_and_clipped_sounds_are_told_from_loud_and_soft_ones(
    make_clip: MakeClip, sound: str, fails: set[Check]
) -> None:
    assert _failed(_take(await make_clip("a.wav", None, sound), SOUND)) == fails


async def test_samples_beyond_full_scale_are_clipped_though_they_form_no_flat_top(
    make_clip: MakeClip,
) -> None:
    loud = "sine=f=220:d=1:r=48000,volume=14:precision=float"
    voice = await make_clip("a.wav", None, loud, "-c:a", "pcm_f32le")
    assert _failed(_take(voice, SOUND)) == {Check.CLIPPED}


async def test_a_voice_longer_than_its_shot_is_told(make_clip: MakeClip) -> None:
    voice = await make_clip("a.wav", None, VOICE)
    assert not _failed(_take(voice, TakeExpectation(kind="audio", duration_s="2.5")))
    found = _take(voice, TakeExpectation(kind="audio", duration_s="1.5"))
    assert _failed(found) == {Check.DURATION}
    assert (found[Check.DURATION].measured, found[Check.DURATION].threshold) == (2.0, 1.5)


async def test_a_clip_that_should_be_heard_and_has_no_sound_is_silent(make_clip: MakeClip) -> None:
    heard = CLIP.model_copy(update={"sound": True})
    assert not _failed(_take(await make_clip("sound.mp4", MOVING, VOICE), heard))
    assert _failed(_take(await make_clip("mute.mp4", MOVING), heard)) == {Check.SILENT}


@pytest.mark.parametrize("retakes", [0, 1])
def test_a_retake_is_asked_for_while_any_is_left_then_a_person_is(retakes: int) -> None:
    policy = QualityPolicy(retakes=retakes)
    black = Finding(
        check=Check.BLACK, passed=False, measured=2, threshold=1, unit="s", words="it is black"
    )
    first = judge([black], policy, retakes_made=0)
    assert first.outcome is (Outcome.RETAKE if retakes else Outcome.ATTENTION)
    assert first.words == ("it is black",)
    assert judge([black], policy, retakes_made=1).outcome is Outcome.ATTENTION
    shrugged = QualityPolicy(retakes=retakes, black="warn")
    assert judge([black], shrugged).outcome is Outcome.WARN
    assert judge([black], QualityPolicy(black="off")).outcome is Outcome.OK
    assert judge([black.model_copy(update={"passed": True})], policy).outcome is Outcome.OK


async def test_a_check_that_is_off_is_not_told_and_a_threshold_can_be_moved(
    make_clip: MakeClip,
) -> None:
    clip = await make_clip("clip.mp4", f"{MOVING},drawbox=c=black:t=fill:enable='gte(n,24)'")
    measures = measured(clip)
    off = take_findings(measures, CLIP, QualityPolicy(black="off"))
    assert Check.BLACK not in {each.check for each in off}
    easy = QualityPolicy.model_validate({"black": {"at_most_s": 1.5}})
    assert all(each.passed for each in take_findings(measures, CLIP, easy))
    assert easy.black.action is QualityPolicy().black.action, "the rest stays"


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ({"frozen": {"at_most_share": 50}}, "write 0.5 for one half"),
        ({"retakes": 9}, "every retake may cost as much"),
        ({"black": {"at_most_s": -1}}, "use the action off"),
        ({"loudness": {"within_lu": 0}}, "0.5 is strict"),
        ({"duration": {"at_most_times": 0.5}}, "times the length"),
        ({"corrupt": {"at_most": -1}}, "use the action off"),
        ({"black": "explode"}, "retake"),
        ({"blurred": "off"}, "Extra inputs"),
        ({"black": {"at_most": 1}}, "Extra inputs"),
        ({"black": 3}, "dictionary"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused_with_a_remedy(
    written: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(ValidationError, match=remedy):
        QualityPolicy.model_validate(written)


def test_a_policy_survives_being_written_down() -> None:
    policy = QualityPolicy(black="warn", retakes=2)
    assert QualityPolicy.model_validate_json(policy.model_dump_json()) == policy
    assert policy.black.action is Action.WARN


async def test_equal_files_measure_the_same_and_the_measures_can_be_kept(
    make_clip: MakeClip,
) -> None:
    clip = await make_clip("clip.mp4", MOVING, VOICE)
    measures = await measure(clip)
    assert measures == measured(clip)
    assert Measures.model_validate_json(measures.model_dump_json()) == measures


async def test_a_check_stops_at_once_when_it_is_cancelled_and_gives_up_in_time(
    make_clip: MakeClip,
) -> None:
    clip = await make_clip("long.mp4", "testsrc2=s=640x360:r=24:d=20", None, "-preset", "ultrafast")
    with pytest.raises(BadMedia, match="too long"):
        measured(clip, patience_s=0)
    task = asyncio.create_task(measure(clip))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 5


def test_a_playlist_that_poses_as_a_clip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    with pytest.raises(BadMedia, match="is text"):
        measured(path)
