"""Reading a brief: which words mean which place, thing, weather, hour, mood, framing and pose."""

import re
from collections.abc import Mapping

SETTINGS = {
    "attic": "attic loft garret rafters",
    "corridor": "corridor hallway hall passage tunnel staircase stairs stairwell stairway subway",
    "hall": "church cathedral temple castle palace ballroom theatre theater museum warehouse "
    "station ruins hangar arena courtroom crypt dungeon",
    "cave": "cave cavern grotto mine",
    "forest": "forest woods woodland jungle grove trees swamp",
    "alley": "alley alleyway backstreet lane",
    "city": "city street downtown avenue town market skyline road boulevard metropolis urban "
    "traffic cafe rooftop plaza square",
    "sea": "sea ocean beach coast shore harbor harbour waves lake river island boat ship pier",
    "desert": "desert dune dunes sahara wasteland sand mars",
    "mountain": "mountain mountains peak cliff alps summit valley canyon glacier volcano hill "
    "hills",
    "field": "field meadow farm prairie countryside garden park village plain steppe path grass "
    "cottage backyard house home yard barn",
    "space": "space galaxy planet stars cosmos spaceship orbit universe nebula",
    "room": "room bedroom kitchen office library interior apartment study parlor "
    "parlour living bathroom school classroom hospital laboratory lab bar restaurant hotel studio "
    "basement cellar shop cabin inside indoors",
}
INDOORS = frozenset({"attic", "corridor", "hall", "cave", "room"})

THINGS = {
    "chest": "chest trunk box crate casket coffer",
    "photo": "photograph photo picture portrait snapshot polaroid",
    "letter": "letter note envelope paper parchment map document postcard",
    "book": "book diary journal notebook album tome",
    "key": "key keys",
    "candle": "candle lantern lamp torch",
    "watch": "watch clock pocketwatch compass locket",
    "cup": "cup mug tea coffee glass",
    "flower": "flower rose flowers bouquet",
    "phone": "phone smartphone telephone mobile",
    "door": "door doorway gate threshold",
    "window": "window windowsill",
}
WEATHER = {
    "rain": "rain rainy raining storm stormy downpour drizzle wet thunderstorm puddles",
    "snow": "snow snowy snowing blizzard winter snowfall",
    "fog": "fog foggy mist misty haze hazy smoke smoky steam",
    "dust": "dust dusty sunbeam sunbeams shafts motes sandstorm",
}
HOURS = {
    "dawn": "dawn sunrise daybreak",
    "golden": "golden sunset",
    "dusk": "dusk twilight evening",
    "night": "night midnight nighttime moonlight moonlit moon starry nocturnal",
    "morning": "morning breakfast",
    "noon": "noon midday day daytime daylight",
    "afternoon": "afternoon",
}
MOODS = {
    "nostalgic": "nostalgic nostalgia wistful bittersweet memory sentimental reflective",
    "curious": "curious curiosity wonder intrigued playful discovery whimsical hopeful hope",
    "tense": "tense suspense suspenseful anxious urgent nervous thriller danger dangerous gritty",
    "joyful": "joyful happy joy cheerful bright fun excited uplifting triumphant warm",
    "sad": "sad melancholy melancholic grief sorrow lonely gloomy mournful somber despair",
    "mysterious": "mysterious mystery eerie enigmatic secret ominous magical dreamy surreal noir",
    "scary": "scary horror terrifying creepy fear frightening dark sinister haunting",
    "romantic": "romantic love tender intimate passionate",
    "angry": "angry anger furious rage violent aggressive",
    "calm": "calm peaceful serene quiet tranquil gentle contemplative",
    "epic": "epic dramatic heroic grand majestic powerful intense awe",
}
PEOPLE = {
    "girl": "girl daughter sister",
    "boy": "boy son brother kid child",
    "woman": "woman mother lady she her queen wife heroine actress",
    "man": "man father he his him king husband hero detective soldier sailor stranger guy person "
    "figure traveller traveler wanderer hiker someone",
    "grandmother": "grandmother granny",
    "grandfather": "grandfather grandpa",
    "crowd": "crowd people group couple friends family men women children",
}
POSES = {
    "kneel": "kneels kneeling kneel crouches crouching bends bending",
    "sit": "sits sitting sit seated",
    "run": "runs running run chases fleeing sprinting races",
    "walk": "walks walking walk strolls wanders crosses steps approaches wandering enters",
    "reach": "opens opening open reaches reaching touches pushes pulling unlocks grabs",
    "hold": "holds holding hold reads reading clutches studies carries examines",
    "window": "window gazes",
    "point": "points pointing",
}
FRAMINGS = (
    ("extreme_close", r"extreme close|\becu\b|\bxcu\b|macro"),
    ("insert", r"insert|cutaway|detail|product"),
    ("medium_close", r"medium close|\bmcu\b"),
    ("shoulder", r"shoulder|\bots\b"),
    ("extreme_wide", r"extreme wide|establish|\bews\b|extreme long|panoram|master"),
    ("aerial", r"aerial|bird|drone|overhead|top.?down"),
    ("low", r"low.?angle|worm"),
    ("high", r"high.?angle"),
    ("pov", r"\bpov\b|point.of.view|subjective"),
    ("close", r"close|\bcu\b|reaction"),
    ("two", r"two.?shot|group"),
    ("full", r"full|cowboy|american|tracking|follow"),
    ("wide", r"wide|long|\bws\b|\bls\b|dutch"),
    ("medium", r"medium|mid|\bms\b|waist"),
)


def words_of(*texts: str) -> list[str]:
    """The lower-case words of some texts, in order."""
    return re.findall(r"[^\W\d_]+", " ".join(texts).lower())


def meanings(vocabulary: Mapping[str, str], words: list[str]) -> list[str]:
    """What the words mean, each meaning once, in the order they are said."""
    by_word = {word: name for name, said in vocabulary.items() for word in said.split()}
    return list(dict.fromkeys(by_word[word] for word in words if word in by_word))


def framing_of(shot_type: str) -> str:
    """The framing a shot type asks for; medium when it says nothing known."""
    said = shot_type.lower().replace("_", " ").replace("-", " ")
    return next((name for name, pattern in FRAMINGS if re.search(pattern, said)), "medium")
