"""What a film was made into is fetched by its name, and a stream by a link that ends."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.domain import Asset
from filmforge.gateway.tokens import sign_output
from filmforge.ledger.makings import Making
from filmforge.recipe import recipe_of
from tests.gateway.api import Api

MP4, M3U8, M4S = "video/mp4", "application/vnd.apple.mpegurl", "video/iso.segment"
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n90.m3u8\n"
RUNG = b"#EXTM3U\n#EXTINF:2,\n90-0.m4s\n"
SEGMENT = b"a segment"
STREAM = [("hls/master.m3u8", MASTER, M3U8), ("hls/90.m3u8", RUNG, M3U8)]
STREAM += [("hls/90-0.m4s", SEGMENT, M4S)]
FILM = b"a film, signed"


def give(api: Api, film_id: str, kind: str, files: Sequence[tuple[str, bytes, str]]) -> None:
    """Let the film be made into these files, the first of which opens the others."""
    recipe = recipe_of("test", {"kind": kind, "film": film_id})
    made = []
    for name, data, media_type in files:
        path = Path(api.settings.work_dir) / hashlib.sha256(data).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        stored = api.run(api.gateway.store.put(path, media_type))
        making = Making(name=name, digest=stored.digest, media_type=media_type, size=len(data))
        made.append(making)
    asset = Asset(digest=made[0].digest, media_type=made[0].media_type, size=made[0].size)
    api.ledger.assets.keep(asset, recipe)
    api.ledger.makings.keep(recipe.key, made)
    api.ledger.films.deliver(film_id, kind, asset.digest, asset.media_type, recipe.key)


@pytest.fixture(scope="module")
def film_id(api: Api) -> str:
    film_id = api.submitted()
    give(api, film_id, "hls", STREAM)
    give(api, film_id, "film", [("", FILM, MP4)])
    give(api, film_id, "subtitles.en.srt", [("", b"1\n", "application/x-subrip; charset=utf-8")])
    give(api, film_id, "credits.json", [("", b"{}\n", "application/json")])
    return film_id


def told(api: Api, film_id: str) -> dict[str, dict[str, Any]]:
    found = api.http.get(f"/v1/films/{film_id}").json()["outputs"]
    return {output["kind"]: output for output in found}


def test_outputs_have_names_to_keep_them_by_and_the_film_comes_first(
    api: Api, film_id: str
) -> None:
    found = told(api, film_id)
    assert {kind: output["name"] for kind, output in found.items()} == {
        "film": f"{film_id}.mp4",
        "credits.json": f"{film_id}.credits.json",
        "hls": f"{film_id}.hls.m3u8",
        "subtitles.en.srt": f"{film_id}.subtitles.en.srt",
    }
    assert next(iter(found)) == "film"
    assert {kind: output["files"] for kind, output in found.items() if output["files"] > 1} == {
        "hls": 3
    }


def test_an_output_is_fetched_by_its_kind(api: Api, film_id: str) -> None:
    answer = api.http.get(f"/v1/films/{film_id}/outputs/film")
    assert answer.status_code == 307
    file = httpx.get(answer.headers["location"], trust_env=False)
    assert file.content == FILM
    assert file.headers["content-type"] == MP4
    assert f'filename="{film_id}.mp4"' in file.headers["content-disposition"]


def test_a_file_inside_an_output_is_fetched_by_its_name(api: Api, film_id: str) -> None:
    answer = api.http.get(f"/v1/films/{film_id}/outputs/hls/90-0.m4s", follow_redirects=True)
    assert answer.content == SEGMENT


@pytest.mark.parametrize("name", ["nothing", "hls/other.m4s", "film/film.mp4", "hls//master.m3u8"])
def test_what_is_no_output_is_not_found(api: Api, film_id: str, name: str) -> None:
    assert api.http.get(f"/v1/films/{film_id}/outputs/{name}").status_code == 404


def test_outputs_are_for_those_with_a_key(api: Api, film_id: str) -> None:
    for path in ("outputs", "outputs/film"):
        assert api.stranger.get(f"/v1/films/{film_id}/{path}").status_code == 401


def test_every_file_is_listed_by_itself(api: Api, film_id: str) -> None:
    files = api.http.get(f"/v1/films/{film_id}/outputs").json()["files"]
    assert [file["name"] for file in files] == [
        f"{film_id}.mp4",
        f"{film_id}.credits.json",
        *(f"{film_id}.{name}" for name, _, _ in STREAM),
        f"{film_id}.subtitles.en.srt",
    ]
    for file in files:
        data = httpx.get(file["url"], trust_env=False).content
        assert hashlib.sha256(data).hexdigest() == file["digest"]


def player(api: Api, film_id: str) -> str:
    """The address of the stream, at this gateway."""
    return str(httpx.URL(told(api, film_id)["hls"]["url"]).path)


def test_a_player_finds_playlists_and_segments_from_the_address_alone(
    api: Api, film_id: str
) -> None:
    address = player(api, film_id)
    master = api.stranger.get(address)
    assert master.content == MASTER
    assert master.headers["content-type"] == M3U8
    rung = api.stranger.get(f"{address.rpartition('/')[0]}/90.m3u8")
    assert rung.content == RUNG
    segment = api.stranger.get(f"{address.rpartition('/')[0]}/90-0.m4s")
    assert segment.status_code == 307
    assert httpx.get(segment.headers["location"], trust_env=False).content == SEGMENT
    for answer in (master, rung, segment):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_a_stream_that_was_made_again_plays_from_the_same_address(api: Api) -> None:
    """Encoders give other bytes each time; the output is recorded after what it is made of."""
    film_id = api.submitted()
    give(api, film_id, "hls", STREAM)
    before = player(api, film_id)
    (output,) = api.ledger.films.given(film_id)
    files = api.ledger.makings.of(output.recipe_key or "")
    other = files[1].model_copy(update={"name": files[0].name})
    api.ledger.makings.keep(output.recipe_key or "", [other, *files[1:]])
    address = player(api, film_id)
    assert address.rpartition("/")[2] == before.rpartition("/")[2] == "master.m3u8"
    assert api.stranger.get(address).content == RUNG


def test_a_players_link_ends(api: Api, film_id: str) -> None:
    past = api.settings.model_copy(update={"player_link_s": -1})
    address = httpx.URL(sign_output(past, film_id, "hls")).path
    answer = api.stranger.get(f"{address}/hls/master.m3u8")
    assert (answer.status_code, answer.json()["code"]) == (410, "link_expired")


def test_a_players_link_opens_one_output_only(api: Api, film_id: str) -> None:
    address = player(api, film_id).replace("/hls/master.m3u8", "/film")
    assert api.stranger.get(address).status_code == 404


def test_a_link_that_was_not_made_here_opens_nothing(api: Api, film_id: str) -> None:
    address = player(api, film_id)
    token = address.split("/")[2]
    payload, _, signature = token.partition(".")
    forged = address.replace(token, f"{payload}.{signature[::-1]}")
    answer = api.stranger.get(forged)
    assert (answer.status_code, answer.json()["code"]) == (404, "link_forged")


@pytest.mark.parametrize(
    ("delivery", "field", "words"),
    [
        ({"format": "gif", "width": 80}, "deliveries[0]", "80 x 44"),
        ({"format": "poster", "frame": 96}, "deliveries[0].frame", "no frame 96: the film has 96"),
        ({"format": "poster", "name": "film"}, "deliveries[0].name", "another file of the film"),
    ],
)
def test_a_delivery_that_cannot_be_made_is_refused_before_anything_is_spent(
    api: Api, delivery: dict[str, Any], field: str, words: str
) -> None:
    wish = {"film_id": "undeliverable", "shots": [], "deliveries": [delivery]}
    wish["shots"] = [{"shot_id": s, "enhanced_prompt": s, "duration": 2} for s in ("a", "b")]
    answer = api.http.post("/v1/films", json=wish)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["problem"]
