"""What a film claims is true of what it shows, however it was cut."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from activities.dossier import Dossier
from filmforge.brief import read_film
from filmforge.cut.cards import card_recipe, cards_of
from filmforge.cut.room import CuttingRoom
from filmforge.domain import Asset, GenerationRequest, Ingredient, Kind, Tags
from filmforge.interchange.recut import Recut, Shown
from filmforge.interchange.timeline import recut_of
from filmforge.ledger import Ledger
from filmforge.ledger.makings import Making
from filmforge.provenance.facts import Role
from tests.ledger.conftest import asset, claim, digest, job, passing_ledger, request

CARDS = {
    "title_card": {"text": "Attic", "duration": 2},
    "end_card": {"text": "The end", "duration": 2},
}
UPLOAD = GenerationRequest(kind=Kind.VIDEO, provider="upload", model="upload", parameters={})


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with passing_ledger() as opened:
        yield opened


def take(ledger: Ledger, shot_id: str, ask: GenerationRequest, made: Asset) -> str:
    """Let a provider make something for a shot, which uses it; returns its digest."""
    ledger.journal.reserve(ask, Decimal("0.01"), claim(shot_id=shot_id))
    ledger.journal.begin_submitting(ask.key)
    ledger.journal.accept(ask.key, job(ask.key), "submit")
    posting = ledger.journal.succeed(ask.key, made, Tags(), Decimal("0.01"))
    return ledger.takes.link("attic", shot_id, posting, None).digest


def shoot(
    ledger: Ledger, shot_id: str, name: str, state: str = "approved", who: str = "ada"
) -> str:
    """A frame that somebody judged, and the clip that was made from it; returns the clip."""
    frame = take(ledger, shot_id, request(name), asset(name))
    ledger.gates.open("attic", shot_id, frame)
    ledger.gates.decide("attic", shot_id, frame, state, who, "", "")
    made_from = [Ingredient(role="frame", digest=frame)]
    ask = request(f"{name} moves", kind=Kind.VIDEO, model="video-1", inputs=made_from)
    return take(ledger, shot_id, ask, asset(f"{name} moves", "video/mp4"))


def attic(ledger: Ledger, **film: Any) -> None:
    """A film of two shots of two seconds, the second at night, with its cards drawn."""
    shots = [{"shot_id": f"s{n}", "enhanced_prompt": "a lamp", "duration": 2} for n in (0, 1)]
    shots[1]["scene_id"] = "night"
    document = {"film_id": "attic", "shots": shots, "scenes": {"night": {}}, **film}
    ledger.films.create(read_film(document), Decimal(1))
    for number in (0, 1):
        shoot(ledger, f"s{number}", f"shot {number}")
    brief = ledger.films.read("attic").brief
    for name, card in cards_of(brief).items():
        drawn = Making(name="", digest=digest(name), media_type="video/mp4", size=10)
        ledger.makings.keep(card_recipe(card, brief.output).key, [drawn])


def cut(ledger: Ledger) -> Recut:
    return recut_of(CuttingRoom(ledger).timeline("attic"))


def dossier(ledger: Ledger, *shown: Shown) -> Dossier:
    """What is known of the film, in its own cut unless other pieces are shown."""
    wanted = cut(ledger).model_copy(update={"shown": shown, "heard": None}) if shown else None
    return Dossier(ledger, "attic", CuttingRoom(ledger).timeline("attic", wanted))


def edits(found: Dossier) -> list[str]:
    return [edit.description for edit in found.claim.edits][1:]


def approvals(found: Dossier) -> list[tuple[str | None, str | None]]:
    return [(each.shot_id, each.by) for each in found.claim.approvals]


def frames(found: Dossier) -> list[str]:
    """The frames that the film says it was made from."""
    return [made.digest for made in found.claim.parts if made.role is Role.FRAME]


def test_only_cards_that_are_seen_are_claimed(ledger: Ledger) -> None:
    attic(ledger, **CARDS)
    title, *shots, end = cut(ledger).shown
    assert edits(dossier(ledger)) == ["Title and end cards"]
    assert edits(dossier(ledger, *shots, end)) == ["End card"]
    assert edits(dossier(ledger, title, *shots)) == ["Title card"]
    assert edits(dossier(ledger, *shots)) == []


def test_shots_that_a_recut_shows_in_part_are_claimed_as_trimmed(ledger: Ledger) -> None:
    attic(ledger)
    first, second = cut(ledger).shown
    shorter = second.model_copy(update={"frames": second.frames - 1})
    assert edits(dossier(ledger, first, shorter)) == ["Shots shown in part"]
    assert edits(dossier(ledger, second, first)) == []


def test_a_trim_is_claimed_while_its_shot_is_seen(ledger: Ledger) -> None:
    attic(ledger, trim={"s1": {"start": 1}})
    first, second = cut(ledger).shown
    assert edits(dossier(ledger)) == edits(dossier(ledger, second)) == ["Shots shown in part"]
    assert edits(dossier(ledger, first)) == []


def test_a_grade_is_claimed_while_its_scene_is_seen(ledger: Ledger) -> None:
    attic(ledger, scenes={"night": {"look": {"exposure": -1}}})
    first, second = cut(ledger).shown
    assert edits(dossier(ledger, second)) == ["Graded"]
    assert edits(dossier(ledger, first)) == []


def test_a_take_that_a_recut_names_is_approved_only_by_who_approved_its_own_frame(
    ledger: Ledger,
) -> None:
    attic(ledger)
    rejected = shoot(ledger, "s0", "too dark", "rejected")
    liked = shoot(ledger, "s0", "lighter", who="grace")
    assert approvals(dossier(ledger)) == [("s0", "grace"), ("s1", "ada")]
    assert frames(dossier(ledger)) == [digest("lighter"), digest("shot 1")]
    now, other = cut(ledger).shown
    assert now.digest == liked
    before = now.model_copy(update={"digest": rejected})
    assert approvals(dossier(ledger, before, other)) == [("s1", "ada")]
    assert frames(dossier(ledger, before, other)) == [digest("too dark"), digest("shot 1")]
    first = now.model_copy(update={"digest": digest("shot 0 moves")})
    assert approvals(dossier(ledger, first)) == [("s0", "ada")]
    assert approvals(dossier(ledger, now, before)) == []


def test_the_clip_in_use_tells_of_its_own_frame_beside_another_take(ledger: Ledger) -> None:
    attic(ledger)
    rejected = shoot(ledger, "s0", "too dark", "rejected")
    shoot(ledger, "s0", "lighter", who="grace")
    now, _ = cut(ledger).shown
    (clip,) = dossier(ledger, now, now.model_copy(update={"digest": rejected})).clips
    assert [made.digest for made in clip.claim.made_with] == [digest("lighter")]
    assert [each.by for each in clip.claim.approvals] == ["grace"]


def test_a_persons_own_clip_was_approved_by_nobody_and_made_from_no_frame(ledger: Ledger) -> None:
    attic(ledger)
    own = asset("holiday", "video/mp4")
    ledger.takes.upload("attic", "s0", UPLOAD, own, Tags())
    ledger.takes.replace("attic", "s0", Kind.VIDEO, own.digest, "ada")
    assert approvals(dossier(ledger)) == [("s1", "ada")]
    assert frames(dossier(ledger)) == [digest("shot 1")]
