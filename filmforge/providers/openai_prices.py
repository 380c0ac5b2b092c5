"""What OpenAI's pictures and speech cost: bounds before, and what was used after."""

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

from filmforge.domain import GenerationRequest
from filmforge.errors import BadInput
from filmforge.providers.catalogue import Model, price_of
from filmforge.providers.openai_answers import Reply

# The model that hands the words to the picture model. Its page says that it has the tool, reasons
# with effort "none" and costs 0.20 in, a quarter more where it writes to its cache, and 1.20 out,
# in US dollars a million tokens: developers.openai.com/api/docs/models/gpt-5.6-luna, 2026-11-21.
DIRECTOR = "gpt-5.6-luna"
DIRECTOR_IN, DIRECTOR_CACHE, DIRECTOR_OUT = Decimal("0.20"), Decimal("0.05"), Decimal("1.20")
DIRECTION = (
    "Call the image generation tool once. Its prompt is the user's text, word for word: "
    "add nothing, leave nothing out, change nothing. Say nothing else."
)

# US dollars a million tokens of the models in CELLS: fal.ai/models/openai/gpt-image-2 (pricing)
# and docs.apiyi.com/en/news/gpt-image-2-5-launch ("same price"), 2026-11-21; OpenAI's own page of
# gpt-image-2.6-sunburst says the same.
TEXT_IN, PICTURE_IN, PICTURE_OUT = Decimal(5), Decimal(8), Decimal(30)

# A picture is that many cells along its longer side. It gives the output tokens that OpenAI's
# calculator tells (community.openai.com/t/1382699) and those published for 2.5: 196, 439, 1,756,
# 3,122 and 7,024 for a square (s-anand.net, "Quality levels of GPT Image 2.5 Flare").
CELLS: Mapping[str, Mapping[str, int]] = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5-flare": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
    "gpt-image-2.5-sunburst": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}
SQUARE = "1024x1024"

# Bounds of a quote, in tokens. No token is shorter than a byte. What the tool's own description
# adds and a second look at the finished picture stay far below TALK. GPT Image 1 read a picture
# in high fidelity as at most 7,300 tokens; nothing is published for its successors.
TALK = 12_000
WORDS = 512
REFERENCE = 8_000

# Their catalogue price is for a byte of text. A word takes a while, however short it is.
SPEECH_BY_TOKENS = frozenset({"gpt-4o-mini-tts"})
SHORTEST_BYTES = 100

MILLION = Decimal(1_000_000)
MICRO = Decimal("0.000001")


def quote_picture(model: Model, request: GenerationRequest) -> Decimal:
    """The highest price of a picture, in US dollars; the catalogue's is that of a SQUARE."""
    price = price_of(model, request)
    if len(request.inputs) > model.references:
        problem = f"{model.id} takes at most {model.references} pictures"
        raise BadInput("image", problem, "Give fewer.")
    return _whole_micros(price * _share(model, request) + _talk(request))


def quote_speech(model: Model, request: GenerationRequest) -> Decimal:
    """The highest price of a speech, in US dollars."""
    price = price_of(model, request)
    if not request.parameters.get("voice"):
        raise BadInput("voice", "is missing", "Name a voice.")
    if model.id in SPEECH_BY_TOKENS:
        text = str(request.parameters["text"])
        price *= Decimal(len(text.encode()) + SHORTEST_BYTES) / len(text)
    return _whole_micros(price)


def cost_of_tokens(request: GenerationRequest, said: Reply) -> Decimal | None:
    """What the tokens that were used cost, in US dollars; None where they are not all told.

    Cached tokens count in full, so it is at most a little more than what is billed.
    """
    if drawer(request) not in CELLS or said.usage is None or said.tool_usage is None:
        return None
    drawn = said.tool_usage.image_gen
    if said.picture and not drawn.output_tokens:
        return None  # such records are skipped at times (openai/types/responses/response.py)
    read = drawn.input_tokens_details
    used = (
        said.usage.input_tokens * DIRECTOR_IN
        + said.usage.input_tokens_details.cache_write_tokens * DIRECTOR_CACHE
        + said.usage.output_tokens * DIRECTOR_OUT
        + read.text_tokens * TEXT_IN
        + read.image_tokens * PICTURE_IN
        + drawn.output_tokens * PICTURE_OUT
    )
    return _whole_micros(used / MILLION)


def drawer(request: GenerationRequest) -> str:
    """The model that draws: some models of the catalogue are one of OpenAI's in one quality."""
    return str(request.parameters.get("model", request.model))


def words_of(request: GenerationRequest) -> str:
    """What the picture is to show, and what it is not."""
    given = request.parameters
    avoided = given.get("negative_prompt")
    return f"{given['prompt']}\n\nAvoid: {avoided}" if avoided else str(given["prompt"])


def longest(words: str) -> int:
    """A bound on what the director writes, in tokens: the words again and the call around them."""
    return len(words.encode()) + WORDS


def picture_tokens(model: str, quality: str, size: str) -> int | None:
    """The output tokens of a picture; None where nothing is known of the model or the quality."""
    cells = CELLS.get(model, {}).get(quality)
    if cells is None:
        return None
    long, short = sorted((int(side) for side in size.split("x")), reverse=True)
    across = (2 * cells * short + long) // (2 * long)
    return -(-cells * across * (2_000_000 + long * short) // 4_000_000)


def _share(model: Model, request: GenerationRequest) -> Decimal:
    """How much of the price of a SQUARE a picture costs."""
    size, quality = request.parameters.get("size"), str(request.parameters.get("quality"))
    if size not in model.sizes:
        raise BadInput("size", f"{model.id} cannot make {size}", f"Use {', '.join(model.sizes)}.")
    tokens = picture_tokens(drawer(request), quality, str(size))
    square = picture_tokens(drawer(request), quality, SQUARE)
    return Decimal(tokens) / square if tokens and square else Decimal(1)


def _talk(request: GenerationRequest) -> Decimal:
    """A bound on what is paid besides the picture, in US dollars."""
    words, pictures = words_of(request), len(request.inputs)
    written = longest(words)
    read = len((DIRECTION + words).encode()) + written + TALK + pictures * REFERENCE
    drawn_from = (len(words.encode()) + written) * TEXT_IN + pictures * REFERENCE * PICTURE_IN
    directed = read * (DIRECTOR_IN + DIRECTOR_CACHE) + written * DIRECTOR_OUT
    return (directed + drawn_from) / MILLION


def _whole_micros(usd: Decimal) -> Decimal:
    return usd.quantize(MICRO, ROUND_UP)
