"""Who a name looks like: the same hair, face and clothes in every panel."""

import random
import re
from dataclasses import dataclass

from filmforge.media.panel.colour import Colour

SKINS: tuple[Colour, ...] = (
    (246, 212, 186),
    (236, 194, 162),
    (220, 172, 136),
    (188, 136, 100),
    (148, 100, 72),
    (112, 76, 58),
)
HAIRS: tuple[Colour, ...] = (
    (54, 38, 32),
    (96, 58, 36),
    (142, 82, 44),
    (176, 74, 40),
    (206, 164, 98),
    (34, 30, 36),
)
CLOTHES: tuple[Colour, ...] = (
    (206, 154, 62),
    (172, 70, 54),
    (60, 122, 124),
    (84, 112, 76),
    (58, 76, 118),
    (134, 76, 104),
    (214, 196, 164),
    (188, 110, 66),
)
LOWER: tuple[Colour, ...] = ((62, 70, 92), (92, 76, 64), (70, 74, 72), (110, 96, 78), (52, 48, 60))
EYES: tuple[Colour, ...] = ((92, 62, 40), (70, 104, 88), (74, 104, 140), (60, 48, 40))
MASCULINE = frozenset(
    [
        "man",
        "boy",
        "father",
        "grandfather",
        "son",
        "brother",
        "king",
        "he",
        "john",
        "james",
        "jack",
        "tom",
        "max",
        "leo",
        "sam",
        "ben",
        "daniel",
        "david",
        "michael",
        "robert",
        "henry",
        "paul",
        "peter",
        "mark",
        "luke",
        "noah",
        "liam",
        "oliver",
        "arthur",
        "marcus",
        "viktor",
        "stranger",
        "walker",
        "detective",
        "soldier",
        "elias",
        "theo",
        "hugo",
        "oscar",
        "felix",
        "george",
        "charlie",
    ]
)
CHILDREN = frozenset(("girl", "boy", "child", "kid", "son", "daughter", "little", "young"))
ELDERS = frozenset(
    ("old", "grandmother", "grandfather", "grandma", "grandpa", "elder", "elderly", "granny")
)
LONG_HAIR = ("long", "bob", "bun", "tail", "wavy")
SHORT_HAIR = ("short", "crop", "swept", "curly")


@dataclass(frozen=True)
class Look:
    """What a person looks like; `height` in metres."""

    skin: Colour
    hair: Colour
    style: str
    top: Colour
    lower: Colour
    eyes: Colour
    garment: str
    masculine: bool
    height: float
    beard: bool


def look_of(name: str) -> Look:
    """The look that goes with a name, whatever its case or the panel."""
    key = " ".join(name.lower().split())
    chance = random.Random(f"look|{key}")  # noqa: S311 - drawing, no secret
    words = set(re.findall(r"[^\W\d_]+", key))
    masculine = bool(words & MASCULINE) or (
        not words & {"woman", "girl", "mother", "she"}
        and not key.endswith(("a", "e", "i", "y", "h"))
    )
    child, elder = bool(words & CHILDREN), bool(words & ELDERS)
    style = chance.choice(SHORT_HAIR if masculine else LONG_HAIR)
    hair = (206, 202, 200) if elder else chance.choice(HAIRS)
    garment = chance.choice(
        ("coat", "shirt", "jumper") if masculine else ("dress", "jumper", "coat")
    )
    return Look(
        skin=chance.choice(SKINS),
        hair=hair,
        style=style,
        top=chance.choice(CLOTHES),
        lower=chance.choice(LOWER),
        eyes=chance.choice(EYES),
        garment=garment,
        masculine=masculine,
        height=1.28 if child else 1.76 if masculine else 1.66,
        beard=masculine and not child and chance.random() < 0.35,
    )
