"""Sounds that a model is to make: checked and counted at submit, told apart from shots."""

import json
from typing import Any

import pytest

from filmforge.domain import Execution, Review
from tests.gateway.api import Api, film, shot

WALTZ = {"prompt": "a slow waltz", "duration": 20}


def scored(generate: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A film with music that is to be made, by the default model where none is named."""
    document = film(sound={"music": [{"generate": generate}]}, **changes)
    document["providers"] = {k: v for k, v in document["providers"].items() if k != "audio"}
    return document


@pytest.mark.parametrize(
    ("document", "field", "hint"),
    [
        (
            scored({**WALTZ, "model": "fake:voice-1"}),
            "sound.music[0].generate.model",
            "preview:music",
        ),
        (
            {**scored(WALTZ), "providers": {"audio": "fake:voice-1"}},
            "sound.music[0].generate.model",
            "the film's audio model",
        ),
        (
            scored({**WALTZ, "model": "preview:ambience"}),
            "sound.music[0].generate.model",
            "makes effect",
        ),
        (
            scored({**WALTZ, "model": "elevenlabs:music_v1"}),
            "sound.music[0].generate.model",
            "ELEVENLABS_API_KEY",
        ),
        (
            scored(WALTZ, shots=[shot(0), shot(1, shot_id="music-1")]),
            "shots[1].shot_id",
            "Call the shot something else.",
        ),
        (scored({"prompt": ""}), "sound.music[0].generate.prompt", "Fill it in"),
    ],
)
def test_a_sound_that_cannot_be_made_is_refused_by_its_field(
    api: Api, document: dict[str, Any], field: str, hint: str
) -> None:
    count = api.films()
    for path in ("/v1/estimates", "/v1/films"):
        answer = api.http.post(path, json=document)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert hint in json.dumps(answer.json())
    assert api.films() == count


def test_a_shot_may_be_called_like_a_sound_that_nobody_makes(api: Api) -> None:
    document = film(shots=[shot(0, shot_id="music-1")])
    assert api.http.post("/v1/films", json=document).status_code == 202


def test_a_sound_is_estimated_apart_from_the_shots_and_counted(api: Api) -> None:
    told = api.http.post("/v1/estimates", json=scored(WALTZ)).json()
    assert [each["shot_id"] for each in told["shots"]] == ["s0", "s1"]
    (sound,) = told["sounds"]
    assert sound["shot_id"] == "music-1"
    (line,) = sound["lines"]
    assert (line["kind"], line["provider"], line["model"]) == ("audio", "preview", "music")
    frames = api.http.post("/v1/estimates", json=scored(WALTZ, stop_after="frames")).json()
    assert frames["sounds"][0]["lines"] == []


def test_what_remains_of_a_film_leaves_out_a_sound_that_was_skipped(api: Api) -> None:
    film_id = str(api.http.post("/v1/films", json=scored(WALTZ)).json()["film_id"])
    rest = f"/v1/films/{film_id}/estimate"
    assert len(api.http.post(rest).json()["sounds"]) == 1
    ledger = api.ledger.shots
    ledger.set(film_id, "music-1", execution=Execution.CANCELLED, review=Review.OMITTED)
    assert api.http.post(rest).json()["sounds"] == []


def test_a_film_tells_its_sounds_apart_from_its_shots(api: Api) -> None:
    film_id = str(api.http.post("/v1/films", json=scored(WALTZ)).json()["film_id"])
    told = api.http.get(f"/v1/films/{film_id}").json()
    assert (told["shot_count"], told["progress"]) == (2, {"ready": 2})
    assert [each["shot_id"] for each in told["shots"]] == ["s0", "s1"]
    (sound,) = told["sounds"]
    assert (sound["shot_id"], sound["execution"], sound["takes"]) == ("music-1", "queued", [])


def test_a_sound_is_retried_with_another_model_of_its_own_kind(api: Api) -> None:
    film_id = str(api.http.post("/v1/films", json=scored(WALTZ)).json()["film_id"])
    path = f"/v1/films/{film_id}/shots/music-1/retry"
    for body, status in (
        ({"providers": {"audio": "preview:music"}, "changes": {"duration": 9}}, 202),
        ({"providers": {"audio": "fake:voice-1"}}, 422),
        ({"changes": {"duration": 500}}, 422),
        ({"changes": {"dialogue": "La la la."}}, 422),
    ):
        answer = api.http.post(path, json=body)
        assert answer.status_code == status, answer.text


def test_a_picture_cannot_take_the_place_of_a_sound(api: Api, png: bytes) -> None:
    film_id = str(api.http.post("/v1/films", json=scored(WALTZ)).json()["film_id"])
    path = f"/v1/films/{film_id}/shots/music-1/replace"
    answer = api.http.post(path, content=png, headers={"content-type": "image/png"})
    assert answer.status_code == 422
    assert "has no image" in answer.text
