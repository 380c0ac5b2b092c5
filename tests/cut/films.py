"""Films for the tests of the cut, drawn by chance or written down."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import get_args

from hypothesis import strategies as st
from opentimelineio.schema import Timeline

from filmforge.cut.layout import Slot, lay_out
from filmforge.cut.sounds import Placed
from filmforge.cut.timeline import Heading, Picked, Stretch, heard_with, timeline_of
from filmforge.domain import Kind, Shot, Take
from filmforge.transition import CUT, Style, Transition, Trim

NTSC_FILM = Fraction(24000, 1001)
RATES = st.sampled_from([Fraction(12), Fraction(24), NTSC_FILM, Fraction(30000, 1001)])
SECONDS = st.decimals("0.001", 20, places=3)
TRANSITIONS = st.builds(Transition, type=st.sampled_from(get_args(Style)), duration=SECONDS)
OPENINGS = st.sampled_from([CUT, Transition(type="fade_from_black", duration=Decimal(1))])


def shot(name: str, seconds: str | Decimal, transition: object = None, **more: object) -> Shot:
    """A shot of so many seconds."""
    given = {"shot_id": name, "enhanced_prompt": "x", "duration": seconds}
    return Shot.model_validate({**given, "transition": transition, **more})


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[Shot], list[Slot], Fraction]:
    """Shots, their slots and the rate."""
    fps = draw(RATES)
    given = draw(st.lists(st.tuples(SECONDS, TRANSITIONS), min_size=1, max_size=8))
    shots = [shot(f"s{n}", *each) for n, each in enumerate(given)]
    trims = {
        each.shot_id: Trim(start=draw(st.decimals(0, each.duration, places=3)))
        for each in shots
        if draw(st.booleans())
    }
    return shots, lay_out(shots, fps, CUT, draw(OPENINGS), trims), fps


def picked(shots: list[Shot], slots: list[Slot], voice_frames: int = 0) -> list[Picked]:
    """The shots with takes of their own."""
    kinds = (Kind.VIDEO, Kind.AUDIO) if voice_frames else (Kind.VIDEO,)
    return [
        Picked(
            shot=each,
            slot=slot,
            takes={kind: take(number, kind) for kind in kinds},
            clip_frames=slot.start + slot.frames,
            voice_frames=voice_frames,
        )
        for number, (each, slot) in enumerate(zip(shots, slots, strict=True))
    ]


def timeline(
    fps: Fraction, stretches: Sequence[Stretch], voice_lead: int = 6, sounds: Sequence[Placed] = ()
) -> Timeline:
    """The timeline of these shots with their lines and these sounds."""
    return timeline_of(heading(fps), stretches, heard_with(stretches, fps, voice_lead, sounds))


def take(number: int, kind: Kind) -> Take:
    """A take with a digest of its own."""
    digest = f"{number:060x}{kind.value[:1].encode().hex():0>4}"
    return Take(
        take=1,
        kind=kind,
        provider="fake",
        model=f"{kind}-1",
        request_key=digest,
        digest=digest,
        cost=Decimal("0.003"),
        reused=False,
    )


def heading(fps: Fraction) -> Heading:
    """A small film's."""
    return Heading(film_id="film", title="Film", fps=fps, width=64, height=64)
