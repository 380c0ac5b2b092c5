"""Slack, Discord and programs get messages they can show, which call nobody."""

import json

from standardwebhooks.webhooks import Webhook

from filmforge.gateway.chats import discord_body, slack_body
from filmforge.ledger.channels import ChannelKind
from tests.gateway.receivers import Chat
from tests.gateway.studio import Studio
from tests.notices.telling import (
    TITLE,
    channel,
    frames,
    long_tidings,
    owed,
    running,
    tell,
    told,
    until,
)


async def test_slack_gets_the_words_and_one_button_and_nobody_is_called(
    studio: Studio, slack: Chat
):
    channel(studio, slack.url)
    frames(studio, 3, TITLE)
    tell(
        studio,
        "shot.comment",
        shot_id="shot_001",
        who="<@U1>",
        text="see <http://x|y>",
        what="added",
    )
    async with running(studio):
        await until(lambda: told(studio))
    body = slack.got[0]
    text = json.dumps(body)
    # What is plain text to Slack calls nobody; all the rest is escaped.
    parsed = [b["text"] for b in body["blocks"] if b.get("text", {}).get("type") == "mrkdwn"]
    assert len(parsed) == 2
    assert "<" not in json.dumps([parsed, body["text"]])
    assert body["text"].startswith("3 frames of Attic &lt;!channel&gt; *&amp;* @everyone wait for")
    sections = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    assert "• shot_001\n• shot_002\n• shot_003" in sections[0]
    (button,) = body["blocks"][-1]["elements"]
    assert button["url"] == "http://studio.test/films/attic"
    assert text.count("http://") == 2  # that of the button, and the one somebody wrote


async def test_discord_gets_an_embed_that_calls_nobody(studio: Studio, discord: Chat):
    channel(studio, discord.url, ChannelKind.DISCORD)
    frames(studio, 2, TITLE)
    async with running(studio):
        await until(lambda: told(studio))
    body = discord.got[0]
    assert body["allowed_mentions"] == {"parse": []}
    (embed,) = body["embeds"]
    assert embed["url"] == "http://studio.test/films/attic"
    assert r"Attic \<!channel\> \*&\* \@everyone" in embed["fields"][0]["name"]
    assert r"shot\_001" in embed["fields"][0]["value"]


def test_a_message_keeps_to_the_limits_of_discord_and_slack():
    (embed,) = discord_body(long_tidings())["embeds"]
    parts = [embed["title"], *(f[k] for f in embed["fields"] for k in ("name", "value"))]
    assert sum(map(len, parts)) <= 6_000
    assert len(embed["title"]) <= 256
    assert 1 <= len(embed["fields"]) <= 25
    assert all(
        1 <= len(f["name"]) <= 256 and 1 <= len(f["value"]) <= 1_024 for f in embed["fields"]
    )
    blocks = slack_body(long_tidings())["blocks"]
    assert len(blocks) <= 50
    texts = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    assert all(len(text) <= 3_000 for text in texts)
    assert len(blocks[0]["text"]["text"]) <= 150
    assert len(blocks[-1]["elements"][0]["text"]["text"]) <= 75


async def test_a_program_gets_signed_messages_whose_events_keep_their_ids(
    studio: Studio, slack: Chat
):
    secret = "whsec_ZmlsbWZvcmdlLW90aGVyLXRlc3Qta2V5LTAwMDE="
    channel(studio, slack.url, ChannelKind.WEBHOOK, secret=secret)
    studio.film(title="Attic")
    tell(studio)
    async with running(studio):
        await until(lambda: told(studio))
    body = Webhook(secret).verify(slack.raw[0], slack.headers[0])
    assert body["type"] == "notice"
    assert body["data"]["subject"] == "Attic is finished"
    assert body["data"]["url"] == "http://studio.test/films/attic"
    (event,) = body["data"]["events"]
    assert (event["id"], event["type"]) == (f"evt_{owed(studio)[0].event_id}", "film.done")
