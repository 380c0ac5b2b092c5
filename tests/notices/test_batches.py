"""What happens to a film is told in plain words, and much of it in one message."""

import json
import re

from filmforge.domain import Execution
from filmforge.gateway.pages.channels import WORDS
from filmforge.gateway.tidings import _SAID, MOST_NAMED
from filmforge.gateway.tokens import read_board
from filmforge.ledger.channels import BLOCKED, TOPICS, ChannelKind
from tests.gateway.receivers import Chat, MailServer
from tests.gateway.studio import Studio
from tests.notices.telling import channel, frames, make_due, over, owed, running, tell, told, until


async def test_forty_frames_are_one_mail_with_one_link_that_opens_the_board(
    studio: Studio, mail: MailServer
):
    channel(studio, "ada@studio.test", ChannelKind.EMAIL, batch_s=300, signed_link=True)
    frames(studio, 40)
    async with running(studio):
        await until(lambda: len(owed(studio)) == 40)
        assert mail.mails == []
        make_due(studio)
        await until(lambda: told(studio))
    (got,) = mail.mails
    assert mail.recipients == ["ada@studio.test"]
    assert got["subject"] == "40 frames of Attic wait for you"
    assert got["to"] == "Ada <ada@studio.test>"
    assert got["from"] == "FilmForge <films@studio.test>"
    assert got["auto-submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        part = got.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert "shot_012" in text
        assert f"and {40 - MOST_NAMED} more" in text
        (link,) = re.findall(r"http://[^\s\"<]+", text)
        assert link.startswith("http://studio.test/review/films/")
        token = link.rpartition("/")[2]
        assert read_board(studio.settings, token).film_id == "attic"


async def test_frames_that_were_decided_meanwhile_are_not_told(studio: Studio, slack: Chat):
    channel(studio, slack.url, batch_s=300)
    frames(studio, 3)
    studio.ledger.channels.look()
    for number in (1, 3):
        shot_id, digest = f"shot_{number:03d}", f"{number:064x}"
        studio.ledger.gates.decide("attic", shot_id, digest, "approved", "Ada", "", "x")
    make_due(studio)
    async with running(studio):
        await until(lambda: over(studio))
    (body,) = slack.got
    assert body["text"] == "1 frame of Attic waits for you"
    assert "shot_002" in json.dumps(body)
    assert [row.last_error is None for row in owed(studio)] == [False, True, False]


async def test_when_nothing_is_left_to_tell_no_message_goes_out(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    frames(studio, 1)
    studio.ledger.gates.decide("attic", "shot_001", f"{1:064x}", "approved", "Ada", "", "x")
    async with running(studio):
        await until(lambda: over(studio))
    assert slack.got == []
    assert "decided" in owed(studio)[0].last_error


async def test_two_films_are_two_messages_each_with_its_link(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    for film_id in ("attic", "harbour"):
        studio.film(film_id)
        tell(studio, film_id=film_id)
    async with running(studio):
        await until(lambda: told(studio))
    links = {body["blocks"][-1]["elements"][0]["url"] for body in slack.got}
    assert links == {f"http://studio.test/films/{film}" for film in ("attic", "harbour")}


async def test_every_event_is_said_in_plain_words(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    studio.film(title="Attic")
    gate = studio.gate()
    studio.ledger.gates.remind("attic", "shot_001", gate.digest)
    studio.ledger.films.set(
        "attic", Execution.NEEDS_ATTENTION, "work_dir_full", "Make room, then retry."
    )
    studio.ledger.shots.set(
        "attic",
        "shot_002",
        execution=Execution.FAILED,
        reason="content_refused",
        event="shot.needs_attention",
    )
    tell(studio, "budget.reached")
    tell(studio, "film.found_wanting", words=["it is black for 3 s"])
    tell(studio, "take.found_wanting", shot_id="shot_002", words=["it is frozen"])
    tell(studio, "film.undelivered", kind="hls", message="the file is broken")
    tell(studio, "shot.comment", shot_id="shot_001", who="Kim", text="warmer\nlight", what="added")
    tell(studio, "shot.comment", shot_id="shot_001", who="Kim", what="resolved")
    tell(studio, "film.done")
    tell(studio, "film.cancelled")
    studio.ledger.channels.look()
    async with running(studio):
        await until(lambda: over(studio))
    (body,) = slack.got
    said = "\n".join(b["text"]["text"] for b in body["blocks"] if b["type"] == "section")
    for words in (
        "Attic cannot go on: Make room, then retry.",
        "Attic has reached its budget of 5.00 USD: raise it and it goes on",
        "1 shot of Attic needs attention",
        "shot_002: the provider refused the content",
        "1 frame of Attic waits for you",
        "1 frame of Attic still waits for you",
        "Something was found in the film Attic: it is black for 3 s",
        "shot_002: it is frozen",
        "hls: the file is broken",
        "1 new note on Attic",
        "shot_001, Kim: warmer light",
        "Attic is finished",
        "Attic was cancelled",
    ):
        assert words in said
    assert body["text"] == "Attic cannot go on: Make room, then retry., and more"


async def test_a_title_keeps_its_words_when_a_frame_still_waits(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    studio.film(title="The long wait")
    gate = studio.gate()
    studio.ledger.gates.remind("attic", "shot_001", gate.digest)
    async with running(studio):
        await until(lambda: over(studio))
    assert "1 frame of The long wait still waits for you" in json.dumps(slack.got)


def test_everything_a_channel_can_want_has_words():
    assert set(TOPICS) == set(_SAID)
    assert set(TOPICS) <= set(WORDS)
    assert BLOCKED in TOPICS
