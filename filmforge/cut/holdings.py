"""Holdings: all that a film has to be cut from, in its own frames."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from filmforge.brief import Brief
from filmforge.cut.cards import card_recipe, cards_of
from filmforge.cut.layout import frames_of
from filmforge.cut.room import shown
from filmforge.direction import directed
from filmforge.domain import Kind, Review, Take
from filmforge.interchange.library import Library, Paid
from filmforge.interchange.recut import Recut
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord


def holdings(ledger: Ledger, film_id: str, recut: Recut | None = None) -> Library:
    """Every take of every shot, the cards, and the sounds.

    As in a brief, any sound that is stored is the film's once its `recut` names the whole digest.
    """
    brief = ledger.films.read(film_id).brief
    records = ledger.shots.of_film(film_id)
    every = ledger.takes.of_film(film_id)
    mine = {record.shot.shot_id: every.get(record.shot.shot_id, []) for record in records}
    voices = [t.digest for takes in mine.values() for t in takes if t.kind is Kind.AUDIO]
    cues = shown(ledger.shots.sounds_of_film(film_id))
    made = [take.digest for cue in cues for take in every.get(cue.shot.shot_id, [])]
    sounds = {*voices, *brief.sound.digests, *made, *_named(ledger, recut)}
    clips = {t.digest for takes in mine.values() for t in takes if t.kind is Kind.VIDEO}
    known = ledger.assets.several(sorted(sounds | clips))
    lengths = {digest: asset.duration_s or 0 for digest, asset in known.items()}
    shelf = _Shelf(brief.output.fps)
    for record in records:
        shelf.add(record, mine[record.shot.shot_id], lengths)
    shelf.add_cards(ledger, brief)
    return Library(
        fps=shelf.fps,
        current=shelf.current,
        takes=shelf.takes,
        sounds={d: Paid(frames=ceil(_seconds(lengths, d) * shelf.fps)) for d in sorted(sounds)},
    )


def _named(ledger: Ledger, recut: Recut | None) -> list[str]:
    """The sounds that a recut names by their whole digest, of whatever origin."""
    heard = (recut.heard if recut else None) or ()
    kinds = ledger.assets.kinds(sorted({each.digest for each in heard if each.digest}))
    return [digest for digest, kind in kinds.items() if kind == Kind.AUDIO]


def _seconds(lengths: Mapping[str, float], digest: str) -> Fraction:
    return Fraction(lengths.get(digest, 0))


class _Shelf:
    """The clips of a film as they are counted; one clip may belong to several shots."""

    def __init__(self, fps: Fraction) -> None:
        self.fps = fps
        self.current: dict[str, str] = {}
        self.takes: dict[str, Paid] = {}

    def add(self, record: ShotRecord, takes: Sequence[Take], lengths: Mapping[str, float]) -> None:
        shot = directed(record.shot, record.direction)
        for take in takes:
            if take.kind is Kind.VIDEO:
                frames = round(_seconds(lengths, take.digest) * self.fps)
                asked = frames_of(shot.duration, self.fps)
                # The film's own cut holds a clip's last picture up to the length that was asked.
                mine = take.digest == record.video_digest or not frames
                self._put(take.digest, shot.shot_id, max(frames, asked if mine else 0))
        if record.video_digest and record.review != Review.OMITTED:
            self.current[shot.shot_id] = record.video_digest

    def add_cards(self, ledger: Ledger, brief: Brief) -> None:
        for shot_id, card in cards_of(brief).items():
            for made in ledger.makings.of(card_recipe(card, brief.output).key):
                self._put(made.digest, shot_id, frames_of(card.duration, self.fps))
                self.current[shot_id] = made.digest

    def _put(self, digest: str, shot_id: str, frames: int) -> None:
        known = self.takes.get(digest, Paid(frames=0))
        self.takes[digest] = Paid(frames=max(known.frames, frames), shots=known.shots | {shot_id})
