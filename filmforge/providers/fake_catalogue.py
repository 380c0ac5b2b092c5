"""What the `fake` provider offers and what a request to it costs."""

from datetime import date
from decimal import Decimal

from filmforge.domain import GenerationRequest, Kind
from filmforge.fields import MAX_DURATION_S
from filmforge.providers import catalogue
from filmforge.providers.catalogue import Model, Price, Unit, unknown_model

SOURCE = "filmforge/fakeserver/catalogue.py"
MAX_WORDS = 32_000
LOOK = frozenset({"prompt", "negative_prompt", "width", "height"})


def _price(usd: str, unit: Unit) -> Price:
    return Price(usd=Decimal(usd), unit=unit, source=SOURCE, read_on=date(2026, 11, 21))


MODELS = {
    model.id: model
    for model in (
        Model(
            id="image-1",
            kind=Kind.IMAGE,
            parameters=LOOK,
            max_chars=MAX_WORDS,
            price=_price("0.003", Unit.ITEM),
        ),
        Model(
            id="video-1",
            kind=Kind.VIDEO,
            parameters=LOOK | {"fps", "duration"},
            max_chars=MAX_WORDS,
            price=_price("0.01", Unit.SECOND),
            max_duration_s=MAX_DURATION_S,
        ),
        Model(
            id="voice-1",
            kind=Kind.AUDIO,
            makes="speech",
            parameters=frozenset({"text", "voice"}),
            price=_price("0.000015", Unit.CHARACTER),
            max_chars=MAX_WORDS,
        ),
    )
}


def price_of(request: GenerationRequest) -> Decimal:
    """What a request costs, in US dollars. Raises BadInput naming the model or the parameter."""
    model = MODELS.get(request.model)
    if model is None or model.kind is not request.kind:
        raise unknown_model("fake", request, MODELS)
    return catalogue.price_of(model, request)
