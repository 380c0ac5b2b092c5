"""Origins: what an editor is told of how each clip of a timeline was made, and who approved it."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentimelineio.schema import Timeline

from filmforge.domain import GenerationRequest, Take
from filmforge.interchange.timeline import OURS
from filmforge.ledger import Ledger


def tell_origins(timeline: Timeline, ledger: Ledger, film_id: str) -> None:
    """Complete the metadata of every clip that shows or sounds a take of the film."""
    takes = ledger.takes.of_film(film_id)
    keys = {take.request_key for mine in takes.values() for take in mine}
    requests = ledger.journal.requests(sorted(keys))
    approvers = ledger.gates.approvers(film_id)
    for clip in timeline.find_clips():
        told: dict[str, Any] = dict(clip.metadata.get(OURS, {}))
        shot_id = str(told.get("shot_id"))
        if take := _take(takes.get(shot_id, ()), told.get("digest")):
            request = requests.get(take.request_key)
            frame = frame_of(request)
            approval = approvers.get((shot_id, frame)) if frame else told.get("approval")
            clip.metadata[OURS] = {**told, **_facts(take, request), "approval": approval}


def _take(takes: Sequence[Take], digest: object) -> Take | None:
    return next((take for take in takes if take.digest == digest), None)


def frame_of(request: GenerationRequest | None) -> str | None:
    """The digest of the frame that a clip was made from; a person's own clip was made from none."""
    parts = request.inputs if request else ()
    return next((part.digest for part in parts if part.role == "frame"), None)


def _facts(take: Take, request: GenerationRequest | None) -> Mapping[str, Any]:
    known = {
        "kind": take.kind.value,
        "take": take.take,
        "provider": take.provider,
        "model": take.model,
        "cost_usd": format(take.cost, "f"),
        "reused": take.reused,
        "request_key": take.request_key,
        "note": take.note,
    }
    if request is None:  # a person's own file
        return {**known, "seed": None}
    words = request.parameters.get("prompt") or request.parameters.get("text")
    return {**known, "seed": request.seed, **({"prompt": str(words)} if words else {})}
