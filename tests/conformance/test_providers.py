"""What every provider promises, whoever makes the pictures."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from filmforge.domain import Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    ContentRefused,
    CreateAmbiguous,
    NotSent,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.providers.base import JobStatus
from filmforge.providers.catalogue import Recovery
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from tests.conformance.subject import HOSTED, OWN, Subject, fetch_frame, frame_server
from tests.crash.makers import STANDS, Fake
from tests.fake_process import free_port

NEEDED = {Kind.IMAGE: "prompt", Kind.VIDEO: "duration", Kind.AUDIO: "text"}
KINDS = {
    "fake": list(Kind),
    "preview": list(Kind),
    "fal": list(Kind),
    "replicate": [Kind.IMAGE, Kind.VIDEO],
    "openai": [Kind.IMAGE, Kind.AUDIO],
    "elevenlabs": [Kind.AUDIO],
    "runway": [Kind.VIDEO],
    "modal": list(Kind),
}
EVERY = [*OWN, *HOSTED]
LIVE = [name for name in EVERY if name != "preview"]  # those a request travels to


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Fake]]:
    """The fakes by name, each started when it is first asked for."""
    running: dict[str, Fake] = {}
    with ExitStack() as stack:

        def fake(name: str) -> Fake:
            if name not in running:
                running[name] = STANDS[name].fake(tmp_path_factory.mktemp(name) / "state.db")
                running[name].start()
                stack.callback(running[name].stop)
            return running[name]

        yield fake


@pytest.fixture(autouse=True)
def bucket(request: pytest.FixtureRequest) -> None:
    """The servers, for the provider whose functions write to a bucket."""
    if "modal" in request.node.callspec.params["subject"]:
        request.getfixturevalue("servers")


@pytest.fixture
async def subject(
    request: pytest.FixtureRequest, fakes: Callable[[str], Fake], tmp_path: Path
) -> AsyncIterator[Subject]:
    name, kind = request.param
    told: dict[str, Any] = {"work_dir": tmp_path, "allow_private_urls": True}
    fake = None
    if name != "preview":
        fake = fakes(name)
        fake.reset()
        fake.settings(**({"latency_scale": 0.01} if name == "fake" else {"latency_s": 0.02}))
        told |= STANDS[name].settings(fake.url, True)
    settings = Settings(submit_timeout_s=4, fake_submit_timeout_s=4, listing_lag_s=0, **told)
    registry = build_registry(settings, fetch_frame)
    async with frame_server() as frame_url:
        yield Subject(registry.get(name), kind, tmp_path, fake, frame_url)
    await registry.close()


def each(names: list[str], kinds: bool = True) -> pytest.MarkDecorator:
    """Run for these providers, with each kind that they make or with the first."""
    pairs = [(name, kind) for name in names for kind in KINDS[name][: None if kinds else 1]]
    ids = [f"{name}-{kind.value}" for name, kind in pairs]
    return pytest.mark.parametrize("subject", pairs, ids=ids, indirect=True)


@each(EVERY)
def test_a_quote_is_never_negative_and_always_the_same(subject: Subject) -> None:
    first = subject.provider.quote(subject.request())
    assert first >= Decimal(0)
    assert subject.provider.quote(subject.request()) == first


@each(HOSTED)
def test_every_price_of_a_hosted_provider_names_its_source_and_day(subject: Subject) -> None:
    for model in subject.provider.models().values():
        for price in (model.price, *model.prices):
            assert price.usd > 0
            assert price.source
            assert price.read_on.year >= 2025


@each(EVERY)
async def test_a_request_becomes_media_of_its_kind(subject: Subject) -> None:
    facts = subject.look_at(await subject.make(subject.request()))
    assert facts.kind == subject.kind
    if subject.kind is not Kind.AUDIO:
        assert facts.width
        assert facts.height


@each(OWN)
async def test_equal_requests_make_equal_bytes(subject: Subject) -> None:
    if (subject.provider.name, subject.kind) == ("preview", Kind.AUDIO):
        pytest.skip("the speech synthesiser keeps a state of its own between two lines")
    request = subject.request()
    first, second = await subject.make(request, "a"), await subject.make(request, "b")
    assert first.read_bytes() == second.read_bytes()


@each(EVERY)
async def test_other_words_make_other_bytes(subject: Subject) -> None:
    first = await subject.make(subject.request(), "a")
    second = await subject.make(subject.request("Something else entirely", seed=8), "b")
    assert first.read_bytes() != second.read_bytes()


@each(EVERY)
async def test_a_job_costs_at_most_its_quote(subject: Subject) -> None:
    request = subject.request()
    _, report = await subject.finish(request)
    assert report.cost is None or report.cost <= subject.provider.quote(request)


@each(LIVE)
async def test_a_submit_is_sent_and_charged_exactly_once(subject: Subject) -> None:
    await subject.make(subject.request())
    assert subject.charges() == 1


@each(LIVE)
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "accept_then_drop"},
        {"fault": "accept_then_status", "status": 500},
        {"fault": "accept_then_status", "status": 504},
        {"fault": "accept_then_malformed"},
        {"fault": "accept_then_hang", "seconds": 30},
    ],
    ids=["dropped", "500", "504", "malformed", "silent"],
)
async def test_a_lost_answer_is_called_lost_and_the_request_is_never_sent_again(
    subject: Subject, fault: dict[str, Any]
) -> None:
    if subject.answers and fault["fault"] == "accept_then_malformed":
        pytest.skip("the answer is the asset: a broken one is seen when it is looked at")
    subject.spoil(fault)
    with pytest.raises(AnswerLost):
        await subject.submit(subject.request())
    assert await subject.accepted(1) == 1


@each(LIVE, kinds=False)
async def test_a_rate_limit_is_not_sent_and_tells_when_to_come_back(subject: Subject) -> None:
    subject.spoil({"fault": "rate_limit", "retry_after": 7}, {"fault": "rate_limit"})
    with pytest.raises(RateLimited) as limited:
        await subject.submit(subject.request())
    assert limited.value.retry_after_s == 7
    assert subject.charges() == 0


@each(LIVE, kinds=False)
async def test_refused_content_is_final_and_free(subject: Subject) -> None:
    subject.spoil({"fault": "refuse_content"})
    # Runway accepts an order before it looks at its content, and says so in the poll; on Modal
    # nobody looks.
    refusal = Refused if subject.provider.name in ("runway", "modal") else ContentRefused
    with pytest.raises(refusal):
        await subject.submit(subject.request())
    assert subject.charges() == 0


@each(HOSTED, kinds=False)
async def test_a_refused_order_is_final_and_free(subject: Subject) -> None:
    subject.spoil({"fault": "refuse"})
    with pytest.raises(Refused):
        await subject.submit(subject.request())
    assert subject.charges() == 0


@each(LIVE, kinds=False)
async def test_a_provider_that_cannot_be_reached_was_not_sent_to(
    subject: Subject, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    told = STANDS[subject.provider.name].settings(nowhere, False)
    settings = Settings(work_dir=tmp_path, allow_private_urls=True, **told)
    registry = build_registry(settings, fetch_frame)
    with pytest.raises(NotSent):
        await subject.submit(subject.request(), registry.get(subject.provider.name))
    await registry.close()


@each(EVERY)
async def test_an_accepted_job_is_found_as_the_provider_declares(subject: Subject) -> None:
    request, since = subject.request(), datetime.now(UTC)
    job = await subject.submit(request)
    await subject.finish_job(job, request)
    if subject.provider.recovery(request) is Recovery.LISTING:
        found = await subject.provider.find(request, since, frozenset())
        assert found is not None
        report = await subject.finish_job(found, request)
        assert report.status is JobStatus.SUCCEEDED
    else:
        with pytest.raises(CreateAmbiguous):
            await subject.provider.find(request, since, frozenset())
    assert subject.provider.name == "preview" or subject.charges() == 1


@each(EVERY)
async def test_a_request_never_sent_is_absent_undecidable_or_free(subject: Subject) -> None:
    request = subject.request("Never sent", seed=1002)
    try:
        # Long enough ago for every list to show what was sent then.
        long_ago = datetime.now(UTC) - timedelta(minutes=1)
        found = await subject.provider.find(request, long_ago, frozenset())
    except CreateAmbiguous:
        assert subject.provider.recovery(request) is not Recovery.LISTING
        return
    assert found is None or subject.provider.quote(request) == 0


@each(EVERY)
async def test_a_finished_job_keeps_its_report(subject: Subject) -> None:
    request = subject.request()
    job, report = await subject.finish(request)
    again = await subject.provider.poll(job, request)
    signed = {"output_url": None}  # an address that is signed anew at every poll
    assert again.model_copy(update=signed) == report.model_copy(update=signed)
    assert (again.output_url is None) == (report.output_url is None)


@each(EVERY)
async def test_cancelling_a_finished_job_changes_nothing(subject: Subject) -> None:
    request = subject.request()
    job, _ = await subject.finish(request)
    await subject.provider.cancel(job)
    assert (await subject.provider.poll(job, request)).status is JobStatus.SUCCEEDED


@each(HOSTED)
async def test_a_status_nobody_knows_is_no_verdict(subject: Subject) -> None:
    if subject.answers:
        pytest.skip("nothing is polled: the answer is the asset")
    request = subject.request()
    job = await subject.submit(request)
    await subject.finish_job(job, request)
    subject.spoil({"fault": "unknown_status"})
    with pytest.raises(ProviderUnavailable):
        await subject.provider.poll(job, request)
    assert (await subject.provider.poll(job, request)).status is JobStatus.SUCCEEDED


@each(EVERY)
async def test_an_output_longer_than_the_bound_is_refused_and_removed(subject: Subject) -> None:
    _, report = await subject.finish(subject.request())
    if report.output_url is None:
        pytest.skip("the answer was the asset, and nothing is kept there")
    path = subject.folder / "bounded"
    with pytest.raises(BadMedia):
        await subject.provider.fetch(report.output_url, path, 10)
    assert not path.exists()


@each(EVERY, kinds=False)
def test_an_unknown_model_is_refused_by_name(subject: Subject) -> None:
    request = subject.request().model_copy(update={"model": "nonesuch"})
    with pytest.raises(BadInput) as refusal:
        subject.provider.quote(request)
    assert refusal.value.field == "model"
    assert "nonesuch" in str(refusal.value)


@each(EVERY)
def test_a_missing_parameter_is_refused_by_name(subject: Subject) -> None:
    request = subject.request()
    needed = NEEDED[subject.kind]
    rest = {k: v for k, v in request.parameters.items() if k != needed}
    with pytest.raises(BadInput) as refusal:
        subject.provider.quote(request.model_copy(update={"parameters": rest}))
    assert needed in refusal.value.field


@each(EVERY, kinds=False)
async def test_a_forged_callback_is_refused(subject: Subject) -> None:
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,bm90IGEgc2lnbmF0dXJl",
        "x-fal-webhook-request-id": "someone-elses",
        "x-fal-webhook-user-id": "somebody",
        "x-fal-webhook-timestamp": str(int(time.time())),
        "x-fal-webhook-signature": "00" * 64,
    }
    with pytest.raises(BadInput):
        await subject.provider.parse_webhook(headers, b'{"request_id": "x", "id": "x"}')


@each(EVERY, kinds=False)
def test_polls_are_neither_frantic_nor_idle(subject: Subject) -> None:
    for age_s in (0, 0.1, 1, 10, 100, 10_000):
        assert 0 < subject.provider.poll_interval_s(age_s) <= 30


@each(HOSTED, kinds=False)
async def test_a_key_that_is_refused_is_not_repeated_to_anybody(
    subject: Subject, tmp_path: Path
) -> None:
    """The fakes quote the key they were given, as the real ones do."""
    key = "planted-7f3a-do-not-tell"
    told = STANDS[subject.provider.name].settings(subject.url, False)
    keyed = {n: v for n, v in told.items() if n.endswith(("_key", "_token", "_secret"))}
    name = next(n for n in keyed if "webhook" not in n)
    settings = Settings(work_dir=tmp_path, allow_private_urls=True, **{**told, name: key})
    registry = build_registry(settings, fetch_frame)
    provider = registry.get(subject.provider.name)
    with pytest.raises(Refused) as refusal:
        await subject.submit(subject.request(), provider)
    assert key not in f"{refusal.value!r}{refusal.value}{vars(provider)}{provider.account}"
    await registry.close()
