"""The staging of a panel: a brief read once, so that every part of the drawing agrees."""

import random
from dataclasses import dataclass

from filmforge.media.panel.brief import PanelBrief
from filmforge.media.panel.camera import FRAMINGS, Camera, camera_for
from filmforge.media.panel.palette import Palette, palette_for
from filmforge.media.panel.words import (
    HOURS,
    INDOORS,
    MOODS,
    PEOPLE,
    POSES,
    SETTINGS,
    THINGS,
    WEATHER,
    framing_of,
    meanings,
    words_of,
)

NEVER_BUILT = {"door", "window"}  # parts of the set, not things a hand or a table holds


@dataclass(frozen=True)
class Stage:
    """Everything a panel shows, decided; `side` is where light comes from, -1 left, 1 right."""

    brief: PanelBrief
    framing: str
    setting: str
    weather: frozenset[str]
    hour: str
    people: tuple[str, ...]
    pose: str
    things: tuple[str, ...]
    opened: bool
    camera: Camera
    palette: Palette
    side: float
    aspect: float

    @property
    def indoors(self) -> bool:
        """Whether the set has a roof."""
        return self.setting in INDOORS

    @property
    def blur(self) -> float:
        """How far out of focus the set is, in frame heights."""
        return FRAMINGS[self.framing].blur

    @property
    def thing(self) -> str | None:
        """The thing a close shot is about, where it is about one."""
        held = [thing for thing in self.things if thing not in NEVER_BUILT]
        return held[0] if held else None

    def chance(self, about: str) -> random.Random:
        """Numbers that change with the seed."""
        return self.brief.chance(about)


def stage_for(brief: PanelBrief) -> Stage:
    """Read a brief: tags weigh more than the prompt, unknown words are passed over."""
    said = words_of(brief.prompt)
    unwanted = set(words_of(brief.negative_prompt))
    words = [word for word in said if word not in unwanted]
    tags = [word for word in words_of(*brief.landscapes) if word not in unwanted]
    setting = _setting(meanings(SETTINGS, tags) or meanings(SETTINGS, words))
    weather = frozenset(meanings(WEATHER, tags + words_of(*brief.styles) + words))
    hour = (meanings(HOURS, words_of(brief.time_of_day)) + meanings(HOURS, words) + ["afternoon"])[
        0
    ]
    mood = (
        meanings(MOODS, words_of(brief.mood))
        + meanings(MOODS, words_of(*brief.styles))
        + ["neutral"]
    )[0]
    things = tuple(meanings(THINGS, words))
    people = _people(brief, words)
    framing = _framing(brief, words, things, people)
    chance = brief.chance("staging")
    aspect = brief.width / brief.height
    side = chance.choice((-1.0, 1.0))
    overcast = bool(weather & {"rain", "snow", "fog"})
    return Stage(
        brief=brief,
        framing=framing,
        setting=setting,
        weather=weather,
        hour=hour,
        people=people,
        pose=_pose(words, framing),
        things=things,
        opened=bool({"open", "opens", "opening", "opened"} & set(words)),
        camera=camera_for(framing, aspect, aspect * chance.uniform(0.40, 0.60), setting in INDOORS),
        palette=palette_for(hour, mood, side, overcast, setting in INDOORS),
        side=side,
        aspect=aspect,
    )


def _setting(found: list[str]) -> str:
    """The first place named; a room gives way to the kind of room it is."""
    first = found[0] if found else "field"
    return next((s for s in found if s in INDOORS - {"room"}), first) if first == "room" else first


def _people(brief: PanelBrief, words: list[str]) -> tuple[str, ...]:
    if brief.characters:
        return brief.characters[:6]
    found = meanings(PEOPLE, words)[:2]
    return ("marcus", "anna", "old man", "lena") if "crowd" in found else tuple(found)


def _framing(
    brief: PanelBrief, words: list[str], things: tuple[str, ...], people: tuple[str, ...]
) -> str:
    framing = framing_of(brief.shot_type)
    held = [thing for thing in things if thing not in NEVER_BUILT]
    if (
        framing in ("close", "extreme_close", "medium_close")
        and held
        and not _about_face(brief, words)
    ):
        return "insert"
    if framing == "insert" and not held and people:
        return "extreme_close"
    return framing


def _about_face(brief: PanelBrief, words: list[str]) -> bool:
    """Whether a person is named before the first thing."""
    names = set(words_of(*brief.characters)) | {w for said in PEOPLE.values() for w in said.split()}
    names |= {"face", "eyes", "smile", "expression"}
    held = {w for k, said in THINGS.items() if k not in NEVER_BUILT for w in said.split()}
    first = next((word for word in words if word in names | held), "")
    return first in names or not held & set(words)


def _pose(words: list[str], framing: str) -> str:
    poses = meanings(POSES, words)
    if framing in ("extreme_close", "close", "medium_close"):
        return "stand"
    if "window" in poses and framing in ("wide", "full", "medium", "extreme_wide", "low"):
        return "window"
    known = [pose for pose in poses if pose != "window"]
    return known[0] if known else "stand"
