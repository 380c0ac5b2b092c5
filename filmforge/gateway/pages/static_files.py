"""Static files: our modules and styles, under an address that changes with their content."""

from fastapi import APIRouter, Response

from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import static_edition, static_files

router = APIRouter(include_in_schema=False)
_FOREVER = "public, max-age=31536000, immutable"


@router.get("/static/{edition}/{name}")
async def read_static(edition: str, name: str) -> Response:
    """One file; that of another edition is not kept by anybody."""
    found = static_files.get(name)
    if found is None:
        raise Refusal(404, "not_found", "There is no such file.")
    data, media_type = found
    kept = _FOREVER if edition == static_edition else "no-store"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return Response(data, headers=headers, media_type=media_type)
