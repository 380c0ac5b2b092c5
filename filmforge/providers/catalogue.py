"""The model catalogue: what each model makes, takes and costs, with the source of every price."""

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_CEILING, ROUND_UP, Decimal
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, ValidationError, model_validator

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import BadInput, NotConfigured
from filmforge.fields import Frozen
from filmforge.money import Money

Size = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,5}x[0-9]{2,5}$")]
Ratio = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}:[0-9]{1,5}$")]
PIXELS_A_MEGAPIXEL = 1_000_000
MICRO_USD = Decimal("0.000001")


class Unit(StrEnum):
    """What a price is for; a begun megapixel counts as a whole one.

    A GPU second is one that a function of ours works or loads.
    """

    ITEM = "item"
    SECOND = "second"
    CHARACTER = "character"
    MEGAPIXEL = "megapixel"
    GPU_SECOND = "gpu_second"


class Recovery(StrEnum):
    """How a job whose answer was lost can be found again."""

    LISTING = "listing"
    WEBHOOK = "webhook"
    NONE = "none"


class Price(Frozen):
    """What one unit costs, where the figure stands and on which day it was read.

    `when` names the parameters it holds for; an empty one holds for the rest.
    """

    usd: Money
    unit: Unit
    source: Annotated[str, StringConstraints(min_length=1)]
    read_on: date
    when: dict[str, JsonValue] = {}


class Model(Frozen):
    """One model of a provider.

    `parameters` are the names it takes, in our words; others never enter the request key.
    `names` are the provider's words where they differ; `fixed` is sent as it is and is part of
    the request. `durations_s` are the only lengths it makes, `max_duration_s` bounds a clip, both
    in seconds; `sizes` ("WIDTHxHEIGHT" in pixels) and `ratios` ("16:9") are the only pictures it
    makes, otherwise sides are a multiple of `side_multiple` and at most `max_side` pixels.
    `max_chars` bounds the prompt or the spoken text, `references` how many pictures may be given;
    `voices` maps a speaker, in lower case, to the provider's voice, "*" is everybody else's;
    `credits` is how many of the provider's own credits a unit of `price` is, where it counts so;
    `limit_s` is how many seconds a call may last, loading included, where they are paid for.
    `prices` hold for the parameters they name; `price` holds for the rest. `options` are
    parameters that only a film's own options give; `roles` are the guides it takes ("references"
    and "voice": what is known of a character), `needs` those it cannot do without. What `makes` a
    tool is asked for outside of films.
    """

    id: str
    kind: Kind
    parameters: frozenset[str]
    price: Price
    prices: tuple[Price, ...] = ()
    makes: Literal["speech", "effect", "music", "tool"] | None = None
    names: dict[str, str] = {}
    fixed: dict[str, JsonValue] = {}
    takes_seed: bool = True
    durations_s: tuple[Decimal, ...] = ()
    min_duration_s: Decimal | None = None
    max_duration_s: Decimal | None = None
    sizes: tuple[Size, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    max_side: int | None = None
    side_multiple: Annotated[int, Field(ge=1)] = 1
    max_chars: int | None = None
    references: Annotated[int, Field(ge=0)] = 0
    voices: dict[str, str] = {}
    credits: Decimal | None = None
    limit_s: Annotated[int, Field(ge=1)] | None = None
    recovery: Recovery | None = None
    options: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _has_a_limit(self) -> "Model":
        by_seconds = any(p.unit is Unit.GPU_SECOND for p in (self.price, *self.prices))
        if by_seconds and self.limit_s is None:
            raise ValueError("limit_s is missing: without it nobody knows the highest price")
        return self

    @property
    def words(self) -> str:
        """The parameter that carries the words."""
        return "text" if "text" in self.parameters else "prompt"


def fit(model: Model, offered: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What a model is asked for: the wish in the parameters, lengths and sizes that it takes.

    A shorter clip is made in the next length there is and cut by the film; the nearest picture
    shape is taken and letterboxed by it. Raises BadInput naming what the model accepts.
    """
    wish = dict(offered)
    if "duration" in model.parameters and "duration" in wish:
        wish["duration"] = format(_length(model, Decimal(str(wish["duration"]))), "f")
    if "width" in wish and "height" in wish:
        wish |= _shape(model, int(wish["width"]), int(wish["height"]))
    if model.voices and wish.get("voice"):
        wish["voice"] = voice_of(model, str(wish["voice"]))
    _refuse_long_words(model, wish)
    fitted = {name: wish[name] for name in sorted(wish) if name in model.parameters and wish[name]}
    return fitted | model.fixed


def voice_of(model: Model, speaker: str) -> str:
    """The provider's voice of a speaker: the one given for the name, or for everybody else.

    Without either each name gets one of the voices by rendezvous hashing (Thaler and Ravishankar,
    1998): always the same, and a voice more or less moves few of the others.
    """
    given = model.voices.get(speaker.lower(), model.voices.get("*"))
    if given is not None:
        return given

    def weight(name: str) -> bytes:
        return hashlib.sha256(f"{speaker.lower()}\0{name}".encode()).digest()

    return model.voices[max(model.voices, key=weight)]


def price_of(model: Model, request: GenerationRequest) -> Decimal:
    """The highest price a request can cost, in US dollars.

    Raises BadInput naming the parameter that the model does not take, lacks or cannot serve.
    """
    _check(model, request.parameters)
    price = price_for(model, request.parameters)
    return price.usd * _units(price.unit, model, request.parameters)


def price_for(model: Model, parameters: Mapping[str, JsonValue]) -> Price:
    """The price that holds for a request's parameters."""
    return next((p for p in model.prices if _holds(p, parameters)), model.price)


def cost_of(model: Model | None, told: Decimal | int | None) -> Decimal | None:
    """What a job took in US dollars, from the credits it told; None where it tells none."""
    if model is None or told is None or not model.credits:
        return None
    cost = Decimal(told) / model.credits * model.price.usd
    return cost.quantize(MICRO_USD, ROUND_UP)


def seconds_cost(model: Model, parameters: Mapping[str, JsonValue], seconds: float) -> Decimal:
    """What so many GPU seconds cost in US dollars, rounded up to a micro-dollar."""
    cost = price_for(model, parameters).usd * Decimal(str(seconds))
    return cost.quantize(MICRO_USD, ROUND_UP)


def load_models(
    provider: str, user_file: Path | None = None, base: Mapping[str, Model] | None = None
) -> dict[str, Model]:
    """The catalogue of a provider by model id, with the entries of the user's own file over it.

    An entry of the user's file (TOML, `[[model]]` with `provider` and `id`) replaces the fields
    it names. `base` stands for a catalogue that is no file of the provider's own. Raises
    NotConfigured naming the file, the model and the field that is wrong.
    """
    entries = {name: model.model_dump(exclude_unset=True) for name, model in (base or {}).items()}
    own = resources.files("filmforge.providers").joinpath("models", f"{provider}.toml")
    if own.is_file():
        entries |= {each["id"]: each for each in _entries(own.read_text("utf-8"), own.name)}
    if user_file is not None:
        for each in _entries(_text(user_file), str(user_file)):
            if each.pop("provider", None) == provider:
                name = each.get("id", "")
                entries[name] = {**entries.get(name, {}), **each}
    return {name: _model(provider, name, entry) for name, entry in entries.items()}


def unknown_model(
    provider: str, request: GenerationRequest, models: Mapping[str, Model]
) -> BadInput:
    """The refusal of a model that is not in the catalogue, naming those that are."""
    known = ", ".join(sorted(m.id for m in models.values() if m.kind is request.kind))
    return BadInput(
        "model",
        f"{provider} has no {request.kind.value} model {request.model!r} with a known price",
        f"Use one of: {known}; or give the model and its price in FILMFORGE_MODELS_FILE.",
    )


def _entries(text: str, name: str) -> list[dict[str, Any]]:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotConfigured(f"{name}: is not TOML: {error}") from None
    listed = found.get("model", [])
    if set(found) - {"model"} or not isinstance(listed, list):
        raise NotConfigured(f"{name}: holds more than [[model]] tables: remove the rest")
    return listed


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"FILMFORGE_MODELS_FILE: {path} cannot be read: {error}") from None


def _model(provider: str, name: str, entry: dict[str, Any]) -> Model:
    try:
        return Model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise NotConfigured(f"{provider}:{name}: {field}: {first['msg']}") from None


def _length(model: Model, wanted: Decimal) -> Decimal:
    if model.durations_s:
        long_enough = [d for d in sorted(model.durations_s) if d >= wanted]
        if long_enough:
            return long_enough[0]
        lengths = ", ".join(format(d, "f") for d in sorted(model.durations_s))
        raise BadInput(
            "duration",
            f"{model.id} makes clips of {lengths} s, not of {wanted:f} s",
            "Shorten the shot, or choose another model.",
        )
    if model.max_duration_s is not None and wanted > model.max_duration_s:
        raise BadInput(
            "duration",
            f"{model.id} makes at most {model.max_duration_s:f} s, not {wanted:f} s",
            "Shorten the shot, or choose another model.",
        )
    return max(wanted, model.min_duration_s or wanted)


def _shape(model: Model, width: int, height: int) -> dict[str, JsonValue]:
    if model.sizes:
        size = _nearest(model.sizes, "x", width, height)
        wide, high = size.split("x")
        return {"size": size, "width": int(wide), "height": int(high)}
    if model.ratios:
        return {"aspect_ratio": _nearest(model.ratios, ":", width, height)}
    scale = min(1.0, (model.max_side or math.inf) / max(width, height))
    step = model.side_multiple
    return {
        "width": max(step, int(width * scale) // step * step),
        "height": max(step, int(height * scale) // step * step),
    }


def _nearest(choices: Sequence[str], mark: str, width: int, height: int) -> str:
    """The choice of the nearest shape; among equal shapes the smallest that is large enough."""

    def rank(choice: str) -> tuple[float, bool, float]:
        wide, high = (int(side) for side in choice.split(mark))
        off = abs(math.log((wide / high) / (width / height)))
        small = wide * high < width * height
        return round(off, 3), small, -wide * high if small else wide * high

    return min(choices, key=rank)


def _refuse_long_words(model: Model, wish: Mapping[str, Any]) -> None:
    words = str(wish.get(model.words) or "")
    if model.max_chars is not None and len(words) > model.max_chars:
        raise BadInput(
            model.words,
            f"{model.id} takes at most {model.max_chars} characters, not {len(words)}",
            "Shorten the words, or choose another model.",
        )


def _check(model: Model, given: Mapping[str, JsonValue]) -> None:
    for name in given:
        if name not in model.parameters | model.options | model.fixed.keys():
            takes = ", ".join(sorted(model.parameters | model.options))
            raise BadInput(name, f"{model.id} does not take it", f"It takes: {takes}.")
    words = given.get(model.words)
    if model.words in model.parameters and not (isinstance(words, str) and words):
        raise BadInput(model.words, "is missing", "Give the words.")
    _refuse_long_words(model, given)
    if "duration" in model.parameters and model.kind is Kind.VIDEO:
        asked = _number("duration", given.get("duration"))
        if _length(model, asked) != asked:
            _length(model, Decimal("Infinity"))


def _holds(price: Price, given: Mapping[str, JsonValue]) -> bool:
    return all(given.get(name) == value for name, value in price.when.items())


def _units(unit: Unit, model: Model, given: Mapping[str, JsonValue]) -> Decimal:
    match unit:
        case Unit.ITEM:
            return Decimal(1)
        case Unit.SECOND:
            return _number("duration", given.get("duration"))
        case Unit.GPU_SECOND:
            return Decimal(model.limit_s or 0)
        case Unit.CHARACTER:
            return Decimal(len(str(given.get(model.words))))
        case Unit.MEGAPIXEL:
            pixels = _number("width", given.get("width")) * _number("height", given.get("height"))
            return (pixels / PIXELS_A_MEGAPIXEL).to_integral_value(ROUND_CEILING)


def _number(name: str, value: JsonValue) -> Decimal:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise BadInput(name, "is missing or no number above 0", "Give a number.")
    return number
