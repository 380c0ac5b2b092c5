"""Films that name a model of one's own: guides, casts and options, checked before anything runs."""

from typing import Any

import pytest

from filmforge.domain import Execution, Review
from tests.gateway.api import FAKE, Api, film, shot
from tests.gateway.test_materials import NOBODY, kept, refused

LOCAL = {**FAKE, "image": "local:image_sdxl"}


def own(**changes: Any) -> dict[str, Any]:
    """A film of one shot whose frame is made by one's own SDXL."""
    return film(shots=[shot(0, **changes)], providers=LOCAL)


@pytest.mark.parametrize("path", ["/v1/films", "/v1/estimates"])
@pytest.mark.parametrize(
    ("field", "hint", "document"),
    [
        ("shots[0].guides.pose", "there is no file", own(guides={"pose": NOBODY})),
        ("shots[0].guides.clip", "takes none", own(guides={"clip": NOBODY})),
        ("shots[0].guides.poes", "Did you mean pose?", own(guides={"poes": NOBODY})),
        (
            "shots[0].options.image.colour",
            "Its options are: ",
            own(options={"image": {"colour": "red"}}),
        ),
        (
            "cast.emma.references[0]",
            "there is no file",
            {**own(), "cast": {"emma": {"references": [NOBODY]}}},
        ),
        ("cast.emma.voice", "there is no file", {**own(), "cast": {"emma": {"voice": NOBODY}}}),
        (
            "cast.emma.loras[0].weight",
            "2",
            {**own(), "cast": {"emma": {"loras": [{"name": "emma", "weight": 9}]}}},
        ),
        (
            "shots[0].guides.pose",
            "takes none",
            film(shots=[shot(0, guides={"pose": NOBODY})]),
        ),
        (
            "providers.image",
            "local:image_sdxl",
            film(providers={**FAKE, "image": "local:image_nonesuch"}),
        ),
    ],
)
def test_what_a_model_of_ones_own_cannot_use_is_refused_by_its_field(
    api: Api, path: str, field: str, hint: str, document: dict[str, Any]
) -> None:
    assert field in refused(api, document, path, hint)


def test_a_guide_that_is_no_picture_is_refused(api: Api) -> None:
    digest = kept(api, "1\n00:00:00,500 --> 00:00:01,500\nWho?\n")["digest"]
    found = refused(api, own(guides={"pose": digest}), "/v1/films", "image is expected")
    assert found == ["shots[0].guides.pose"]


def test_a_cast_and_guides_that_are_there_are_taken_and_cost_nothing_here(
    api: Api, png: bytes
) -> None:
    digest = kept(api, png)["digest"]
    emma = {"loras": [{"name": "emma", "weight": 0.8}], "references": [digest]}
    document = own(guides={"pose": digest}, characters=["emma"])
    answer = api.http.post("/v1/estimates", json={**document, "cast": {"emma": emma}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["shots"][0]["lines"][0]["estimate_usd"] == "0.00"


def test_a_retry_with_a_guide_that_is_not_there_is_refused(api: Api, png: bytes) -> None:
    document = own()
    film_id = str(api.http.post("/v1/films", json=document).json()["film_id"])
    api.ledger.shots.set(
        film_id,
        "s0",
        execution=Execution.NEEDS_ATTENTION,
        review=Review.READY,
        reason="provider_failed",
    )
    path = f"/v1/films/{film_id}/shots/s0/retry"
    answer = api.http.post(path, json={"changes": {"guides": {"pose": NOBODY}}})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "changes.guides.pose"
    digest = kept(api, png)["digest"]
    answer = api.http.post(path, json={"changes": {"guides": {"pose": digest}}})
    assert answer.status_code != 422, answer.text


def test_the_functions_that_can_be_named_are_listed_with_who_serves_them(api: Api) -> None:
    answer = api.http.get("/v1/gpu")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    sdxl = next(each for each in told["functions"] if each["ref"] == "local:image_sdxl")
    assert (sdxl["kind"], sdxl["usd_a_second"]) == ("image", "0.00")
    assert "pose" in sdxl["guides"]
    assert told["local"] == {"workers": [], "waiting": 0}
    # Without a token there is nothing on Modal to name.
    assert not any(each["ref"].startswith("modal:") for each in told["functions"])
