"""What happens at the site while keys are about: success, failures, a curious caller."""

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.keys.lock import CUT, MALFORMED
from tests.keys.site import Site

PICTURES: Mapping[str, str] = {
    "fal": "fal:fal-ai/flux/schnell",
    "replicate": "replicate:black-forest-labs/flux-schnell",
    "openai": "openai:gpt-image-2.5-flare-low",
    "runway": "runway:gen4_image",
}
CLIP, VOICE = "runway:gen4_turbo", "elevenlabs:eleven_multilingual_v2"
QUOTED = (MALFORMED, CUT, 401, 402, 422, 429, 500)
SPOKEN = (401, 402, 500)
FAULTS = {
    "refuse_content": "(content)",
    "unknown_status": "(status)",
    "poll_malformed": "(cut poll)",
    "truncated_output": "(truncated)",
    "accept_then_drop": "(drop)",
    "drop": "(drop before)",
}
FAILS = "(fails)"
SMALL = {"width": 320, "height": 180, "fps": 12}
AT_REST = ("succeeded", "failed", "cancelled")
CODES = {"provider_key_refused", "provider_out_of_credit", "content_refused", "provider_failed"}


def play(site: Site) -> None:
    """Everything, one after the other."""
    seen = _film("seen", {"image": PICTURES["fal"]}, ["a", "b"], approval={"frames": "required"})
    board = site.submit(seen)["review_url"]
    films = [*_good_films(site), *_bad_films(site)]
    _look_around(site)
    _forge_callbacks(site)
    _review(site, "seen", board)
    _until_at_rest(site, films)
    for film_id in (*films, "seen"):
        _read(site, film_id)
    site.ask("POST", "/v1/films/seen/cancel")
    _commands(site)
    _break_the_database(site)
    _without_providers(site)


def _film(film_id: str, providers: Mapping[str, str], words: list[str], **more: Any) -> Any:
    shots = [
        {"shot_id": f"s{number}", "enhanced_prompt": text, "duration": 2}
        for number, text in enumerate(words)
    ]
    wanted = {"stop_after": "frames", "output": SMALL, **more}
    return {"film_id": film_id, "providers": dict(providers), "shots": shots, **wanted}


def _spoken(film_id: str, lines: list[str], clip: str, voice: str, seconds: int = 2) -> Any:
    providers = {"image": PICTURES["fal"], "video": clip, "audio": voice}
    film = _film(film_id, providers, [f"{film_id} {line[:1]}" for line in lines])
    film["stop_after"] = "clips"
    for shot, line in zip(film["shots"], lines, strict=True):
        shot |= {"dialogue": line, "duration": seconds}
    return film


def _good_films(site: Site) -> list[str]:
    told = {"callback_url": f"{site.fakes['fal'].url}/hook?token={site.token.value}"}
    films = [_film(f"good-{name}", {"image": ref}, ["-"], **told) for name, ref in PICTURES.items()]
    films += [
        _spoken("good-spoken", ["-"], CLIP, VOICE),
        _spoken("good-too", ["-"], "fal:fal-ai/ltx-2/image-to-video/fast", "openai:tts-1", 6),
    ]
    return [site.submit(film)["film_id"] for film in films]


def _bad_films(site: Site) -> list[str]:
    for name, fake in site.fakes.items():
        told = f"refused {site.keys[name].value} and more"
        fails = {"fault": "job_fails", "match": FAILS, "times": None, "message": told}
        others = [{"fault": f, "match": words, "times": None} for f, words in FAULTS.items()]
        lasting = [{**fault, "times": 1} if "drop" in fault["fault"] else fault for fault in others]
        fake.set_faults(fails, *lasting)
    films = []
    for name, ref in PICTURES.items():
        words = [f"({name} quotes {status})" for status in QUOTED] + [FAILS, *FAULTS.values()]
        films.append(_film(f"bad-{name}", {"image": ref}, words))
    lines = [f"{status} (elevenlabs quotes {status})" for status in SPOKEN]
    films.append(_spoken("bad-spoken", lines, "fal:fal-ai/ltx-2/image-to-video/fast", VOICE, 6))
    return [site.submit(film)["film_id"] for film in films]


def _until_at_rest(site: Site, films: list[str]) -> None:
    for film_id in films:
        site.until(
            lambda film_id=film_id: all(  # type: ignore[misc] # bound for this turn
                shot["execution"] in AT_REST for shot in site.film(film_id)["shots"]
            ),
            timeout_s=90,
        )


def _look_around(site: Site) -> None:
    month = time.strftime("%Y-%m", time.gmtime())
    for path in (
        "/openapi.json", "/metrics", "/healthz", "/readyz", "/v1/films", "/v1/assets", "/v1/caps",
        "/v1/assets/facets", f"/v1/costs?month={month}", "/v1/costs?format=csv",
        "/v1/films/nobody", "/nowhere", "/review/forged", "/review/films/forged",
    ):  # fmt: skip
        site.ask("GET", path)
    site.ask("PUT", "/v1/caps/month", json={"limit_usd": "100.00", "mode": "enforce"})
    site.ask("POST", "/v1/films", content=b"{")
    site.ask("POST", "/v1/films", json={"shots": [{"shot_id": 1}], "providers": {"image": "x:y"}})
    site.ask("POST", "/v1/films", json=_film("unknown", {"image": "fal:some/unknown"}, ["-"]))
    site.ask("POST", "/v1/estimates", json=_film("guess", {"image": PICTURES["fal"]}, ["-"]))
    for key in ("Bearer of-another", "Basic eDp5", "Bearer"):
        assert site.ask("GET", "/v1/films", headers={"authorization": key}).status_code == 401
    signed = {"authorization": "", "webhook-id": "1", "webhook-timestamp": "1"}
    site.ask("GET", "/v1/films", headers={**signed, "webhook-signature": "v1,eDp5"})


def _forge_callbacks(site: Site) -> None:
    now = str(int(time.time()))
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    standard = dict(zip(names, ("1", now, "v1,eDp5"), strict=True))
    ids = ("request-id", "user-id", "timestamp", "signature")
    fal = {f"x-fal-webhook-{n}": v for n, v in zip(ids, ("1", "2", now, "00" * 64), strict=True)}
    for name in (*site.fakes, "nobody"):
        for path in (f"/v1/callbacks/{name}", f"/v1/callbacks/{name}/{'0' * 64}"):
            answer = site.ask("POST", path, headers={**standard, **fal}, json={"id": "job"})
            assert answer.status_code >= 400


def _review(site: Site, film_id: str, board: str) -> None:
    site.until(lambda: len(site.film(film_id)["gates"]) == 2)
    site.ask("GET", board)
    gates = [gate["review_url"] for gate in site.film(film_id)["gates"]]
    for url, verdict in zip(gates, ("approve", "reject"), strict=True):
        site.ask("GET", url)
        site.ask("POST", f"{url}/{verdict}", data={"note": "more light", "who": "a person"})
        site.ask("GET", url)


def _read(site: Site, film_id: str) -> None:
    site.film(film_id)
    for part in ("audit", "costs", "costs?format=csv", "events"):
        site.ask("GET", f"/v1/films/{film_id}/{part}")
    site.ask("POST", f"/v1/films/{film_id}/estimate", json={})


def _commands(site: Site) -> None:
    since = time.strftime("%Y-%m-%dT00:00", time.gmtime())
    state = ("--state", str(site.state))
    done = site.commands(
        [
            ("doctor", "--json", *state),
            ("show", "bad-fal"),
            ("show", "nobody", "--json"),
            ("reconcile", "--provider", "fal", "--since", since),
        ]
    )
    assert set(done.values()) >= {0, 1}


def _break_the_database(site: Site) -> None:
    """Take a table away for a moment: nobody foresaw that, so it is an unhandled error."""
    url = make_url(site.database_url)
    told = {"host": url.query["host"], "user": url.username, "dbname": url.database}
    rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
    names = (sql.Identifier("assets"), sql.Identifier("assets_taken_away"))
    with psycopg.connect(**told, autocommit=True) as connection:  # type: ignore[arg-type] # a dict
        connection.execute(rename.format(*names))
        try:
            assert site.ask("GET", "/v1/assets").status_code == 500
        finally:
            connection.execute(rename.format(*reversed(names)))


def _without_providers(site: Site) -> None:
    for fake in site.fakes.values():
        fake.kill()
    films = [_film(f"alone-{name}", {"image": ref}, ["alone"]) for name, ref in PICTURES.items()]
    alone = [site.submit(film)["film_id"] for film in films]
    since = time.strftime("%Y-%m-%dT00:00", time.gmtime())
    for name in site.fakes:
        site.ask("GET", f"/v1/reconciliations?provider={name}&since={since}")
    _until_at_rest(site, alone)
    for film_id in alone:
        _read(site, film_id)
