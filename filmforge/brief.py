"""The film as a person submits it: its shots, and what is said besides them."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from filmforge.cast import Cast, Options
from filmforge.delivery import Deliveries
from filmforge.domain import Providers, Shot, Stage
from filmforge.fields import Frozen, Identifier, Pixels, Rate, plain_text
from filmforge.look import Look
from filmforge.money import Money
from filmforge.quality import QualityPolicy
from filmforge.sound import Sound
from filmforge.subtitles import END_CARD, TITLE_CARD, Card, Subtitles
from filmforge.transition import CUT, GivenTransition, Trim

MAX_SHOTS = 5_000


class Approval(Frozen):
    """Whether a person approves each frame; `timeout` in seconds, None waits for ever."""

    frames: Literal["required", "auto"] = "auto"
    timeout: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    on_timeout: Literal["approve", "skip", "wait"] = "wait"


class Output(Frozen):
    """The picture format of the finished film."""

    width: Pixels = 1280
    height: Pixels = 720
    fps: Rate = Fraction(24)


class Scene(Frozen):
    """What is said of the shots of one scene; its look counts before the film's."""

    look: Look = Look()


class Brief(Frozen):
    """What a submitted film says besides its shots.

    Films of one `project` share its cap and its turn at a provider; `priority` 1 goes first.
    `fallbacks` are used in place of a model that provably took no money. `cast` is what is known
    of characters, by the names that shots give them; `options` hold for every shot. `transition`
    is the one of every shot that names none, shortened where a shot is short; `opening` brings the
    first shot out of a colour; `trim` shows less of a shot, by its id.
    """

    film_id: Identifier | None = None
    title: Annotated[str, StringConstraints(max_length=200), AfterValidator(plain_text)] = ""
    project: Identifier | None = None
    priority: Annotated[int, Field(ge=1, le=5)] = 3
    budget_usd: Money | None = None
    providers: Providers = Providers()
    fallbacks: Providers = Providers()
    cast: Cast = {}
    options: Options = Options()
    approval: Approval = Approval()
    output: Output = Output()
    transition: GivenTransition = CUT
    opening: GivenTransition = CUT
    trim: dict[Identifier, Trim] = {}
    title_card: Card | None = None
    end_card: Card | None = None
    look: Look = Look()
    scenes: dict[Identifier, Scene] = {}
    sound: Sound = Sound()
    subtitles: Subtitles | None = None
    quality: QualityPolicy = QualityPolicy()
    deliveries: Deliveries = ()
    stop_after: Stage = Stage.FILM
    callback_url: Annotated[str, StringConstraints(max_length=2_000)] | None = None

    def look_of(self, scene_id: str | None) -> Look:
        """How the shots of a scene look: what is said of it, and else of the film."""
        scene = self.scenes.get(scene_id or "")
        return scene.look.over(self.look) if scene else self.look


class Film(Brief):
    """A film as submitted."""

    shots: Annotated[tuple[Shot, ...], Field(min_length=1, max_length=MAX_SHOTS)]

    @property
    def brief(self) -> Brief:
        """The film without its shots."""
        return Brief.model_validate(self.model_dump(exclude={"shots"}))

    @model_validator(mode="after")
    def _shots_are_distinct(self) -> Self:
        first: dict[str, int] = {}
        for index, shot in enumerate(self.shots):
            earlier = first.setdefault(shot.shot_id, index)
            if earlier != index:
                raise ValueError(
                    f"shots[{index}].shot_id: {shot.shot_id!r} is used twice, shots[{earlier}] "
                    "has it too. Give every shot an id of its own."
                )
        return self

    @model_validator(mode="after")
    def _opening_comes_out_of_a_colour(self) -> Self:
        if self.opening.type != "cut" and (self.opening.leaves or not self.opening.arrives):
            raise ValueError(
                f"opening: nothing comes before the first shot for a {self.opening.type}. "
                "Give fade_from_black, fade_from_white or cut."
            )
        return self

    @model_validator(mode="after")
    def _trims_leave_something(self) -> Self:
        lengths = {shot.shot_id: shot.duration for shot in self.shots}
        for shot_id, trim in self.trim.items():
            if shot_id not in lengths:
                raise ValueError(f"trim.{shot_id}: no shot has this id. Correct or remove it.")
            if trim.start + trim.end >= lengths[shot_id]:
                raise ValueError(
                    f"trim.{shot_id}: cuts off {trim.start + trim.end:f} s of a shot of "
                    f"{lengths[shot_id]:f} s. Leave something of it."
                )
        return self

    @model_validator(mode="after")
    def _cards_have_their_ids(self) -> Self:
        taken = {TITLE_CARD: self.title_card, END_CARD: self.end_card}
        for index, shot in enumerate(self.shots):
            if taken.get(shot.shot_id):
                raise ValueError(
                    f"shots[{index}].shot_id: {shot.shot_id!r} is the film's own card. "
                    "Call the shot something else, or leave the card out."
                )
        return self

    @model_validator(mode="after")
    def _sounds_have_their_ids(self) -> Self:
        sounds = {place.shot_id: place.field for place, _ in self.sound.generated}
        for index, shot in enumerate(self.shots):
            if shot.shot_id in sounds:
                raise ValueError(
                    f"shots[{index}].shot_id: {shot.shot_id!r} is what {sounds[shot.shot_id]} is "
                    "called while it is made. Call the shot something else."
                )
        return self

    @model_validator(mode="after")
    def _scenes_have_shots(self) -> Self:
        scenes = {shot.scene_id for shot in self.shots}
        for scene_id in self.scenes:
            if scene_id not in scenes:
                raise ValueError(
                    f"scenes.{scene_id}: no shot is in a scene {scene_id!r}. "
                    "Correct it, or give shots this scene_id."
                )
        return self

    @model_validator(mode="after")
    def _translations_have_shots(self) -> Self:
        shots = {shot.shot_id for shot in self.shots}
        for index, track in enumerate(self.subtitles.tracks if self.subtitles else ()):
            for shot_id in track.lines or ():
                if shot_id not in shots:
                    raise ValueError(
                        f"subtitles.tracks[{index}].lines.{shot_id}: no shot has this id. "
                        "Correct or remove it."
                    )
        return self

    @model_validator(mode="after")
    def _sounds_have_a_place(self) -> Self:
        scenes = {shot.scene_id for shot in self.shots}
        for index, ambience in enumerate(self.sound.ambience):
            if ambience.scene_id not in scenes:
                raise ValueError(
                    f"sound.ambience[{index}].scene_id: no shot is in a scene "
                    f"{ambience.scene_id!r}. Correct it, or give shots this scene_id."
                )
        shots = {shot.shot_id for shot in self.shots}
        for index, effect in enumerate(self.sound.effects):
            if effect.shot_id not in shots:
                raise ValueError(
                    f"sound.effects[{index}].shot_id: no shot is called {effect.shot_id!r}. "
                    "Correct it."
                )
        return self

    @model_validator(mode="after")
    def _overlaps_fit(self) -> Self:
        shown = [self._shown_s(shot) for shot in self.shots]
        for index, (mine, following) in enumerate(pairwise(shown)):
            longest = _half(min(mine, following))
            given = self.shots[index].transition
            if given and given.overlaps and given.duration > longest:
                short, lasts = (index, mine) if mine <= following else (index + 1, following)
                raise ValueError(
                    f"shots[{index}].transition.duration: a {given.type} of {given.duration:f} s "
                    f"takes more than half of shots[{short}], which lasts {lasts:f} s. "
                    f"Make it at most {longest:f} s, or a cut."
                )
        return self

    def _shown_s(self, shot: Shot) -> Decimal:
        trim = self.trim.get(shot.shot_id, Trim())
        return shot.duration - trim.start - trim.end


def _half(seconds: Decimal) -> Decimal:
    return (seconds / 2).quantize(Decimal("0.001"), ROUND_DOWN).normalize()


def read_film(document: Any) -> Film:
    """Validate a submitted document: a film object, or a bare list of shots.

    Raises pydantic.ValidationError naming every field that is wrong.
    """
    return Film.model_validate({"shots": document} if isinstance(document, list) else document)
