"""Chats: a message as Slack, Discord and a program of one's own take it."""

import json
import re
from typing import Any

from filmforge.gateway.tidings import Tidings
from filmforge.gateway.wording import clip
from filmforge.ledger.database import now

# Of Slack: a header holds 150 characters, a section 3,000, an address of a button 3,000.
_HEADER_CHARS, _SECTION_CHARS = 150, 2_900
# Of Discord: a title holds 256 characters, a field 25 times a name of 256 and 1,024 of text, and
# everything together 6,000.
_TITLE_CHARS, _NAME_CHARS, _VALUE_CHARS, _FIELDS, _EMBED_CHARS = 256, 256, 1_000, 25, 5_800
_LAMP = 0xE8B45A
# What Discord's Markdown would take for markup; a quoted address is no link.
_MARKS = re.compile(r"([\\`*_\[\]()#|~>:@<-])")


def slack_body(told: Tidings) -> dict[str, Any]:
    """The message for an incoming webhook of Slack."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": clip(told.title, _HEADER_CHARS)}}
    ]
    for line in told.lines:
        parts = [f"*{_mrkdwn(line.words)}*", *(f"• {_mrkdwn(each)}" for each in line.details)]
        text = {"type": "mrkdwn", "text": _fitting(parts, _SECTION_CHARS)}
        blocks.append({"type": "section", "text": text})
    label = {"type": "plain_text", "text": clip(told.link_words, 75)}
    button = {"type": "button", "text": label, "url": told.link, "style": "primary"}
    blocks.append({"type": "actions", "elements": [button]})
    # What a phone shows before the message is opened.
    return {
        "text": _mrkdwn(told.subject),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def discord_body(told: Tidings) -> dict[str, Any]:
    """The message for a webhook of Discord; nobody is called by a name that stands in it."""
    embed: dict[str, Any] = {
        "title": clip(_plain(told.link_words), _TITLE_CHARS),
        "url": told.link,
        "color": _LAMP,
        "fields": [],
    }
    left = _EMBED_CHARS - len(embed["title"])
    for line in told.lines[:_FIELDS]:
        name = clip(_plain(line.words), _NAME_CHARS)
        room = min(_VALUE_CHARS, left - len(name))
        if room < 1:
            break
        value = _fitting([f"• {_plain(each)}" for each in line.details], room) or "\u200b"
        embed["fields"].append({"name": name, "value": value})
        left -= len(name) + len(value)
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def webhook_body(told: Tidings) -> str:
    """The message for a program, after Standard Webhooks; each event keeps its id."""
    data = {
        "film_id": told.film_id or None,
        "title": told.title,
        "subject": told.subject,
        "lines": [line.model_dump() for line in told.lines],
        "url": told.link,
        "events": [
            {**event.model_dump(mode="json"), "id": f"evt_{event.id}"} for event in told.events
        ],
    }
    return json.dumps({"type": "notice", "timestamp": now().isoformat(), "data": data})


def _fitting(parts: list[str], room: int) -> str:
    """As many whole lines as there is room for; a first one that is too long is cut."""
    text = parts[0][:room] if parts else ""
    for part in parts[1:]:
        if len(text) + 1 + len(part) > room:
            break
        text += f"\n{part}"
    return text


def _mrkdwn(text: str) -> str:
    """A text in which Slack finds no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """A text that Discord shows as it is."""
    return _MARKS.sub(r"\\\1", text)
