"""A walk over every page there is, in a house where everything that can be said is hostile."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fastapi import FastAPI
from lxml import etree, html

from filmforge.gateway.keys import fresh_key, key_print
from filmforge.gateway.tokens import sign_board, sign_review, sign_share
from filmforge.ledger.comments import Remark
from filmforge.rights import Given, Role
from tests.pages.house import House

HOSTILE = (
    '<x-evil a="b">',
    '"><x-evil>',
    "'><x-evil>",
    '" x-evil="1',
    "' x-evil=1 ",
    "x x-evil=1",
    "</title></textarea></script></style><x-evil>",
    "<!--<x-evil>--><![CDATA[<x-evil>]]>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)//",
    "{{ 1111 * 1111 }}{% raw %}${1111*1111}#{1111*1111}",
    "\u202egniht-live\u2066 <x-evil>",
    "%00%0d%0aX-Evil: 1 &#0;&lt;x-evil&gt; \\u0000\\x3cx-evil",
    "../../x-evil.html?<x-evil>#<x-evil>",
    "Ω≈ç√∫µ≤ 🎬" * 5,
)
LONG = '"><x-evil>' * 800
COMPUTED = "1234321"

# Nothing of a page: what machines read, and what never ends.
NOT_PAGES = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/films/{film_id}/live")
# Bound to their token, which lets decide about one frame once; a mail program may post there.
BY_TOKEN = ("/review/{token}/approve", "/review/{token}/reject")


class Door(NamedTuple):
    """A route outside of the API: its method, and its address with what stands in braces."""

    method: str
    path: str


def doors(app: FastAPI) -> list[Door]:
    """Every route of the application that is none of the API's."""
    return [
        Door(method, route.path)
        for route in _routes(app.routes)
        for method in sorted(route.methods)
        if not route.path.startswith("/v1") and route.path not in NOT_PAGES
    ]


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes)
        elif getattr(route, "methods", None):
            yield route


class Stage(NamedTuple):
    """A film about which everything was said, and what its addresses are made of."""

    values: dict[str, str]
    tokens: dict[str, str]
    queries: dict[str, str]
    secrets: tuple[str, ...]

    def address(self, path: str) -> str:
        """An address of that form which is somewhere."""
        token = next((t for start, t in self.tokens.items() if path.startswith(start)), "forged")
        filled = path.replace("{token}", token)
        address = re.sub(r"\{(\w+)[^}]*\}", lambda found: self.values.get(found[1], "x"), filled)
        return address + self.queries.get(path.rpartition("/")[2], "")


async def hostile(house: House) -> Stage:
    """A film whose every word tries to be more than a word."""
    shots = [
        {
            "shot_id": f"shot_{n:03d}",
            "enhanced_prompt": text,
            "negative_prompt": text,
            "dialogue": text,
            "characters": [text[:100]],
            "landscapes": [text[:100]],
            "styles": [text[:100]],
            "mood": text[:100],
            "duration": 2,
        }
        for n, text in enumerate((*HOSTILE, LONG[:8_000]), 1)
    ]
    house.shot_list(1, title=HOSTILE[1] + HOSTILE[11], shots=shots)
    ledger = house.ledger
    await house.waiting("the first panel", "shot_001")
    gate = await house.waiting("the second panel", "shot_002")
    for text in (*HOSTILE, LONG[:2_000]):
        remark = Remark(digest=gate.digest, text=text)
        ledger.comments.add("attic", "shot_002", remark, text[:190], "key test")
    for n, text in enumerate((*HOSTILE, LONG[:2_000])):
        detail = {"digest": gate.digest, "note": text, "link": text[:40], f"{text[:40]}": text}
        ledger.gates.note("attic", f"shot_{n + 1:03d}", text[:190], text[:30], **detail)
    key, member = _people(house)
    share = ledger.shares.of_film("attic")[0]
    comment = ledger.comments.of_film("attic")[0]
    values = {
        "film_id": "attic",
        "shot_id": "shot_002",
        "digest": gate.digest,
        "share_id": share.share_id,
        "member_id": member,
        "comment_id": comment.comment_id,
        "edition": "x",
        "name": "film.css",
    }
    tokens = {
        "/s/": sign_share(house.settings, share.share_id).rpartition("/")[2],
        "/review/films/": sign_board(house.settings, "attic").rpartition("/")[2],
        "/review/": sign_review(house.settings, gate)[0].rpartition("/")[2],
    }
    queries = {"notes": f"?digest={gate.digest}", "prices": "?shots=shot_002"}
    return Stage(values, tokens, queries, (key, *secrets_of(house)))


def _people(house: House) -> tuple[str, str]:
    for text in HOSTILE:
        house.share(Given.DECIDE, name=text[:100])
        house.ledger.members.add(text[:100], Role.VIEWER, key_print(fresh_key()), text[:100])
    key = house.member('"><x-evil>of a member', Role.ADMIN)
    return key, house.ledger.members.all()[0].member_id


def secrets_of(house: House) -> tuple[str, ...]:
    """What stands on no page: keys, and where things are inside of the house."""
    settings = house.settings
    return (
        settings.api_keys.get_secret_value(),
        settings.signing_key.get_secret_value(),
        settings.s3_endpoint,
        settings.temporal_address,
        str(house.folder),
        "sqlite:///",
        "X-Amz-",
    )


def markup_of(page: str, *, fragment: bool = False) -> list[str]:
    """What in a page came to be markup although somebody merely said it."""
    parse = html.fragments_fromstring if fragment else lambda text: [html.document_fromstring(text)]
    found = []
    for root in parse(page):
        if isinstance(root, str):
            continue
        for element in root.iter(etree.Element):
            found += _wrong(element)
    return found + ([COMPUTED] if COMPUTED in page else [])


def _wrong(element: Any) -> list[str]:
    tag = str(element.tag)
    wrong = [tag] if "evil" in tag or tag in ("iframe", "object", "embed", "base") else []
    for name, value in element.attrib.items():
        acts = name in ("href", "src", "action", "formaction") and "script:" in value.lower()[:20]
        if "evil" in name or name.startswith("on") or name in ("style", "srcdoc") or acts:
            wrong.append(f"{tag} {name}={value[:60]}")
    if tag == "script" and not (element.get("src") and element.get("nonce")):
        wrong.append("a script of its own")
    return wrong
