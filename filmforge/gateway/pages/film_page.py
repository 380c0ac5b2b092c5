"""Pages of a film: one frame around them, with who looks and where else there is to go."""

from collections.abc import Sequence
from typing import Any

from fastapi.responses import HTMLResponse

from filmforge.gateway.pages.viewer import Viewer
from filmforge.gateway.rendering import page
from filmforge.ledger.films import FilmRecord

# Name, address after that of the film, and the right it takes to see it.
PLACES = (
    ("Board", "", "see"),
    ("Play", "/play", "see"),
    ("Attention", "/attention", "see"),
    ("Budget", "/budget", "produce"),
    ("Costs", "/costs", "produce"),
    ("Shots", "/edit", "produce"),
    ("Sharing", "/shares", "produce"),
    ("Notices", "/channels", "produce"),
    ("Trail", "/trail", "produce"),
)

# How long a decision waits in the page that it was made on, where it can be undone.
UNDO_S = 10.0


def film_page(
    template: str,
    viewer: Viewer,
    film: FilmRecord,
    here: str = "",
    status: int = 200,
    *,
    scripts: Sequence[str] = (),
    **values: Any,
) -> HTMLResponse:
    """A page of a film that runs these modules; `here` is its name among the places."""
    return page(
        template,
        status,
        live=True,
        viewer=viewer,
        film=film,
        here=here,
        places=PLACES,
        scripts=scripts,
        rights=viewer.right.name.lower(),
        undo_s=UNDO_S,
        **values,
    )
