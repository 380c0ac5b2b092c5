"""Credits name every model once, in one order, whatever order the takes came in."""

import random

from filmforge.provenance.credits import Credits, credits_of, credits_text
from filmforge.provenance.facts import Approved, MadeWith, Role
from filmforge.provenance.manifest import software

from .conftest import made

_TAKES: tuple[MadeWith, ...] = (
    *(made(Role.CLIP, shot=i) for i in (1, 2, 3)),
    made(Role.CLIP, shot=3, take=2, used=False),
    made(Role.CLIP, shot=4, provider="runway", reused=True),
    made(Role.FRAME, shot=1, provider="openai"),
    made(Role.FRAME, shot=1, provider="replicate", used=False),
    made(Role.VOICE, shot=1, provider="elevenlabs", name="Rachel"),
    made(Role.VOICE, shot=2, provider="elevenlabs", name="Adam"),
    made(Role.MUSIC, provider="upload", shot_id=None, name="Nocturne"),
)
_APPROVALS = (Approved(by="Zoe"), Approved(by="Ann", shot_id="shot_001"), Approved())


def test_credits_read_as_they_are_set() -> None:
    text = credits_text(credits_of("Attic", _TAKES, _APPROVALS, ["ffmpeg"]))
    assert text == (
        "Attic\n\n"
        "Pictures\nopenai:kling/v2: 1\n\n"
        "Moving pictures\nfal:kling/v2: 3\nrunway:kling/v2: 1\n\n"
        "Voices\nelevenlabs:kling/v2 (Adam, Rachel): 2\n\n"
        "Music\nSupplied by the production (Nocturne): 1\n\n"
        "Approved by\nAnn\nZoe\n\n"
        f"Made with\nFilmForge {software()['version']}\nffmpeg\n"
    )


def test_credits_count_takes_that_were_left_out_and_reused_ones() -> None:
    gathered = credits_of("Attic", _TAKES)
    counts = {
        (credit.role, credit.provider): (credit.in_film, credit.takes, credit.reused)
        for credit in gathered.made_with
    }
    assert counts[Role.CLIP, "fal"] == (3, 4, 0)
    assert counts[Role.CLIP, "runway"] == (1, 1, 1)
    assert counts[Role.FRAME, "replicate"] == (0, 1, 0)


def test_credits_depend_on_no_order_and_come_back_from_json() -> None:
    shuffled = list(_TAKES)
    random.Random(1).shuffle(shuffled)
    one, other = credits_of("Attic", _TAKES), credits_of("Attic", shuffled)
    assert credits_text(one) == credits_text(other)
    assert one.model_dump(mode="json") == other.model_dump(mode="json")
    assert Credits.model_validate_json(one.model_dump_json()) == one
