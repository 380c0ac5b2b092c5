"""Retry, skip, resolve and replace: checked here, decided by the film."""

import hashlib
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from filmforge.contracts import film_workflow_id
from filmforge.domain import Asset, Execution, GenerationRequest, Kind, Tags
from filmforge.errors import CreateAmbiguous
from filmforge.ledger.posting import Claim
from filmforge.quality import Check, Checked, Finding, Outcome
from tests.gateway.api import Api


@pytest.fixture
def film_id(api: Api) -> str:
    """Its shot s0 takes commands; s1 does not wait; s2 is unknown to it; s3 was decided."""
    return api.submitted(4)


def post(api: Api, film_id: str, shot_id: str, call: str, body: Any = None) -> httpx.Response:
    return api.http.post(f"/v1/films/{film_id}/shots/{shot_id}/{call}", json=body)


def commands(api: Api, film_id: str) -> list[dict[str, Any]]:
    handle = api.gateway.engine.client.get_workflow_handle(film_workflow_id(film_id))
    return api.run(handle.query("commands"))


def test_a_retry_carries_its_changes_and_providers(api: Api, film_id: str) -> None:
    body = {"changes": {"duration": 3, "mood": "calm"}, "providers": {"image": "fake:image-1"}}
    answer = post(api, film_id, "s0", "retry", body)
    assert answer.status_code == 202
    assert answer.json()["message"] == "taken"
    (command,) = commands(api, film_id)
    assert command["changes"] == body["changes"]
    assert command["providers"]["image"] == "fake:image-1"
    assert command["who"].startswith("key ")


@pytest.mark.parametrize(
    ("call", "body"), [("retry", None), ("retry", {}), ("skip", None), ("accept", None)]
)
def test_a_command_needs_no_body(api: Api, film_id: str, call: str, body: Any) -> None:
    assert post(api, film_id, "s0", call, body).status_code == 202


def test_a_shot_or_a_whole_film_is_accepted_by_whoever_calls(api: Api, film_id: str) -> None:
    assert post(api, film_id, "s0", "accept").json()["message"] == "taken"
    answer = api.http.post(f"/v1/films/{film_id}/accept")
    assert (answer.status_code, answer.json()["execution"]) == (202, "running")
    told = [(command["shot_id"], command["who"][:4]) for command in commands(api, film_id)]
    assert told == [("s0", "key "), (None, "key ")]
    assert post(api, film_id, "s1", "accept").status_code == 409
    assert api.stranger.post(f"/v1/films/{film_id}/accept").status_code == 401


def test_a_take_and_the_film_tell_what_was_found_in_them(api: Api, film_id: str) -> None:
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": f"of {film_id}"}
    )
    picture = Asset(digest=request.key, media_type="image/png", size=1, width=64, height=64)
    api.ledger.takes.upload(film_id, "s0", request, picture, Tags())
    api.ledger.takes.replace(film_id, "s0", Kind.IMAGE, picture.digest, "editor")
    black = Finding(
        check=Check.BLACK, passed=False, measured=1.0, threshold=0.995, unit="share", words="black"
    )
    found = Checked(outcome=Outcome.WARN, words=("black",), findings=(black,))
    before = api.http.get(f"/v1/films/{film_id}").json()["shots"][0]["takes"][0]
    assert before["checked"] is None
    api.ledger.takes.checked(film_id, "s0", Kind.IMAGE, picture.digest, found)
    api.ledger.holds.hold(film_id, picture, found)
    told = api.http.get(f"/v1/films/{film_id}").json()
    ((take,), (output,)) = told["shots"][0]["takes"], told["outputs"]
    assert take["checked"] == output["checked"] == found.model_dump(mode="json")
    assert (output["kind"], output["checked"]["findings"][0]["threshold"]) == ("assembled", 0.995)


@pytest.mark.parametrize("choice", ["look_again", "send_again", "write_off"])
def test_a_choice_is_carried(api: Api, film_id: str, choice: str) -> None:
    doubtful(api, film_id)
    assert post(api, film_id, "s0", "resolve", {"choice": choice}).status_code == 202
    assert commands(api, film_id)[0]["choice"] == choice


def doubtful(api: Api, film_id: str) -> None:
    api.ledger.shots.set(
        film_id, "s0", execution=Execution.FAILED, reason=CreateAmbiguous.code, message="lost"
    )


@pytest.mark.parametrize("ended", [True, False], ids=["the film ended", "the shot went on"])
def test_a_doubt_that_was_left_behind_can_be_written_off_or_looked_for(
    api: Api, film_id: str, ended: bool
) -> None:
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": film_id}
    )
    journal = api.ledger.journal
    journal.reserve(request, Decimal(1), Claim(film_id=film_id, shot_id="s0", intent="i"))
    journal.begin_submitting(request.key)
    journal.doubt(request.key, "who knows")
    if ended:
        api.ledger.films.set(film_id, Execution.SUCCEEDED)
    assert post(api, film_id, "s0", "resolve", {"choice": "send_again"}).status_code == 409
    assert post(api, film_id, "s0", "resolve", {"choice": "look_again"}).status_code == 202
    assert journal.read(request.key).state == "submitting"
    journal.doubt(request.key, "who knows")
    assert post(api, film_id, "s0", "resolve", {"choice": "write_off"}).status_code == 202
    assert journal.read(request.key).state == "failed"
    assert api.ledger.budget(film_id).reserved == 0
    assert commands(api, film_id) == []
    answer = post(api, film_id, "s0", "resolve", {"choice": "write_off"})
    assert answer.status_code == 409
    assert "in doubt" in answer.json()["detail"]


@pytest.mark.parametrize(("shot_id", "status"), [("s1", 409), ("s2", 404), ("s3", 409)])
def test_what_the_film_refuses_is_refused(
    api: Api, film_id: str, shot_id: str, status: int
) -> None:
    assert post(api, film_id, shot_id, "skip").status_code == status


@pytest.mark.parametrize("call", ["retry", "skip", "resolve", "replace"])
def test_a_shot_that_does_not_exist_is_not_found(api: Api, film_id: str, call: str) -> None:
    assert post(api, film_id, "nobody", call, {}).status_code == 404


@pytest.mark.parametrize("call", ["retry", "skip", "replace"])
def test_the_shots_of_an_ended_film_wait_for_it_to_be_resumed(
    api: Api, film_id: str, call: str
) -> None:
    api.ledger.films.set(film_id, Execution.CANCELLED)
    answer = post(api, film_id, "s0", call, {})
    assert answer.status_code == 409
    assert "resume the film first" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("call", "body", "field"),
    [
        ("retry", {"change": {}}, "change"),
        ("retry", {"changes": []}, "changes"),
        ("retry", {"changes": {"duration": -1}}, "changes.duration"),
        ("retry", {"changes": {"shot_id": "other"}}, "changes.shot_id"),
        ("retry", {"changes": {"colour": "red"}}, "changes.colour"),
        ("retry", {"changes": {"mood": "a\x00"}}, "changes.mood"),
        ("retry", {"providers": {"image": "fake:x"}}, "providers.image"),
        ("retry", {"providers": {"smell": "fake:x"}}, "providers.smell"),
        ("resolve", {"choice": "pray"}, "choice"),
        ("resolve", {}, "choice"),
        ("skip", {"why": "boring"}, "why"),
        ("replace", {"kind": "image"}, "url"),
        ("replace", {"kind": "smell", "url": "https://example.com/a.png"}, "kind"),
        ("replace", {"kind": "image", "url": "https://127.0.0.1/a.png"}, "url"),
        ("replace", {"kind": "image", "url": "https://169.254.169.254/latest"}, "url"),
        ("replace", {"kind": "image", "url": "file:///etc/passwd"}, "url"),
        ("replace", {"kind": "image", "url": "http://127.0.0.1:9/a.png"}, "url"),
    ],
)
def test_a_command_that_cannot_be_used_is_never_sent(
    api: Api, film_id: str, call: str, body: Any, field: str
) -> None:
    answer = post(api, film_id, "s0", call, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert commands(api, film_id) == []


def upload(api: Api, film_id: str, body: Any, content_type: str, **query: str) -> httpx.Response:
    return api.http.post(
        f"/v1/films/{film_id}/shots/s0/replace",
        content=body,
        params=query,
        headers={"content-type": content_type},
    )


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("image/png", {}),
        ("image/png", {"kind": "image"}),
        ("application/octet-stream", {"kind": "image"}),
    ],
)
def test_an_uploaded_picture_is_stored_indexed_and_told_to_the_film(
    api: Api, film_id: str, png: bytes, kind: str, query: dict[str, str]
) -> None:
    answer = upload(api, film_id, png, kind, **query)
    assert answer.status_code == 202, answer.text
    digest = hashlib.sha256(png).hexdigest()
    (command,) = commands(api, film_id)
    assert (command["digest"], command["kind"]) == (digest, "image")
    found = api.http.get(f"/v1/assets/{digest}").json()
    assert (found["media_type"], found["width"], found["height"]) == ("image/png", 64, 48)
    assert (found["provider"], found["cost_usd"]) == ("upload", "0.00")
    assert httpx.get(found["url"], trust_env=False).content == png
    assert list((api.settings.work_dir / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "kind", "query", "status", "field"),
    [
        (b"no picture", "image/png", {}, 422, "body"),
        (b"", "image/png", {}, 422, "body"),
        (b"GIF89a", "image/gif", {}, 422, "body"),
        (b"<svg/>", "image/svg+xml", {}, 422, "body"),
        (b"ID3", "audio/mpeg", {}, 422, "body"),
        (b"x", "image/png", {"kind": "video"}, 422, "kind"),
        (b"x", "image/png", {"kind": "smell"}, 422, "kind"),
        (b"x", "application/octet-stream", {}, 415, None),
        (b"x", "text/html", {}, 415, None),
        (b"x", "", {}, 415, None),
    ],
)
def test_a_file_is_judged_by_its_content(
    api: Api, film_id: str, body: bytes, kind: str, query: Any, status: int, field: str | None
) -> None:
    answer = upload(api, film_id, body, kind, **query)
    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["errors"][0]["field"] == field
    assert commands(api, film_id) == []
    assert list((api.settings.work_dir / "uploads").iterdir()) == []


def test_a_picture_sent_as_a_film_is_refused(api: Api, film_id: str, png: bytes) -> None:
    answer = upload(api, film_id, png, "video/mp4")
    assert answer.status_code == 422
    assert "image" in answer.json()["detail"]


def test_a_picture_cut_short_is_refused(api: Api, film_id: str, png: bytes) -> None:
    assert upload(api, film_id, png[:-30], "image/png").status_code == 422


def test_a_picture_that_is_too_large_is_refused_while_it_arrives(api: Api, film_id: str) -> None:
    pieces = (b"\x89PNG" * 250_000 for _ in range(55))
    assert upload(api, film_id, pieces, "image/png").status_code == 413
    assert list((api.settings.work_dir / "uploads").iterdir()) == []


@pytest.fixture
def web(png: bytes) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/panel.png")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(png)

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def private_urls(api: Api) -> Iterator[None]:
    object.__setattr__(api.settings, "allow_private_urls", True)
    yield
    object.__setattr__(api.settings, "allow_private_urls", False)


@pytest.mark.usefixtures("private_urls")
def test_a_picture_is_fetched_from_an_address(api: Api, film_id: str, web: str, png: bytes) -> None:
    body = {"kind": "image", "url": f"{web}/panel.png"}
    assert post(api, film_id, "s0", "replace", body).status_code == 202
    assert commands(api, film_id)[0]["digest"] == hashlib.sha256(png).hexdigest()


@pytest.mark.usefixtures("private_urls")
def test_a_redirect_is_not_followed(api: Api, film_id: str, web: str) -> None:
    answer = post(api, film_id, "s0", "replace", {"kind": "image", "url": f"{web}/moved"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "url"
    assert commands(api, film_id) == []
