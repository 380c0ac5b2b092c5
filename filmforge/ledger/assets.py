"""Assets: every stored file, found again by what it shows and how it was made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.errors import NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, insert_new, now
from filmforge.ledger.tables import asset_tags, assets
from filmforge.money import Money, from_micros
from filmforge.recipe import OWN

# What is neither picture nor film nor sound: credits, subtitles, playlists, pages.
_DOCUMENT = "document"
FACETS = ("character", "landscape", "style", "mood", "time_of_day", "shot_type")


class FoundAsset(Frozen):
    """An asset with what it cost, how often it was used again and what that saved."""

    asset: Asset
    kind: str
    provider: str
    model: str
    request_key: str | None
    prompt: str
    cost: Money
    reuses: int
    saved: Money
    tags: dict[str, tuple[str, ...]]
    created_at: datetime


class AssetQuery(Frozen):
    """What to look for; every word and every value given must match."""

    character: tuple[str, ...] = ()
    landscape: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    mood: str | None = None
    time_of_day: str | None = None
    shot_type: str | None = None
    kind: str | None = None
    text: str = ""
    limit: int = 50
    offset: int = 0


class Origin(Frozen):
    """Where an asset comes from: a provider, or a step or person of ours (no request key)."""

    kind: str
    provider: str
    model: str
    request_key: str | None = None
    prompt: str = ""
    cost_micros: int = 0

    @classmethod
    def of(cls, request: GenerationRequest, cost_micros: int) -> "Origin":
        """The origin of what a request made."""
        words = request.parameters.get("prompt") or request.parameters.get("text") or ""
        return cls(
            kind=request.kind,
            provider=request.provider,
            model=request.model,
            request_key=request.key,
            prompt=str(words),
            cost_micros=cost_micros,
        )


def index_asset(tx: Connection, asset: Asset, origin: Origin, tags: Tags) -> None:
    """Put an asset into the index, once; where it first came from is remembered."""
    values = {**asset.model_dump(), **origin.model_dump(), "reuses": 0, "saved_micros": 0}
    if not insert_new(tx, assets, **values, created_at=now()):
        return
    rows = [{"digest": asset.digest, "facet": f, "value": v} for f, v in sorted(_pairs(tags))]
    if rows:
        tx.execute(insert(asset_tags), rows)


def index_step(tx: Connection, asset: Asset, recipe: GenerationRequest) -> None:
    """Put what a step of ours made into the index; it cost nothing and shows many things."""
    major = asset.media_type.partition("/")[0]
    kind = major if major in set(Kind) else _DOCUMENT
    origin = Origin.of(recipe, 0).model_copy(update={"kind": kind})
    index_asset(tx, asset, origin, Tags())


def _pairs(tags: Tags) -> set[tuple[str, str]]:
    many = {
        "character": tags.characters,
        "landscape": tags.landscapes,
        "style": tags.styles,
        "mood": (tags.mood,),
        "time_of_day": (tags.time_of_day,),
        "shot_type": (tags.shot_type,),
    }
    return {(facet, v.strip().lower()) for facet, values in many.items() for v in values if v}


class Assets:
    """The index of assets."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self, digest: str) -> FoundAsset:
        """One asset. Raises NotFound."""
        with self._db.read() as tx:
            row = tx.execute(select(assets).where(assets.c.digest == digest)).one_or_none()
            if row is None:
                raise NotFound(f"there is no asset {digest}")
            return _found(row, _tags_of(tx, [digest]).get(digest, {}))

    def keep(self, asset: Asset, recipe: GenerationRequest) -> None:
        """Remember what a step of ours made; the recipe says how."""
        with self._db.write() as tx:
            index_step(tx, asset, recipe)

    def upload(self, asset: Asset, kind: str, name: str = "") -> None:
        """Remember a person's file, which films may name; it is found by its latest `name`."""
        origin = Origin(kind=kind, provider="upload", model="upload", prompt=name)
        with self._db.write() as tx:
            index_asset(tx, asset, origin, Tags())
            if name:
                mine = (assets.c.digest == asset.digest, assets.c.provider == "upload")
                tx.execute(update(assets).where(*mine).values(prompt=name))

    def kinds(self, digests: Sequence[str]) -> dict[str, str]:
        """What kind those of the files that are known are, by digest."""
        found: dict[str, str] = {}
        with self._db.read() as tx:
            for start in range(0, len(digests), 500):
                few = digests[start : start + 500]
                wanted = select(assets.c.digest, assets.c.kind).where(assets.c.digest.in_(few))
                found.update({row.digest: row.kind for row in tx.execute(wanted)})
        return found

    def several(self, digests: Sequence[str]) -> dict[str, Asset]:
        """Those of the files that are known, by digest."""
        found: dict[str, Asset] = {}
        with self._db.read() as tx:
            for start in range(0, len(digests), 500):
                few = assets.c.digest.in_(digests[start : start + 500])
                for row in tx.execute(select(assets).where(few)):
                    found[row.digest] = _asset(row)
        return found

    def find(self, query: AssetQuery) -> Sequence[FoundAsset]:
        """The assets that match, most reused first, then newest; our own steps made none."""
        wanted = _matching(query).order_by(
            assets.c.reuses.desc(), assets.c.created_at.desc(), assets.c.digest
        )
        with self._db.read() as tx:
            rows = tx.execute(wanted.limit(query.limit).offset(query.offset)).all()
            tags = _tags_of(tx, [row.digest for row in rows])
        return [_found(row, tags.get(row.digest, {})) for row in rows]

    def values(self, facet: str) -> dict[str, int]:
        """Every value of a facet with the number of assets that carry it."""
        with self._db.read() as tx:
            rows = tx.execute(
                select(asset_tags.c.value, func.count())
                .where(asset_tags.c.facet == facet)
                .group_by(asset_tags.c.value)
                .order_by(asset_tags.c.value)
            ).all()
        return {row[0]: row[1] for row in rows}


def _matching(query: AssetQuery) -> Select[Any]:
    wanted = select(assets).where(assets.c.provider != OWN)
    for facet in FACETS:
        given = getattr(query, facet)
        for value in (given,) if isinstance(given, str) else given or ():
            carries = select(asset_tags.c.digest).where(
                asset_tags.c.facet == facet, asset_tags.c.value == value.strip().lower()
            )
            wanted = wanted.where(assets.c.digest.in_(carries))
    if query.kind:
        wanted = wanted.where(assets.c.kind == query.kind)
    for word in query.text.lower().split():
        wanted = wanted.where(func.lower(assets.c.prompt).contains(word, autoescape=True))
    return wanted


def _tags_of(tx: Connection, digests: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    rows = tx.execute(
        select(asset_tags).where(asset_tags.c.digest.in_(digests)).order_by(asset_tags.c.value)
    )
    for row in rows:
        facets = found.setdefault(row.digest, {})
        facets[row.facet] = (*facets.get(row.facet, ()), row.value)
    return found


def _asset(row: Row[Any]) -> Asset:
    return Asset(
        digest=row.digest,
        media_type=row.media_type,
        size=row.size,
        width=row.width,
        height=row.height,
        duration_s=row.duration_s,
    )


def _found(row: Row[Any], tags: dict[str, tuple[str, ...]]) -> FoundAsset:
    return FoundAsset(
        asset=_asset(row),
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        request_key=row.request_key,
        prompt=row.prompt,
        cost=from_micros(row.cost_micros),
        reuses=row.reuses,
        saved=from_micros(row.saved_micros),
        tags=tags,
        created_at=row.created_at,
    )
