"""Deliveries that are wished for: refused before anything is spent where they can't be made."""

from filmforge.brief import Film
from filmforge.cut.room import submitted_frames
from filmforge.errors import BadInput
from filmforge.media.reframe import Size, delivered_size

_WHOLE = ("contact_sheet", "storyboard")


def check_deliveries(film: Film) -> None:
    """Raise BadInput for a picture that is too small or large, and for a frame after the end."""
    if not film.deliveries:
        return
    frames = submitted_frames(film)
    size = Size(film.output.width, film.output.height)
    for place, delivery in enumerate(film.deliveries):
        field = f"deliveries[{place}]"
        if delivery.format not in _WHOLE:
            try:
                delivered_size(delivery, size)
            except BadInput as error:
                raise BadInput(field, error.problem, error.remedy) from None
        if delivery.frame is not None and delivery.frame >= frames:
            raise BadInput(
                f"{field}.frame",
                f"there is no frame {delivery.frame:,}: the film has {frames:,}, counted from 0",
                f"Give at most {frames - 1}, or none to have one chosen.",
            )
