"""Costs over HTTP: tables, CSV for a spreadsheet, and what it takes to finish a film."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.domain import Asset, Direction, GenerationRequest, Kind, Tags
from filmforge.gateway.charges import as_csv, safe
from filmforge.ledger.costs import ChargeLine
from filmforge.ledger.database import now
from filmforge.ledger.posting import Claim
from tests.gateway.api import Api, film
from tests.gateway.test_estimate import request_of


def kept(api: Api, document: dict[str, Any]) -> str:
    return api.ledger.films.create(read_film(document), Decimal(5))[0].film_id


def take(
    api: Api, film_id: str, shot_id: str, request: GenerationRequest, digest: str, usd: str
) -> None:
    """A take that was paid for and linked."""
    journal, price = api.ledger.journal, Decimal(usd)
    journal.reserve(request, price, Claim(film_id=film_id, shot_id=shot_id, intent="first"))
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": f"job-{digest[:8]}", "urls": {}}, "submit")
    asset = Asset(digest=digest, media_type="image/png", size=1)
    posting = journal.succeed(request.key, asset, Tags(), price)
    api.ledger.takes.link(film_id, shot_id, posting, None)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_charges_of_a_film_are_given_as_csv(api: Api) -> None:
    document = film(project="csv-one")
    film_id = kept(api, document)
    request = request_of(api, document, 0, Kind.IMAGE)
    take(api, film_id, "s0", request, "1" * 64, "0.003")
    answer = api.http.get(f"/v1/films/{film_id}/costs", params={"format": "csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert f'filename="costs-{film_id}.csv"' in answer.headers["content-disposition"]
    assert answer.text.endswith("\r\n")
    header, line = rows(answer.text)
    told = dict(zip(header, line, strict=True))
    assert told.pop("at").startswith(f"{now():%Y-%m-%d}")
    assert told == {
        "film_id": film_id,
        "project": "csv-one",
        "shot_id": "s0",
        "kind": "image",
        "provider": "fake",
        "model": "image-1",
        "usd": "0.003",
        "why": "made",
        "request_key": request.key,
    }


def test_the_charges_of_a_project_and_a_month_are_given_as_csv(api: Api) -> None:
    for project, digest in (("csv-two", "2" * 64), ("csv-three", "3" * 64)):
        document = film(project=project)
        take(
            api, kept(api, document), "s0", request_of(api, document, 0, Kind.IMAGE), digest, "0.01"
        )
    wanted = {"format": "csv", "project": "csv-two"}
    this_month = {**wanted, "month": f"{now():%Y-%m}"}
    for params, count in ((wanted, 2), (this_month, 2), ({**wanted, "month": "2020-01"}, 1)):
        assert len(rows(api.http.get("/v1/costs", params=params).text)) == count
    every = rows(api.http.get("/v1/costs", params={"format": "csv"}).text)
    assert {"csv-two", "csv-three"} <= {row[2] for row in every}


def test_a_cell_that_looks_like_a_formula_is_none() -> None:
    for sign in "=+-@\t\r":
        assert safe(f"{sign}1+1") == f"'{sign}1+1"
    assert safe("1+1=2") == "1+1=2"
    assert safe("") == ""


def test_every_cell_of_the_csv_is_made_safe_and_quoted_where_it_must() -> None:
    line = ChargeLine(
        at=now(), film_id="a", project=None, shot_id="s", kind="image", provider="p",
        model='@m,"x"', usd=Decimal("0.5"), why="=cmd|' /C calc'!A0\nx", request_key="k",
    )  # fmt: skip
    text = "".join(as_csv([line] * 1_201))
    header, first, *rest = rows(text)
    assert len(rest) == 1_200
    told = dict(zip(header, first, strict=True))
    assert told["model"] == '\'@m,"x"'
    assert told["why"] == "'=cmd|' /C calc'!A0\nx"
    assert told["project"] == ""
    assert '"\'@m,""x"""' in text


def test_the_costs_of_a_project_are_those_of_its_films_together(api: Api) -> None:
    for digest, usd in (("4" * 64, "0.25"), ("5" * 64, "0.50")):
        document = film(project="sum")
        take(api, kept(api, document), "s0", request_of(api, document, 0, Kind.IMAGE), digest, usd)
    told = api.http.get("/v1/costs", params={"project": "sum"}).json()
    assert (told["project"], told["spent_usd"]) == ("sum", "0.75")
    assert [line["name"] for line in told["by"]["project"]] == ["sum"]
    (model,) = told["by"]["model"]
    assert (model["name"], model["spent_usd"], model["charges"]) == ("fake:image-1", "0.75", 2)
    assert len(told["by"]["film"]) == 2
    everything = api.http.get("/v1/costs").json()
    assert Decimal(everything["spent_usd"]) >= Decimal("0.75")
    assert "sum" in [line["name"] for line in everything["by"]["project"]]
    assert api.http.get("/v1/costs", params={"project": "nobody"}).json()["spent_usd"] == "0.00"


@pytest.mark.parametrize(
    ("params", "field"),
    [({"format": "xls"}, "format"), ({"month": "June"}, "month"), ({"project": "a b"}, "project")],
)
def test_what_cannot_be_reported_is_refused_naming_the_field(
    api: Api, params: dict[str, str], field: str
) -> None:
    answer = api.http.get("/v1/costs", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_stranger_gets_no_csv(api: Api) -> None:
    assert api.stranger.get("/v1/costs", params={"format": "csv"}).status_code == 401


def test_what_it_takes_to_finish_follows_the_retakes_seen_so_far(api: Api) -> None:
    document = film(3)
    film_id = kept(api, document)
    path = f"/v1/films/{film_id}"
    assert api.http.post(f"{path}/estimate").json()["cost_to_finish_usd"] == {
        "low": "0.069",
        "likely": "0.069",
    }
    first = request_of(api, document, 0, Kind.IMAGE)
    take(api, film_id, "s0", first, "6" * 64, "0.003")
    take(api, film_id, "s0", first.model_copy(update={"seed": 77}), "7" * 64, "0.003")
    take(api, film_id, "s1", request_of(api, document, 1, Kind.IMAGE), "8" * 64, "0.003")
    # Two of three frames exist; one of two shots needed a second take.
    expected = {"low": "0.063", "likely": "0.0945"}
    assert api.http.post(f"{path}/estimate").json()["cost_to_finish_usd"] == expected
    assert api.http.get(f"{path}/costs").json()["cost_to_finish_usd"] == expected


def test_a_submission_has_no_retakes_to_foresee_anything_from(api: Api) -> None:
    told = api.http.post("/v1/estimates", json=film()).json()
    assert told["cost_to_finish_usd"] is None


def test_costs_are_told_although_a_model_is_gone_that_the_rest_would_need(api: Api) -> None:
    document = film()
    film_id = kept(api, document)
    take(api, film_id, "s0", request_of(api, document, 0, Kind.IMAGE), "9" * 64, "0.25")
    gone = {"image": "fake:image-0", "video": None, "audio": None}
    direction = Direction.model_validate({"providers": gone})
    api.ledger.shots.direct(film_id, "s1", direction)
    told = api.http.get(f"/v1/films/{film_id}/costs").json()
    assert told["spent_usd"] == "0.25"
    assert told["cost_to_finish_usd"] is None
    assert "image-0" in told["cost_to_finish_unknown"]
