"""The words of a film that are seen: subtitle tracks, cues, title and end cards."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints, model_validator

from filmforge.fields import Digest, Frozen, Identifier, Label, Note, Seconds, Words

# What a film's cards are called among its shots.
TITLE_CARD, END_CARD = "title-card", "end-card"
MAX_TRACKS = 32
MAX_LINE_CHARS = 500
MAX_CUE_LINES = 8

# Language, script, region and variants of RFC 5646; extensions and private use say nothing here.
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
)


def _language(tag: str) -> str:
    parts = [_cased(index, part) for index, part in enumerate(tag.strip().split("-"))]
    if not _LANGUAGE.fullmatch(written := "-".join(parts)):
        raise ValueError('must be a BCP 47 language tag such as "de", "pt-BR" or "zh-Hant"')
    return written


def _cased(index: int, part: str) -> str:
    if index and part.isalpha():
        return {2: part.upper(), 4: part.title()}.get(len(part), part.lower())
    return part.lower()


Language = Annotated[str, StringConstraints(max_length=35), AfterValidator(_language)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]
Fade = Annotated[
    Decimal,
    Field(ge=0, le=10, decimal_places=3),
    PlainSerializer(lambda s: format(s, "f"), return_type=str),
]


class SubtitleTrack(Frozen):
    """The film's words in one language.

    `lines` are translations by shot, shown when the shot's dialogue is heard; `file` is the digest
    of an uploaded .srt or .vtt, timed to the finished film. With neither, the dialogues as they
    were written are shown. `name` is what a player's menu says.
    """

    language: Language
    name: Label | None = None
    lines: dict[Identifier, Note] | None = None
    file: Digest | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.lines is not None and self.file is not None:
            raise ValueError(
                "has both lines and a file: give the one that is right, and leave out the other"
            )
        return self


class Subtitles(Frozen):
    """Which tracks the film has and how they are shown.

    `burn_in` names the track that becomes part of the picture; with `soft`, every track is also
    one that a player can switch on. `font` is the digest of an uploaded font, tried first.
    """

    tracks: Annotated[tuple[SubtitleTrack, ...], Field(min_length=1, max_length=MAX_TRACKS)]
    burn_in: Language | None = None
    soft: bool = True
    font: Digest | None = None

    @model_validator(mode="after")
    def _languages(self) -> Self:
        languages = [track.language for track in self.tracks]
        for index, language in enumerate(languages):
            if language in languages[:index]:
                raise ValueError(
                    f"tracks[{index}].language: {language!r} is used twice. Join the two tracks, "
                    'or tell them apart by region or script, such as "zh-Hans" and "zh-Hant".'
                )
        if self.burn_in is not None and self.burn_in not in languages:
            raise ValueError(
                f"burn_in: there is no track in {self.burn_in!r}. Choose one of "
                f"{', '.join(languages)}, or add that track."
            )
        return self

    @property
    def burnt(self) -> SubtitleTrack | None:
        """The track that becomes part of the picture."""
        return next((track for track in self.tracks if track.language == self.burn_in), None)


class Card(Frozen):
    """A page of text before or after the film; it fades from and to black, for seconds.

    Colours are "#rrggbb"; `font` is the digest of an uploaded font, tried first.
    """

    text: Words
    subtext: Annotated[Note, StringConstraints(strip_whitespace=True)] = ""
    language: Language = "und"
    duration: Seconds = Decimal(3)
    background: Colour = "#101114"
    colour: Colour = "#f4f2ee"
    fade_in: Fade = Decimal("0.5")
    fade_out: Fade = Decimal("0.5")
    font: Digest | None = None

    @model_validator(mode="after")
    def _fades_fit(self) -> Self:
        if self.fade_in + self.fade_out > self.duration:
            raise ValueError(
                f"fade_in and fade_out take {self.fade_in + self.fade_out:f} s of "
                f"{self.duration:f} s. Make the card longer or its fades shorter."
            )
        return self


Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LINE_CHARS)]


class Cue(Frozen):
    """Lines that stand on the screen together, from frame `start` until before frame `end`.

    Lines are plain text in logical order, without markup or marks of direction.
    """

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_CUE_LINES)]

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"ends at frame {self.end} and begins at {self.start}: end it later")
        return self

    @property
    def text(self) -> str:
        """The lines as one text."""
        return " ".join(self.lines)
