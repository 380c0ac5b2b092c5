"""Cues are readable, stand while they are spoken, and survive being written and read."""

import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysubs2
import pytest
from pydantic import ValidationError

from filmforge.errors import BadInput, BadMedia
from filmforge.media.captionfile import read_captions, srt, webvtt
from filmforge.media.captions import Spoken, film_cues, shot_cues, text_spans
from filmforge.media.voiced import speech_spans
from filmforge.media.wrapping import pieces, weight
from filmforge.subtitles import Card, Cue, Subtitles, SubtitleTrack

NTSC = Fraction(24000, 1001)
RATES = [Fraction(24), NTSC, Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120)]
ENGLISH = (
    "I have told you a thousand times, Mr. Smith, that the attic is not a place for children. "
    "Come down at once! Dinner is ready, and your grandmother has been waiting since six o'clock."
)
CHINESE = "阁楼里藏着一个没有人知道的秘密、祖母年轻时写的信就躺在旧箱子里。今晚我们一定要找到它。"
JAPANESE = (
    "屋根裏部屋には、誰も知らない秘密がある。祖母が若い頃に書いた手紙が、古い箱に眠っている。"
)


def _spoken(text: str, frames: int = 360, **other: object) -> Spoken:
    return Spoken.model_validate({"shot_id": "a", "text": text, "start": 0, "end": frames} | other)


def _voice(path: Path, *parts: tuple[float, float]) -> Path:
    """Write noise bursts: seconds and loudness of each part."""
    noise = np.random.default_rng(7)
    blocks = [noise.normal(0, loud, round(s * 24_000)) for s, loud in parts]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        samples = np.clip(np.concatenate(blocks) * 32_767, -32_768, 32_767)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, JAPANESE, "다락방에는 비밀이 있다. " * 5])
def test_cues_have_at_most_two_lines_of_readable_length_and_lose_nothing(text: str) -> None:
    cues = shot_cues(_spoken(text, 600), Fraction(24))
    assert all(1 <= len(cue.lines) <= 2 for cue in cues)
    assert all(weight(line) <= 84 for cue in cues for line in cue.lines)
    shown = "".join(line for cue in cues for line in cue.lines)
    assert shown.replace(" ", "") == text.replace(" ", "")


def test_cues_end_with_sentences_and_titles_end_none() -> None:
    cues = shot_cues(_spoken(ENGLISH, 600), Fraction(24))
    texts = [cue.text for cue in cues]
    assert "Come down at once!" in texts
    assert all(text[-1] in ".,!" for text in texts)
    assert not any(text.endswith("Mr.") for text in texts)


def test_no_line_of_ideographs_begins_with_a_closing_mark() -> None:
    for text in (CHINESE, JAPANESE, "「これは、とても長い文章です」と彼は言った。" * 4):
        for cue in shot_cues(_spoken(text, 900), Fraction(24)):
            for line in cue.lines:
                assert line[0] not in "、。」ーっょ"
                assert line[-1] not in "「"
    parts = [piece.text for piece in pieces("「はい、そうっす。」ー人々は", 84)]
    assert parts == ["「は", "い、", "そ", "うっ", "す。」ー", "人々", "は"]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("seconds", [4, 9, 30])
def test_cues_stay_in_their_shot_and_apart(fps: Fraction, seconds: int) -> None:
    start, end = 100, 100 + int(seconds * fps)
    cues = shot_cues(Spoken(shot_id="a", text=ENGLISH, start=start, end=end), fps)
    assert start <= cues[0].start
    assert cues[-1].end <= end
    for cue, following in pairwise(cues):
        assert cue.end + 2 <= following.start
    if seconds == 30:
        assert all(cue.end - cue.start >= fps for cue in cues)
        for cue in cues:
            assert (cue.end - cue.start) / fps >= Fraction(weight(cue.text), 34) - 1


def test_speech_is_found_in_noise_and_silence(tmp_path: Path) -> None:
    for floor in (0.0, 0.003):
        path = _voice(tmp_path / "v.wav", (0.5, floor), (1.2, 0.2), (0.6, floor), (0.8, 0.1))
        spans = speech_spans(path)
        expected = [(0.5, 1.7), (2.3, 3.1)]
        assert np.allclose(np.array(spans, float), expected, atol=0.02)
    assert speech_spans(_voice(tmp_path / "s.wav", (0.5, 0.0))) == ()
    ((begin, end),) = speech_spans(_voice(tmp_path / "l.wav", (0.5, 0.3)))
    assert begin == 0
    assert float(end) == pytest.approx(0.5, abs=0.02)


def test_cues_begin_and_end_with_the_speech_and_change_in_its_pauses(tmp_path: Path) -> None:
    path = _voice(tmp_path / "v.wav", (1, 0), (2, 0.2), (0.7, 0), (1.5, 0.2), (1, 0), (0.9, 0.2))
    text = "Nobody has been up here for years, you know. Look at all this dust. Who is there?"
    said = _spoken(text, 240, start=24, end=264, voice_at=Fraction(3, 2), speech=speech_spans(path))
    cues = shot_cues(said, Fraction(24))
    assert [cue.text for cue in cues] == [
        "Nobody has been up here for years, you know.",
        "Look at all this dust.",
        "Who is there?",
    ]
    begins = [float(cue.start / 24) for cue in cues]
    assert np.allclose(begins, [2.5, 5.2, 7.7], atol=0.06)
    assert cues[0].end <= cues[1].start - 2


def test_a_voice_that_begins_late_still_leaves_its_words_in_the_shot() -> None:
    speech = ((Fraction(0), Fraction(9, 10)),)
    said = _spoken("Over here!", 48, voice_at=Fraction(39, 20), speech=speech)
    (cue,) = shot_cues(said, Fraction(24))
    assert (cue.start, cue.end) == (24, 48), "a second long, as there is room before"


def test_overlapping_shots_show_one_cue_at_a_time() -> None:
    shots = [
        Spoken(shot_id="a", text="The end of this one.", start=0, end=30),
        Spoken(shot_id="b", text="The start of that one.", start=18, end=60),
        Spoken(shot_id="c", text="", start=60, end=90),
    ]
    first, second = film_cues(shots, Fraction(24))
    assert first.end + 2 <= second.start
    assert text_spans([second, first], join_frames=2) == [(first.start, second.end)]
    assert len(text_spans([first, second])) == 2


def test_a_shot_too_short_for_its_text_is_named() -> None:
    with pytest.raises(BadInput, match=r"shots\.a: .*lasts 5 frames.*at least \d+ frames"):
        shot_cues(_spoken(ENGLISH, 5), Fraction(24))


@pytest.mark.parametrize("fps", RATES)
def test_written_times_enclose_the_frames_of_a_cue_and_no_other(fps: Fraction) -> None:
    cues = [Cue(start=n, end=n + 7, lines=("x",)) for n in range(0, 4_000, 11)]
    for kind, written in (("srt", srt(cues, fps)), ("vtt", webvtt(cues, fps))):
        for cue, event in zip(cues, pysubs2.SSAFile.from_string(written, kind), strict=True):
            for frame in (cue.start - 1, cue.start, cue.end - 1, cue.end):
                at_ms = frame * 1000 / fps
                assert (event.start <= at_ms < event.end) == (cue.start <= frame < cue.end)


def test_text_that_looks_like_markup_is_read_back_as_text(tmp_path: Path) -> None:
    lines = ("a < b & c > d <i>no</i> --> &lt;", "{\\an8} {x} -->")
    path = tmp_path / "s.vtt"
    path.write_text(webvtt([Cue(start=24, end=48, lines=lines)], Fraction(24)), encoding="utf-8")
    (read,) = read_captions(path, Fraction(24))
    assert read.lines[0] == lines[0]
    cue = Cue(start=24, end=48, lines=lines)
    assert lines[1].replace("{", "{\u2060") in srt([cue], NTSC).replace("--\u2060", "--")
    lines = (lines[0], "-->")
    (event,) = pysubs2.SSAFile.from_string(srt([Cue(start=24, end=48, lines=lines)], NTSC), "srt")
    assert event.plaintext.replace("\u2060", "") == "\n".join(lines)


def test_right_to_left_lines_are_marked_and_kept_in_logical_order() -> None:
    cues = [Cue(start=0, end=24, lines=("FilmForge في باريس.", "(نعم 12)"))]
    for written in (srt(cues, Fraction(24), "ar"), webvtt(cues, Fraction(24), "ar")):
        assert "\u202bFilmForge في باريس.\u202c\n\u202b(نعم 12)\u202c\n" in written
    assert "\u202b" not in srt(cues, Fraction(24), "en"), "a Latin letter comes first"


def test_an_uploaded_file_is_read_without_its_markup(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(
        "\ufeffWEBVTT\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE nothing\r\n\r\n"
        "chapter 2\r\n00:01.000 --> 00:02.500 align:start\r\n<v Ann><i>Hi</i> {\\an8}&amp; "
        "\u202ebye\u202c</v>\r\n\r\n3\r\n00:00:02,000 --> 00:00:03,000\r\nBoth <b>now\r\n\r\n"
        "00:00:09.9 --> 00:00:09.8\r\nbackwards\r\n".encode()
    )
    assert read_captions(path, Fraction(24)) == (
        Cue(start=24, end=48, lines=("Hi & bye",)),
        Cue(start=48, end=60, lines=("Hi & bye", "Both now")),
        Cue(start=60, end=72, lines=("Both now",)),
    )


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", BadMedia, "holds no subtitles"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", BadMedia, "not UTF-8"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n" + b"x" * 600, BadInput, "600 characters"),
        (b"00:00:01,000 --> 00:00:02,000\nx\n\n" * 9, BadInput, "9 lines"),
        (b"00:00:01,000 --> 00:00:02,000\nx\n\n" * 20_001, BadMedia, "20,001 subtitles"),
        (b"<a" * 2_500_000, BadMedia, "4,194,304 bytes"),
    ],
)
def test_an_uploaded_file_of_no_use_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], reason: str
) -> None:
    path = tmp_path / "s.srt"
    path.write_bytes(content)
    with pytest.raises(error, match=reason):
        read_captions(path, Fraction(24))


@pytest.mark.timeout(5)
def test_a_hostile_line_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "s.srt"
    for hostile in ("<a" * 900_000, "{\\" * 900_000, "00:" * 600_000, "&" * 1_800_000):
        path.write_text(f"00:00:01,000 --> 00:00:02,000\n{hostile}")
        with pytest.raises((BadInput, BadMedia)):
            read_captions(path, Fraction(24))


def test_what_a_user_writes_is_checked_by_name() -> None:
    tracks = [{"language": "EN"}, {"language": "zh-hant-tw", "lines": {"a": "…"}}]
    subtitles = Subtitles.model_validate({"tracks": tracks, "burn_in": "en"})
    assert subtitles.burnt == SubtitleTrack(language="en")
    assert subtitles.tracks[1].language == "zh-Hant-TW"
    assert Subtitles.model_validate(subtitles.model_dump(mode="json")) == subtitles
    for wrong, reason in (
        ({"tracks": []}, "at least 1"),
        ({"tracks": [{"language": "deutsch!"}]}, "BCP 47"),
        ({"tracks": [{"language": "de"}, {"language": "DE"}]}, "used twice"),
        ({"tracks": [{"language": "de"}], "burn_in": "fr"}, "Choose one of de"),
        ({"tracks": [{"language": "de", "lines": {}, "file": "0" * 64}]}, "leave out the other"),
    ):
        with pytest.raises(ValidationError, match=reason):
            Subtitles.model_validate(wrong)
    with pytest.raises(ValidationError, match="at least 1 character"):
        Card.model_validate({"text": " \n "})
    with pytest.raises(ValidationError, match="Make the card longer"):
        Card.model_validate({"text": "x", "duration": 1, "fade_in": 0.6})
