"""Sounds that a model makes for a film: kept, paid for and waited for as shots without pictures."""

from decimal import Decimal

from filmforge.brief import Film
from filmforge.domain import Providers, Shot
from filmforge.fields import MAX_DURATION_S
from filmforge.sound import CuePlace, MusicCue

# How long a sound is that says nothing of it, in seconds; music is as long as what it lies under.
_USUAL_S = {"ambience": Decimal(20), "effects": Decimal(4)}
_LEAST_MUSIC_S = Decimal(1)


class SoundShot(Shot):
    """A sound of the film; of a shot it has a prompt, a length and a model, and nothing to show."""

    cue: CuePlace


def sounds_of(film: Film) -> list[SoundShot]:
    """The sounds that are to be made for a film."""
    return [
        SoundShot(
            shot_id=place.shot_id,
            enhanced_prompt=wish.prompt,
            duration=wish.duration or _usual_s(film, place),
            providers=Providers(audio=wish.model),
            cue=place,
        )
        for place, wish in film.sound.generated
    ]


def _usual_s(film: Film, place: CuePlace) -> Decimal:
    cue = film.sound.at(place)
    if not isinstance(cue, MusicCue):
        return _USUAL_S[place.lane]
    end = cue.end or sum((shot.duration for shot in film.shots), Decimal(0))
    return max(_LEAST_MUSIC_S, min(end - cue.start, MAX_DURATION_S))
