"""Which way a text runs, and the marks that tell a player so."""

import unicodedata

_RTL_LANGUAGES = frozenset(
    (
        "ar",
        "arc",
        "ckb",
        "dv",
        "fa",
        "he",
        "iw",
        "ks",
        "ku",
        "nqo",
        "pnb",
        "ps",
        "sd",
        "syr",
        "ug",
        "ur",
        "yi",
    )
)
_RTL_SCRIPTS = frozenset(("Adlm", "Arab", "Hebr", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"))
_STRONG_RTL = ("R", "AL")

RTL_MARK = "\u200f"
_EMBED_RTL, _END_EMBED = "\u202b", "\u202c"


def is_rtl(text: str, language: str = "und") -> bool:
    """Whether a text is laid out from right to left: by its language, else its first letter."""
    strong = [way for way in map(unicodedata.bidirectional, text) if way in ("L", *_STRONG_RTL)]
    base, *parts = language.split("-")
    scripts = [part for part in parts if len(part) == 4 and part.isalpha()]
    expected = bool(_RTL_SCRIPTS.intersection(scripts)) if scripts else base in _RTL_LANGUAGES
    if expected and any(way in _STRONG_RTL for way in strong):
        return True
    return bool(strong) and strong[0] in _STRONG_RTL


def embedded(line: str) -> str:
    """A right-to-left line that players which lay out from the left show rightly, too."""
    return f"{_EMBED_RTL}{line}{_END_EMBED}"
