"""Quotes: the request a shot leads to and the highest price it can cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from filmforge.brief import Brief, Film
from filmforge.cues import SoundShot, sounds_of
from filmforge.direction import directed, makes_of, model_ref, request_for
from filmforge.domain import Direction, GenerationRequest, Kind, Providers, Shot
from filmforge.errors import BadInput, NotConfigured
from filmforge.gateway.problems import invalid
from filmforge.gateway.wording import MAX_ERRORS, FieldError
from filmforge.money import from_micros, to_micros
from filmforge.providers.registry import Registry

# A clip is quoted before its frame exists: its price does not depend on which picture it is.
NO_FRAME = "0" * 64
_CUE_NAMES = {"enhanced_prompt": "prompt", "dialogue": "prompt"}
_SOUNDS = {"music": "music", "effect": "sound effects"}
_OWN_NAMES = {"prompt": "enhanced_prompt", "text": "dialogue", "voice": "characters"}


@dataclass(frozen=True)
class Quote:
    """One request with its price in US dollars."""

    request: GenerationRequest
    price: Decimal

    @cached_property
    def key(self) -> str:
        """The key of the request, worked out once."""
        return self.request.key


def kinds_of(shot: Shot) -> tuple[Kind, ...]:
    """What is made for a shot; only words that are spoken need a voice, a sound has no picture."""
    if isinstance(shot, SoundShot):
        return (Kind.AUDIO,)
    return (Kind.IMAGE, Kind.VIDEO, Kind.AUDIO) if shot.dialogue else (Kind.IMAGE, Kind.VIDEO)


def quote(
    registry: Registry,
    film: Brief,
    shot: Shot,
    direction: Direction,
    kind: Kind,
    frame: str | None = None,
) -> Quote:
    """The request of one kind and its price. Raises BadInput naming the field of the shot."""
    provider_name, model_id = model_ref(film, shot, direction, kind)
    try:
        provider, model = registry.model(f"{provider_name}:{model_id}", kind, makes_of(shot))
        request = request_for(film, shot, direction, kind, model, frame)
        # In whole micro-dollars, as it is reserved: what a page says is what may be charged.
        return Quote(request, from_micros(to_micros(provider.quote(request))))
    except NotConfigured as error:
        raise _not_configured(kind, error) from error
    except BadInput as error:
        field = _OWN_NAMES.get(error.field, error.field)
        raise BadInput(field, error.problem, error.remedy) from error


def check_film(registry: Registry, film: Film) -> None:
    """Make sure that every shot can be asked for. Raises Refusal naming the fields that bar it."""
    found: list[FieldError] = []
    for error in _objections(registry, film):
        if error not in found:
            found.append(error)
        if len(found) == MAX_ERRORS:
            break
    if found:
        raise invalid(found)


def check_shot(registry: Registry, film: Brief, shot: Shot, direction: Direction) -> None:
    """Make sure that a shot can be asked for as directed. Raises BadInput."""
    _check_kinds(registry, film, shot, direction)


def check_providers(
    registry: Registry, chosen: Providers, place: str = "providers", makes: str = "speech"
) -> None:
    """Make sure that every model named exists and has a price; `makes` is what sound it is for.

    Raises BadInput naming the field below `place`.
    """
    for kind in Kind:
        if ref := getattr(chosen, kind.value):
            try:
                registry.model(ref, kind, makes)
            except NotConfigured as error:
                raise _not_configured(kind, error, place) from error
            except BadInput as error:
                raise BadInput(f"{place}.{kind}", error.problem, error.remedy) from error


def _objections(registry: Registry, film: Film) -> Iterator[FieldError]:
    try:
        check_providers(registry, film.providers)
        check_providers(registry, film.fallbacks, "fallbacks")
    except BadInput as error:
        yield _told(error)
        return
    wishes = [Direction()]
    if film.fallbacks != Providers():
        wishes.append(Direction(providers=film.fallbacks))
    for index, shot in enumerate(film.shots):
        place = f"shots[{index}]."
        try:
            check_providers(registry, shot.providers, f"{place}providers")
            for wish in wishes:
                _check_kinds(registry, film, shot, wish)
        except BadInput as error:
            # A model nobody named for this shot is the film's, or the default.
            own = error.field.startswith(("providers.", "shots[", "cast."))
            yield _told(error, "" if own else place)
    for sound in sounds_of(film):
        try:
            _check_kinds(registry, film, sound, Direction())
        except BadInput as error:
            yield _told(_of_cue(registry, film, sound, error))


def _of_cue(registry: Registry, film: Film, sound: SoundShot, error: BadInput) -> BadInput:
    """The same about the field of the cue; a model that makes no such sound has alternatives."""
    place = f"{sound.cue.field}.generate"
    if error.field != "providers.audio":
        name = _CUE_NAMES.get(error.field, error.field)
        return BadInput(f"{place}.{name}", error.problem, error.remedy)
    makers = registry.makers(Kind.AUDIO, sound.cue.makes)
    whose = "" if sound.providers.audio or not film.providers.audio else "the film's audio model: "
    remedy = f"Name one that makes {_SOUNDS[sound.cue.makes]}: {', '.join(makers)}."
    return BadInput(f"{place}.model", f"{whose}{error.problem}", remedy)


def _check_kinds(registry: Registry, film: Brief, shot: Shot, direction: Direction) -> None:
    for kind in kinds_of(directed(shot, direction)):
        quote(registry, film, shot, direction, kind, _frame(kind))


def _told(error: BadInput, prefix: str = "") -> FieldError:
    return FieldError(field=prefix + error.field, problem=error.problem, remedy=error.remedy)


def _frame(kind: Kind) -> str | None:
    return NO_FRAME if kind is Kind.VIDEO else None


def _not_configured(kind: Kind, error: NotConfigured, place: str = "providers") -> BadInput:
    remedy = "Configure it, or choose another provider."
    return BadInput(f"{place}.{kind.value}", str(error), remedy)
