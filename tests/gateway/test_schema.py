"""Whatever /openapi.json allows or forbids to send, the API never breaks over it."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from filmforge.gateway.limits import Guesses
from tests.gateway.api import KEY, Api

EXAMPLES = 5
# It never ends; tests/gateway/test_progress.py reads it.
ENDLESS = "/v1/films/{film_id}/events"
# A provider that is not there, or a server of ours: said in words, and no fault of ours.
AWAY = (502, 503)

# Schemathesis and what it stands on use what their own dependencies have deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(schemathesis|jsonschema).*")


@pytest.fixture(scope="module")
def schema(api: Api) -> schemathesis.BaseSchema:
    """The API as it describes itself."""
    return schemathesis.openapi.from_dict(api.stranger.get("/openapi.json").json())


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A caller with the key of the installation, who uses no proxy."""
    with requests.Session() as made:
        made.trust_env = False
        made.headers["Authorization"] = f"Bearer {KEY}"
        yield made


def operations(schema: schemathesis.BaseSchema) -> Iterator[APIOperation]:
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != ENDLESS:
            yield operation


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", [*GenerationMode])
def test_no_input_breaks_any_call(
    api: Api,
    schema: schemathesis.BaseSchema,
    session: requests.Session,
    mode: GenerationMode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every made-up token is a guess, and there are more than a caller may make.
    monkeypatch.setattr(Guesses, "wrong", lambda *_: None)
    film_id = api.submitted()
    broken: dict[str, str] = {}
    for operation in operations(schema):

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=[*HealthCheck],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case) -> None:
            answer = send(session, api, case, film_id)
            if answer.status_code >= 500 and answer.status_code not in AWAY:
                told = f"{answer.request.method} {answer.request.url} {answer.request.body!r}"
                raise AssertionError(told[:600])

        try:
            answered()
        except Unsatisfiable:  # nothing can be wrong with a call that takes nothing
            continue
        except AssertionError as error:
            broken[operation.label] = str(error)
    assert broken == {}


def send(session: requests.Session, api: Api, case: Case, film_id: str) -> Any:
    """Send a case, to a film that there is every other time."""
    chance = random.Random(repr((case.path, case.body, case.query)))  # the same at every run
    for name in ("Authorization", "webhook-signature"):  # the session has a key that is known
        case.headers.pop(name, None)
    if "film_id" in case.path_parameters and chance.random() < 0.5:
        case.path_parameters["film_id"] = film_id
    return case.call(base_url=api.url, session=session, timeout=30)
