"""The base of the fake providers keeps jobs and charges and misbehaves as it is told."""

import io
import json
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from tests.fakes.demo import KINDS, Client, wait_for
from tests.fakes.faults import Controls
from tests.fakes.process import fake_vendor
from tests.fakes.state import Jobs, open_state


def test_the_same_order_twice_is_two_jobs_and_two_charges(client: Client) -> None:
    ids = [client.submit("a heron"), client.submit("a heron")]
    assert [client.finish(job_id) for job_id in ids] == ["succeeded", "succeeded"]
    told = client.fake.charges()
    assert (told["total_usd"], told["count"], told["by_words"]) == ("0.10", 2, {"a heron": 2})
    assert [job["id"] for job in told["jobs"]] == ids
    assert told["jobs"][0]["body"] == {"prompt": "a heron"}
    assert client.http.get("/jobs").json() == ids[::-1]


def test_a_job_is_charged_when_it_completes_and_not_before(client: Client) -> None:
    client.fake.settings(latency_s=30)
    job_id = client.submit("slow")
    assert client.fake.charges()["count"] == 0
    assert client.status(job_id) == "queued"
    assert client.http.delete(f"/jobs/{job_id}").json() == {"status": "cancelled"}
    assert client.fake.charges()["count"] == 0


def test_a_job_billed_on_acceptance_keeps_its_charge_unless_refunded(tmp_path: Path) -> None:
    with closing(open_state(tmp_path / "db")) as database:
        jobs = Jobs(database, Controls(database), "acceptance")
        kept, refunded = (jobs.accept("m", "w", {}, Decimal(1), latency_s=9) for _ in range(2))
        assert kept.charged()
        assert refunded.charged()
        jobs.cancel(kept)
        jobs.cancel(refunded, refund=True)
        assert [(job.status(), job.charged()) for job in jobs.all()] == [
            ("cancelled", True),
            ("cancelled", False),
        ]


def test_a_job_that_never_completes_stays_running_and_is_not_charged(client: Client) -> None:
    client.fake.set_faults({"fault": "never_completes"})
    never, other = (client.submit("a heron") for _ in range(2))
    client.finish(other)
    assert client.status(never) == "running"
    assert client.http.get(f"/out/{never}").status_code == 404
    assert client.fake.charges()["count"] == 1


@pytest.mark.parametrize("billed", [False, True])
def test_a_failed_job_is_charged_only_if_the_fault_says_so(client: Client, billed: bool) -> None:
    client.fake.set_faults({"fault": "job_fails", "billed": billed, "message": "no paint"})
    job_id = client.submit("a heron")
    assert client.finish(job_id) == "failed"
    assert client.http.get(f"/jobs/{job_id}").json()["error"] == "no paint"
    assert client.fake.charges()["count"] == int(billed)


def test_jobs_charges_faults_and_log_outlive_a_kill(tmp_path: Path) -> None:
    demo = fake_vendor("tests.fakes.demo", tmp_path / "db", latency_s=0)
    with demo as fake, Client(fake) as client:
        job_id = client.submit("a heron")
        fake.set_faults({"fault": "unavailable"})
        before = fake.charges(), client.http.get(f"/out/{job_id}").content
        fake.kill()
        fake.start()
        assert (fake.charges(), client.http.get(f"/out/{job_id}").content) == before
        assert client.post("a heron").status_code == 503
        answered = [seen["status"] for seen in fake.log()["requests"]]
        assert answered == [201, 200, 200, 503]


@pytest.mark.parametrize("fault", ["accept_then_drop", "drop"])
def test_a_dropped_order_gets_no_byte_of_an_answer(client: Client, fault: str) -> None:
    client.fake.settings(latency_s=0)
    client.fake.set_faults({"fault": fault})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.post("a heron")
    assert client.fake.charges()["count"] == int(fault == "accept_then_drop")
    assert client.fake.log()["requests"][-1]["status"] is None
    client.submit("the next order is untouched")


@pytest.mark.parametrize("fault", ["accept_then_hang", "hang"])
def test_a_silent_order_is_answered_with_nothing(client: Client, fault: str) -> None:
    client.fake.settings(latency_s=0)
    client.fake.set_faults({"fault": fault})
    with pytest.raises(httpx.ReadTimeout):
        client.post("a heron", timeout=0.3)
    assert client.fake.charges()["count"] == int(fault == "accept_then_hang")


def test_an_accepted_order_is_answered_after_the_silence(client: Client) -> None:
    client.fake.set_faults({"fault": "accept_then_hang", "seconds": 0.2})
    started = time.monotonic()
    assert client.finish(client.submit("a heron")) == "succeeded"
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_order_is_charged_although_an_error_was_answered(client: Client, status: int) -> None:
    client.fake.settings(latency_s=0)
    client.fake.set_faults({"fault": "accept_then_status", "status": status})
    assert client.post("a heron").status_code == status
    assert client.fake.charges()["count"] == 1


def test_a_malformed_answer_is_cut_json_for_an_order_that_was_charged(client: Client) -> None:
    client.fake.settings(latency_s=0)
    client.fake.set_faults({"fault": "accept_then_malformed"})
    answer = client.post("a heron")
    assert answer.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert client.fake.charges()["count"] == 1


@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [
        ({"fault": "rate_limit", "retry_after": 2}, 429, "2"),
        ({"fault": "rate_limit", "retry_after": None}, 429, None),
        ({"fault": "refuse_content"}, 422, None),
        ({"fault": "refuse"}, 400, None),
        ({"fault": "refuse", "status": 422}, 422, None),
        ({"fault": "unavailable"}, 503, None),
    ],
)
def test_a_refused_order_is_no_job(
    client: Client, fault: dict[str, Any], status: int, wait: str | None
) -> None:
    client.fake.set_faults({**fault, "match": "heron"})
    client.submit("an egret")
    answer = client.post("a heron")
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
    assert answer.json()["error"]["status"] == status
    assert [job["words"] for job in client.fake.charges()["jobs"]] == ["an egret"]
    client.submit("a heron")


def test_a_fault_without_a_number_of_times_strikes_always(client: Client) -> None:
    client.fake.set_faults({"fault": "unavailable", "times": None})
    assert [client.post("a heron").status_code for _ in range(3)] == [503, 503, 503]


def test_a_poll_meets_unknown_words_errors_and_cut_json(client: Client) -> None:
    job_id = client.submit("a heron")
    client.finish(job_id)
    client.fake.set_faults(
        {"fault": "unknown_status"}, {"fault": "poll_status", "status": 503},
        {"fault": "poll_malformed"},
    )  # fmt: skip
    assert client.status(job_id) == "marinating"
    assert client.http.get(f"/jobs/{job_id}").status_code == 503
    with pytest.raises(json.JSONDecodeError):
        client.status(job_id)
    assert client.status(job_id) == "succeeded"


@pytest.mark.parametrize("media_type", KINDS)
def test_an_output_is_a_real_file_of_its_own(client: Client, media_type: str) -> None:
    first, second = (client.submit("a heron", media_type=media_type) for _ in range(2))
    client.finish(second)
    answer, again, other = (client.http.get(f"/out/{i}") for i in (first, first, second))
    assert answer.headers["content-type"] == media_type
    assert answer.content == again.content != other.content
    if media_type.startswith("image/"):
        picture = Image.open(io.BytesIO(answer.content))
        assert (picture.size, picture.get_format_mimetype()) == ((320, 180), media_type)
        return
    with av.open(io.BytesIO(answer.content), "r") as container:
        frames = list(container.decode(container.streams[0]))
        assert frames
        assert (container.duration or 0) / 1e6 == pytest.approx(1, abs=0.1)


def test_an_output_is_cut_mistaken_gone_or_slow(client: Client) -> None:
    job_id = client.submit("a heron")
    client.finish(job_id)
    whole = client.http.get(f"/out/{job_id}").content
    client.fake.set_faults(
        {"fault": "truncated_output"}, {"fault": "wrong_type_output"},
        {"fault": "gone_output", "status": 410}, {"fault": "slow_drip", "seconds": 0.01},
    )  # fmt: skip
    with pytest.raises(httpx.RemoteProtocolError):
        client.http.get(f"/out/{job_id}")
    assert client.http.get(f"/out/{job_id}").headers["content-type"].startswith("text/html")
    assert client.http.get(f"/out/{job_id}").status_code == 410
    started = time.monotonic()
    assert client.http.get(f"/out/{job_id}").content == whole
    assert time.monotonic() - started > 0.2
    client.fake.settings(output_ttl_s=0)
    assert client.http.get(f"/out/{job_id}").status_code == 404


def test_a_new_job_is_listed_after_the_lag(client: Client) -> None:
    client.fake.settings(listing_lag_s=0.3)
    job_id = client.submit("a heron")
    assert client.http.get("/jobs").json() == []
    wait_for(lambda: client.http.get("/jobs").json() == [job_id])


def test_unknown_fields_of_faults_and_settings_are_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="macth"):
        client.fake.set_faults({"fault": "hang", "macth": "heron"})
    with pytest.raises(ValueError, match="latency"):
        client.fake.settings(latency=1)
