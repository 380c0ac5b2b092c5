"""One work is claimed once, made once, kept under its request key, and goes on where it ended."""

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from filmforge.domain import Receipt, Work, WorkInput, work_object
from filmforge.embedded import Servers
from filmforge.errors import NotConfigured
from gpu_functions.desk import Desk
from gpu_functions.device import Device
from gpu_functions.maker import Stopped
from gpu_functions.serving import serve
from tests.gpu.makers import CHUNKS, Painter

CPU = Device("cpu", "a processor", 8.0)


def quiet(_share: float) -> None:
    return None


def served(desk: Desk, work: Work, call_id: str = "call-1", **more: Any) -> Receipt:
    painter = Painter(Path(), CPU)
    told = {"tell": quiet, "gpu": "a processor"} | more
    return serve(work, painter.make, desk, call_id, **told)


def a_work(key: str, **parameters: Any) -> Work:
    return Work(key=key, function="painter", parameters=parameters, seed=1)


@pytest.fixture
def s3(servers: Servers) -> Any:
    return boto3.Session().client("s3", endpoint_url=servers.s3_endpoint)


def test_a_work_is_kept_under_its_request_key_with_a_receipt(
    desk: Desk, key: str, s3: Any, servers: Servers
) -> None:
    receipt = served(desk, a_work(key), load_s=2.5)
    assert receipt.digest
    name = work_object(key, f"output-{receipt.digest}")
    found = s3.get_object(Bucket=servers.s3_bucket, Key=name)
    body = found["Body"].read()
    assert hashlib.sha256(body).hexdigest() == receipt.digest
    assert len(body) == receipt.size
    assert found["ContentType"] == receipt.media_type == "image/png"
    assert receipt.seconds > 0
    assert receipt.load_s == 2.5
    assert receipt.facts == {"colour": "red"}
    assert desk.receipt(key) == receipt


def test_a_work_that_is_made_is_not_made_again(desk: Desk, key: str) -> None:
    first = served(desk, a_work(key))
    again = served(desk, a_work(key), "call-2")
    assert again == first
    assert len(Painter.painted) == CHUNKS


def test_a_call_that_loaded_for_a_work_that_is_made_says_what_that_took(
    desk: Desk, key: str
) -> None:
    served(desk, a_work(key))
    wasted = served(desk, a_work(key), "call-2", load_s=4.0)
    assert (wasted.held_by, wasted.load_s, wasted.seconds) == ("call-1", 4.0, 0.0)
    assert served(desk, a_work(key), "call-1", load_s=4.0).digest


def test_of_two_calls_at_once_one_works_and_the_other_is_told_who_does(
    desk: Desk, key: str
) -> None:
    Painter.pause = threading.Event()
    first: list[Receipt] = []
    working = threading.Thread(target=lambda: first.append(served(desk, a_work(key))))
    working.start()
    deadline = time.monotonic() + 20
    while len(Painter.painted) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    second = served(desk, a_work(key), "call-2")
    Painter.pause.set()
    working.join()
    assert (second.held_by, second.digest) == ("call-1", None)
    assert first[0].digest
    assert len(Painter.painted) == CHUNKS


def test_a_work_that_was_stopped_goes_on_from_its_checkpoints(desk: Desk, key: str) -> None:
    def stop(share: float) -> None:
        if share >= 0.5:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        served(desk, a_work(key), tell=stop)
    assert len(Painter.painted) == 2
    assert served(desk, a_work(key), "call-2").digest
    assert len(Painter.painted) == CHUNKS


def test_a_call_that_was_killed_and_begins_again_has_its_claim_still(
    desk: Desk, key: str, s3: Any, servers: Servers
) -> None:
    leave_claim(s3, servers, key, "call-1", time.time() + 100)
    assert served(desk, a_work(key), "call-2").held_by == "call-1"
    assert served(desk, a_work(key), "call-1").digest


def test_a_claim_that_nobody_renewed_is_taken_over(
    desk: Desk, key: str, s3: Any, servers: Servers
) -> None:
    leave_claim(s3, servers, key, "call-1", time.time() - 1)
    assert served(desk, a_work(key), "call-2").digest


def test_a_claim_is_given_back_after_a_failure(desk: Desk, key: str) -> None:
    with pytest.raises(RuntimeError, match="the brush broke"):
        served(desk, a_work(key, colour="broken"))
    assert served(desk, a_work(key), "call-2").digest


def test_what_a_person_can_mend_is_a_receipt_that_is_not_kept(desk: Desk, key: str) -> None:
    receipt = served(desk, a_work(key, colour="ultraviolet"))
    assert receipt.code == "bad_input"
    assert "colour: nobody can see it. Choose another." in receipt.message
    assert desk.receipt(key) is None


def test_whose_claim_was_taken_over_stops_at_his_next_step(
    servers: Servers, key: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_functions.desk.RENEW_S", 0.05)
    desk = Desk.opened(servers.s3_bucket, servers.s3_endpoint)
    Painter.pause = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            served(desk, a_work(key))
        except Stopped as error:
            raised.append(error)

    working = threading.Thread(target=work)
    working.start()
    deadline = time.monotonic() + 20
    while len(Painter.painted) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    leave_claim(s3, servers, key, "call-2", time.time() + 100)
    working.join(20)
    assert "taken this work over" in str(raised[0])
    # The claim is the other one's, and stays.
    found = s3.get_object(Bucket=servers.s3_bucket, Key=work_object(key, "claim"))
    assert json.loads(found["Body"].read())["call_id"] == "call-2"


def test_an_input_whose_bytes_are_not_what_its_digest_says_is_refused(desk: Desk, key: str) -> None:
    part = WorkInput(role="source", digest="0" * 64, url="data:text/plain;base64,aGVsbG8=")
    receipt = served(desk, a_work(key).model_copy(update={"inputs": (part,)}))
    assert receipt.code == "bad_media"
    assert "source" in receipt.message


def test_a_bucket_without_a_name_is_refused_by_the_variable() -> None:
    with pytest.raises(NotConfigured, match="FILMFORGE_S3_BUCKET"):
        Desk.opened("")


def leave_claim(s3: Any, servers: Servers, key: str, call_id: str, until: float) -> None:
    """Write a claim as a call that was killed has left it."""
    body = json.dumps({"call_id": call_id, "until": until}).encode()
    s3.put_object(Bucket=servers.s3_bucket, Key=work_object(key, "claim"), Body=body)
