"""Projects, priorities, fallbacks and models, as a film names them over HTTP."""

import json
from pathlib import Path
from typing import Any

import pytest

from filmforge.cli.app import run
from filmforge.domain import Kind
from tests.gateway.api import FAKE, KEY, Api, film


def errors(api: Api, document: dict[str, Any]) -> list[dict[str, str]]:
    count = api.films()
    answer = api.http.post("/v1/films", json=document)
    assert answer.status_code == 422, answer.text
    assert api.films() == count
    found: list[dict[str, str]] = answer.json()["errors"]
    return found


def test_films_are_listed_by_their_project(api: Api) -> None:
    first = api.submitted(project="listed", priority=1)
    second = api.submitted(project="listed")
    api.submitted(project="other")
    told = api.http.get("/v1/films", params={"project": "listed"}).json()["films"]
    assert [(film["film_id"], film["project"]) for film in told] == [
        (second, "listed"),
        (first, "listed"),
    ]
    page = {"project": "listed", "limit": 1, "offset": 1}
    (last,) = api.http.get("/v1/films", params=page).json()["films"]
    assert (last["film_id"], last["priority"]) == (first, 1)
    assert api.http.get("/v1/films", params={"project": "nobody"}).json() == {"films": []}
    assert api.http.get("/v1/films", params={"project": "no body"}).status_code == 422


def test_a_film_tells_its_project_and_priority(api: Api) -> None:
    told = api.http.get(f"/v1/films/{api.submitted(project='noir', priority=5)}").json()
    assert (told["project"], told["priority"]) == ("noir", 5)
    told = api.http.get(f"/v1/films/{api.submitted()}").json()
    assert (told["project"], told["priority"]) == (None, 3)


@pytest.mark.parametrize(
    ("changes", "field", "remedy"),
    [
        ({"project": "two words"}, "project", "Use 1 to 64 letters"),
        ({"project": ["a"]}, "project", "Use 1 to 64 letters"),
        ({"priority": 0}, "priority", "from 1, which goes first, to 5"),
        ({"priority": 6}, "priority", "from 1, which goes first, to 5"),
        ({"priority": "urgent"}, "priority", "from 1, which goes first, to 5"),
        ({"fallbacks": {"image": "fake"}}, "fallbacks.image", '"provider:model"'),
        ({"fallbacks": {"picture": "fake:image-1"}}, "fallbacks.picture", "known are"),
        ({"fallbacks": {"image": "nobody:x"}}, "fallbacks.image", "Use one of: "),
        ({"fallbacks": {"image": "fake:image-9"}}, "fallbacks.image", "fake:image-1"),
        ({"fallbacks": {"image": "fake:video-1"}}, "fallbacks.image", "fake:image-1"),
        ({"fallbacks": {"video": "replicate:a/b"}}, "fallbacks.video", "Configure it"),
        ({"fallbacks": {"image": "fal:some/unknown"}}, "fallbacks.image", "FILMFORGE_MODELS_FILE"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_its_remedy(
    api: Api, changes: dict[str, Any], field: str, remedy: str
) -> None:
    (error,) = errors(api, film(**changes))
    assert error["field"] == field
    assert remedy in error["remedy"]


def test_a_model_whose_price_is_not_known_is_refused_at_submission(api: Api) -> None:
    unknown = film(providers={**FAKE, "image": "fal:some/unknown-model"})
    (error,) = errors(api, unknown)
    assert error["field"] == "providers.image"
    assert error["problem"] == "fal: no model 'some/unknown-model' with a known price"
    assert "give the model and its price in FILMFORGE_MODELS_FILE" in error["remedy"]
    assert api.http.post("/v1/estimates", json=unknown).status_code == 422
    shot = film()
    shot["shots"][1]["providers"] = {"image": "fal:some/unknown-model"}
    assert [each["field"] for each in errors(api, shot)] == ["shots[1].providers.image"]


def test_the_command_line_refuses_a_model_whose_price_is_not_known(
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FILMFORGE_API_URL", api.url)
    monkeypatch.setenv("FILMFORGE_API_KEY", KEY)
    file = tmp_path / "film.json"
    file.write_text(json.dumps(film(providers={"image": "fal:some/unknown-model"})))
    assert run(["submit", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "providers.image fal: no model 'some/unknown-model' with a known price" in said.err
    assert "FILMFORGE_MODELS_FILE" in said.err


def test_a_length_that_no_model_makes_is_refused_naming_the_shot_and_what_is_made(
    api: Api,
) -> None:
    video = "fal:fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
    document = film(3, providers={**FAKE, "video": video})
    document["shots"][1]["duration"] = 11
    (error,) = errors(api, document)
    assert error["field"] == "shots[1].duration"
    assert "makes clips of 5, 10 s, not of 11 s" in error["problem"]
    assert error["remedy"] == "Shorten the shot, or choose another model."


def test_a_length_that_the_fallback_does_not_make_is_refused_as_well(api: Api) -> None:
    video = "fal:fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
    document = film(2, fallbacks={"video": video})
    assert api.http.post("/v1/estimates", json=document).status_code == 200
    document["shots"][0]["duration"] = 11
    (error,) = errors(api, document)
    assert error["field"] == "shots[0].duration"
    assert "kling" in error["problem"]


def test_a_shot_tells_which_kinds_its_fallback_made_and_the_audit_why(api: Api) -> None:
    film_id = api.submitted(fallbacks={"image": "preview:storyboard"})
    shots = api.http.get(f"/v1/films/{film_id}").json()["shots"]
    assert [shot["fell_back"] for shot in shots] == [[], []]
    why = "the provider has no credit left"
    api.ledger.shots.fall_back(film_id, "s0", Kind.IMAGE, "preview:storyboard", why)
    shots = api.http.get(f"/v1/films/{film_id}").json()["shots"]
    assert [shot["fell_back"] for shot in shots] == [["image"], []]
    (entry,) = api.http.get(f"/v1/films/{film_id}/audit").json()["entries"]
    assert (entry["shot_id"], entry["who"], entry["action"]) == ("s0", "filmforge", "fallback")
    assert entry["detail"] == {
        "kind": "image",
        "from": "fake:image-1",
        "to": "preview:storyboard",
        "why": why,
    }
