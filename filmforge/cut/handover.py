"""The handover: a film's timeline as editors get it, with everything there is to be told."""

from collections.abc import Iterator, Mapping

from opentimelineio.schema import Clip, ExternalReference, Timeline

from filmforge.cut.notes import notes_of_film, pin
from filmforge.cut.origins import tell_origins
from filmforge.cut.room import CuttingRoom, shown
from filmforge.cut.tracks import digest_of
from filmforge.domain import Asset
from filmforge.errors import Conflict
from filmforge.interchange.media_names import file_name, suffix_of
from filmforge.ledger import Ledger

_NAMED = 5


def timeline_to_hand_over(ledger: Ledger, film_id: str) -> Timeline:
    """The film's timeline with the origin of every clip, and its review notes as markers.

    Raises Conflict while a shot that is to be shown has no clip.
    """
    missing = [
        record.shot.shot_id
        for record in shown(ledger.shots.of_film(film_id))
        if record.video_digest is None
    ]
    _refuse(film_id, missing, "have no clip yet", "Wait for the film, or skip them.")
    timeline = CuttingRoom(ledger).timeline(film_id)
    if not list(timeline.find_clips()):
        raise Conflict(f"the film {film_id} shows no shot. Bring one back with a retry.")
    tell_origins(timeline, ledger, film_id)
    pin(timeline, notes_of_film(ledger, film_id))
    return timeline


def must_be_made(ledger: Ledger, film_id: str) -> None:
    """Raises Conflict unless every shot and sound has landed: another run would pay for it."""
    every = [*ledger.shots.of_film(film_id), *ledger.shots.sounds_of_film(film_id)]
    unfinished = [record.shot.shot_id for record in shown(every) if not record.landed]
    _refuse(film_id, unfinished, "are not finished", "Resume the film first, or skip them.")


def media_files(timeline: Timeline, assets: Mapping[str, Asset]) -> dict[str, str]:
    """The file name of everything that a timeline shows and sounds, by its digest."""
    names: dict[str, str] = {}
    for clip, digest in _shown(timeline):
        names.setdefault(digest, file_name(clip.name, digest, suffix_of(assets[digest].media_type)))
    return names


def media_digests(timeline: Timeline) -> list[str]:
    """The digests of everything that a timeline shows and sounds, each once, in order."""
    return list(dict.fromkeys(digest for _, digest in _shown(timeline)))


def _shown(timeline: Timeline) -> Iterator[tuple[Clip, str]]:
    for clip in timeline.find_clips():
        if isinstance(clip.media_reference, ExternalReference):
            yield clip, digest_of(clip)


def _refuse(film_id: str, shots: list[str], what: str, remedy: str) -> None:
    if shots:
        more = f" and {len(shots) - _NAMED} more" if len(shots) > _NAMED else ""
        raise Conflict(f"{', '.join(shots[:_NAMED])}{more} of {film_id} {what}. {remedy}")
