"""A commission: one request for one shot, with everything needed to see it through."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from filmforge.addresses import is_public_url
from filmforge.contracts import Generated, GenerateOrder
from filmforge.cues import SoundShot
from filmforge.direction import directed, earlier, makes_of, model_ref, request_for, tags_of
from filmforge.domain import Execution, GenerationRequest, Kind, Review, Tags
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.posting import Claim, Posting
from filmforge.ledger.shots import ShotRecord
from filmforge.providers.base import Material, Provider
from filmforge.providers.registry import Registry
from filmforge.store import AssetStore

MAX_INPUT_BYTES = 50_000_000


@dataclass(frozen=True)
class Commission:
    """A request, its maker, its price and who asks.

    `note` is the direction it follows, `project` whose fair share of the slots it takes.
    """

    request: GenerationRequest
    provider: Provider
    quote: Decimal
    claim: Claim
    tags: Tags
    note: str | None
    callback_url: str | None
    project: str

    @property
    def key(self) -> str:
        """The request key."""
        return self.request.key

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        return self.request.kind


class Commissions:
    """Writes commissions from what the ledger knows of a shot."""

    def __init__(
        self,
        ledger: Ledger,
        store: AssetStore,
        registry: Registry,
        public_url: str,
        *,
        allow_private: bool,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._registry = registry
        self._public_url = public_url
        self._reachable = allow_private or is_public_url(public_url)

    async def upload(self, order: GenerateOrder) -> Generated | None:
        """The asset a person uploaded in place of this one, if there is one."""
        record = await asyncio.to_thread(self._ledger.shots.read, order.film_id, order.shot_id)
        digest = record.direction.replaced.get(order.kind)
        if digest is None:
            return None
        return Generated(digest=digest, request_key=digest, reused=False)

    async def write(self, order: GenerateOrder) -> Commission:
        """The commission for one asset of a shot. Raises BadInput when no model can serve it."""
        return await asyncio.to_thread(self._write, order)

    async def materials(self, commission: Commission) -> dict[str, Material]:
        """What the request is made from, by role, as its provider can read it.

        Raises StoreUnavailable, or BadMedia for an input above MAX_INPUT_BYTES.
        """
        provider, store = commission.provider, self._store
        as_file = provider.wants_files or not (provider.local or store.public)
        found: dict[str, Material] = {}
        for part in commission.request.inputs:
            url, media_type, data = store.url(part.digest), "", None
            if as_file:
                loaded = await store.load(part.digest, MAX_INPUT_BYTES)
                media_type, data = loaded.media_type, loaded.data
            found[part.role] = Material(
                url=url, media_type=media_type, public=store.public, data=data
            )
        return found

    def fallback(self, order: GenerateOrder) -> str | None:
        """The model that the film names for when the first one fails, unless it is in use."""
        film = self._ledger.films.read(order.film_id)
        ref: str | None = getattr(film.brief.fallbacks, order.kind.value)
        record = self._ledger.shots.read(order.film_id, order.shot_id)
        if isinstance(record.shot, SoundShot):
            return None  # a fallback is named for voices
        in_use = ":".join(model_ref(film.brief, record.shot, record.direction, order.kind))
        return None if ref == in_use else ref

    def from_posting(self, posting: Posting) -> Commission:
        """The commission that a row of the journal stands for, to settle it on its payer."""
        provider = self._registry.get(posting.request.provider)
        payer = posting.payer
        record = self._ledger.shots.read(payer.film_id, payer.shot_id)
        return Commission(
            request=posting.request,
            provider=provider,
            quote=posting.estimate,
            claim=payer,
            tags=tags_of(directed(record.shot, record.direction)),
            note=None,
            callback_url=self._callback_url(posting.request),
            project=payer.film_id,
        )

    def _write(self, order: GenerateOrder) -> Commission:
        film = self._ledger.films.read(order.film_id)
        record = self._ledger.shots.read(order.film_id, order.shot_id)
        self._show_work(record)
        provider_name, model_id = model_ref(film.brief, record.shot, record.direction, order.kind)
        provider, model = self._registry.model(
            f"{provider_name}:{model_id}", order.kind, makes_of(record.shot)
        )
        frame = record.image_digest if order.kind == Kind.VIDEO else None
        if order.kind == Kind.VIDEO and frame is None:
            raise BadInput("image", "the shot has no frame yet", "Retry the shot.")
        direction = earlier(record.direction, order.before_last)
        request = request_for(film.brief, record.shot, direction, order.kind, model, frame)
        intent = f"{order.film_id}/{order.shot_id}/{film.run}/{record.attempt}"
        notes = record.direction.notes
        return Commission(
            request=request,
            provider=provider,
            quote=provider.quote(request),
            claim=Claim(film_id=order.film_id, shot_id=order.shot_id, intent=intent),
            tags=tags_of(directed(record.shot, record.direction)),
            note=notes[-1] if notes else None,
            callback_url=self._callback_url(request),
            project=film.brief.project or order.film_id,
        )

    def _show_work(self, record: ShotRecord) -> None:
        if (record.execution, record.review) != (Execution.RUNNING, Review.WIP):
            self._ledger.shots.set(
                record.film_id,
                record.shot.shot_id,
                execution=Execution.RUNNING,
                review=Review.WIP,
            )

    def _callback_url(self, request: GenerationRequest) -> str | None:
        if not self._reachable:
            return None
        return f"{self._public_url}/v1/callbacks/{request.provider}/{request.key}"
