"""Links: signed for one purpose, bound to one frame, expiring when they say."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from filmforge.errors import ServiceUnavailable
from filmforge.gateway import tokens
from filmforge.gateway.tokens import (
    ExpiredLink,
    ForgedLink,
    read_board,
    read_review,
    sign_board,
    sign_review,
)
from filmforge.ledger.gates import Gate
from filmforge.settings import Settings

SETTINGS = Settings(signing_key=SecretStr("whsec_Zm9yIHRlc3Rz"), public_url="https://films.test/")
GATE = Gate(
    gate_id="0123456789abcdef",
    film_id="attic",
    shot_id="shot_001",
    digest="a" * 64,
    state="open",
    opened_at=datetime.now(UTC),
    decided_at=None,
    who=None,
    note=None,
    link_id=None,
)


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_says_which_frame_it_is_for_and_until_when():
    url, expires_at = sign_review(SETTINGS, GATE)
    assert url.startswith("https://films.test/review/")
    link = read_review(SETTINGS, token_of(url))
    assert (link.gate_id, link.digest) == (GATE.gate_id, GATE.digest)
    assert link.expires_at == expires_at.timestamp()
    assert abs(expires_at.timestamp() - time.time() - SETTINGS.review_link_s) < 2


def test_two_links_to_the_same_frame_can_be_told_apart():
    first, second = (read_review(SETTINGS, token_of(sign_review(SETTINGS, GATE)[0])) for _ in "ab")
    assert first.link_id != second.link_id


def test_a_link_is_refused_from_the_very_moment_it_says(monkeypatch: pytest.MonkeyPatch):
    url, expires_at = sign_review(SETTINGS, GATE)
    monkeypatch.setattr(tokens.time, "time", lambda: expires_at.timestamp() - 0.001)
    read_review(SETTINGS, token_of(url))
    monkeypatch.setattr(tokens.time, "time", expires_at.timestamp)
    with pytest.raises(ExpiredLink):
        read_review(SETTINGS, token_of(url))


def changed(token: str) -> Iterator[str]:
    # Of the very last character base64 does not read every bit.
    for place in range(0, len(token) - 1, 7):
        other = "A" if token[place] != "A" else "B"
        yield token[:place] + other + token[place + 1 :]


def test_a_token_with_any_character_changed_is_forged():
    token = token_of(sign_review(SETTINGS, GATE)[0])
    for forged in changed(token):
        with pytest.raises(ForgedLink):
            read_review(SETTINGS, forged)


@pytest.mark.parametrize("token", ["", ".", "x", "a.b", "é.é", "." * 50, "A" * 5000, "\x00.\x00"])
def test_what_is_no_token_at_all_is_forged(token: str):
    with pytest.raises(ForgedLink):
        read_review(SETTINGS, token)
    with pytest.raises(ForgedLink):
        read_board(SETTINGS, token)


def test_a_token_of_one_purpose_is_worth_nothing_for_the_other():
    frame, film = token_of(sign_review(SETTINGS, GATE)[0]), token_of(sign_board(SETTINGS, "attic"))
    with pytest.raises(ForgedLink):
        read_board(SETTINGS, frame)
    with pytest.raises(ForgedLink):
        read_review(SETTINGS, film)


def test_a_token_of_another_installation_is_forged():
    other = SETTINGS.model_copy(update={"signing_key": SecretStr("whsec_b3RoZXI=")})
    with pytest.raises(ForgedLink):
        read_review(SETTINGS, token_of(sign_review(other, GATE)[0]))


def test_a_board_link_names_its_film_and_expires():
    url = sign_board(SETTINGS, "attic")
    assert url.startswith("https://films.test/review/films/")
    assert read_board(SETTINGS, token_of(url)).film_id == "attic"
    late = SETTINGS.model_copy(update={"review_link_s": -1})
    with pytest.raises(ExpiredLink):
        read_board(SETTINGS, token_of(sign_board(late, "attic")))


def test_without_a_signing_key_no_link_is_made():
    with pytest.raises(ServiceUnavailable, match="FILMFORGE_SIGNING_KEY"):
        sign_board(Settings(signing_key=SecretStr("")), "attic")
