"""What the `fake` provider offers and what a request to it costs."""

from datetime import date
from decimal import Decimal

from pydantic import TypeAdapter, ValidationError

from filmforge.domain import MAX_DURATION_S, GenerationRequest, Kind, Seconds
from filmforge.errors import BadInput
from filmforge.money import Money
from filmforge.providers.base import Model, Price, Unit

SOURCE = "filmforge/fakeserver/catalogue.py"
MAX_WORDS = 32_000
LOOK = frozenset({"prompt", "negative_prompt", "width", "height"})


def _price(usd: str, unit: Unit) -> Price:
    return Price(usd=Decimal(usd), unit=unit, source=SOURCE, read_on=date(2026, 11, 21))


MODELS = {
    model.id: model
    for model in (
        Model(id="image-1", kind=Kind.IMAGE, parameters=LOOK, price=_price("0.003", Unit.ITEM)),
        Model(
            id="video-1",
            kind=Kind.VIDEO,
            parameters=LOOK | {"fps", "duration"},
            price=_price("0.01", Unit.SECOND),
            max_duration_s=float(MAX_DURATION_S),
        ),
        Model(
            id="voice-1",
            kind=Kind.AUDIO,
            parameters=frozenset({"text", "voice"}),
            price=_price("0.000015", Unit.CHARACTER),
            max_chars=MAX_WORDS,
        ),
    )
}


_SECONDS = TypeAdapter[Decimal](Seconds)


def price_of(request: GenerationRequest) -> Money:
    """What a request costs, in US dollars. Raises BadInput naming the model or the parameter."""
    model = MODELS.get(request.model)
    if model is None or model.kind is not request.kind:
        known = ", ".join(m.id for m in MODELS.values() if m.kind is request.kind)
        problem = f"fake has no {request.kind.value} model {request.model!r}"
        raise BadInput("model", problem, f"Use one of: {known}.")
    for name in request.parameters:
        if name not in model.parameters:
            known = ", ".join(sorted(model.parameters))
            raise BadInput(name, f"{model.id} does not take it", f"It takes: {known}.")
    words = _words(request, "text" if model.kind is Kind.AUDIO else "prompt")
    match model.price.unit:
        case Unit.ITEM:
            return model.price.usd
        case Unit.SECOND:
            return model.price.usd * _duration(request)
        case Unit.CHARACTER:
            return model.price.usd * len(words)


def _words(request: GenerationRequest, name: str) -> str:
    words = request.parameters.get(name)
    if not isinstance(words, str) or not 0 < len(words) <= MAX_WORDS:
        raise BadInput(name, "is missing or too long", f"Give 1 to {MAX_WORDS} characters.")
    return words


def _duration(request: GenerationRequest) -> Decimal:
    try:
        return _SECONDS.validate_python(request.parameters.get("duration"))
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise BadInput("duration", problem, 'Give seconds such as "2.5".') from None
