"""Review notes and comments: the film's own, shown as markers wherever its timeline goes."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from opentimelineio.schema import Clip, Timeline
from pydantic import JsonValue

from filmforge.cut.timeline import PICTURE, track_of
from filmforge.cut.tracks import markers_of
from filmforge.fields import Frozen
from filmforge.interchange.recut import Mark, Recut
from filmforge.ledger import Ledger
from filmforge.ledger.comments import Comment
from filmforge.ledger.gates import AuditEntry
from filmforge.marks import words_of

NOTED = "note"
_REJECTED = "frame.rejected"


class ReviewNote(Frozen):
    """A note on a shot, or on the film where there is no shot.

    The mark counts in the frames of the shot's take, or in the film's. A rejected frame's note is
    about the shot as a whole: `floating` says that its place has no meaning.
    """

    shot_id: str | None = None
    mark: Mark
    floating: bool = False


def notes_of_film(ledger: Ledger, film_id: str) -> list[ReviewNote]:
    """Everything that was noted of a film: in its audit trail, and on its frames and clips."""
    fps = ledger.films.read(film_id).brief.output.fps
    comments = [note_of(each, fps) for each in ledger.comments.of_film(film_id)]
    return [*notes_of(ledger.gates.trail(film_id)), *comments]


def notes_of(trail: Iterable[AuditEntry]) -> list[ReviewNote]:
    """The notes in a film's audit trail, oldest first."""
    return [
        note for entry in trail if entry.action in (NOTED, _REJECTED) for note in _in_entry(entry)
    ]


def note_of(comment: Comment, fps: Fraction) -> ReviewNote:
    """A comment as a note; one on a frame is about its shot as a whole.

    Its name and text stay what they are for good: by them it is known again in an edited file.
    """
    named = {"comment_id", "parent_id", "shot_id", "digest", "who", "marks", "resolved_by"}
    facts: dict[str, JsonValue] = comment.model_dump(mode="json", include=named)
    facts |= {"at": comment.created_at.isoformat(), "place": words_of(comment.marks)}
    mark = Mark(
        frame=int(Fraction(comment.at_ms or 0) * fps / 1000),
        name="Reply" if comment.parent_id else "Comment",
        color="GREEN" if comment.resolved_at else "YELLOW",
        text=comment.text,
        facts={**facts, "resolved": comment.resolved_at is not None},
    )
    return ReviewNote(shot_id=comment.shot_id, mark=mark, floating=comment.at_ms is None)


def pin(timeline: Timeline, notes: Sequence[ReviewNote]) -> None:
    """Put each note on the first piece of its shot that shows its frame, or on the first piece.

    Notes on a shot that is not shown wait until it is.
    """
    rate = timeline.global_start_time.rate
    pieces: dict[str, list[Clip]] = {}
    for clip in track_of(timeline, PICTURE).find_clips():
        pieces.setdefault(clip.name, []).append(clip)
    for note in notes:
        if note.shot_id is None:
            timeline.tracks.markers.extend(markers_of([note.mark], rate))
        elif mine := pieces.get(note.shot_id):
            piece = next((each for each in mine if _shows(each, note)), mine[0])
            first = int(piece.source_range.start_time.value)
            mark = note.mark.model_copy(update={"frame": first}) if note.floating else note.mark
            piece.markers.extend(markers_of([mark], rate))


def without_marks(recut: Recut) -> Recut:
    """The recut alone: its notes are kept in the audit trail."""
    shown = tuple(part.model_copy(update={"marks": ()}) for part in recut.shown)
    heard = recut.heard and tuple(each.model_copy(update={"marks": ()}) for each in recut.heard)
    return recut.model_copy(update={"shown": shown, "heard": heard, "marks": ()})


def new_notes(recut: Recut, known: Sequence[ReviewNote]) -> list[ReviewNote]:
    """The notes of an edited file that the film does not have yet."""
    seen = {_words(note, floating=note.floating) for note in known}
    found: list[ReviewNote] = []
    for note in _in_recut(recut):
        if not {_words(note), _words(note, floating=True)} & seen:
            seen.add(_words(note))
            found.append(note)
    return found


def detail_of(note: ReviewNote) -> dict[str, JsonValue]:
    """What the audit trail keeps of a note."""
    return note.mark.model_dump(mode="json", exclude_defaults=True)


def _in_entry(entry: AuditEntry) -> Iterator[ReviewNote]:
    told: dict[str, JsonValue] = {"who": entry.who, "at": entry.at.isoformat()}
    if entry.action == NOTED:
        mark = Mark.model_validate(entry.detail)
        facts = {**told, **mark.facts}
        yield ReviewNote(shot_id=entry.shot_id, mark=mark.model_copy(update={"facts": facts}))
    elif words := str(entry.detail.get("note") or ""):
        facts = {**told, "digest": entry.detail.get("digest")}
        mark = Mark(frame=0, name="Rejected", color="RED", text=words, facts=facts)
        yield ReviewNote(shot_id=entry.shot_id, mark=mark, floating=True)


def _in_recut(recut: Recut) -> Iterator[ReviewNote]:
    """Every note in a file; one on black or on a sound is a note on the film at that place."""
    for mark in recut.marks:
        yield ReviewNote(mark=mark)
    for at, _, part in recut.placed():
        for mark in part.marks:
            moved = mark.model_copy(update={"frame": at + mark.frame - part.start})
            yield ReviewNote(shot_id=part.shot_id, mark=mark if part.shot_id else moved)
    for each in recut.heard or ():
        for mark in each.marks:
            yield ReviewNote(
                mark=mark.model_copy(update={"frame": each.at + mark.frame - each.start})
            )


def _shows(piece: Clip, note: ReviewNote) -> bool:
    start, frames = piece.source_range.start_time.value, piece.source_range.duration.value
    return bool(note.floating or start <= note.mark.frame < start + frames)


def _words(note: ReviewNote, *, floating: bool = False) -> tuple[str | None, int | None, str, str]:
    frame = None if floating else note.mark.frame
    return note.shot_id, frame, note.mark.name, note.mark.text
