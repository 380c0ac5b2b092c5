"""The journal beside a provider's list, case by case."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from filmforge.domain import GenerationRequest, Kind
from filmforge.gateway.matching import Journal, Line, Outcome, Theirs, compare
from filmforge.ledger.posting import Claim, Posting, State
from filmforge.providers.base import Job, JobStatus, Listed

SINCE = datetime(2026, 11, 20, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
SENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SURE = datetime(2026, 11, 20, 23, tzinfo=UTC)


def sent(words: str = "a trunk", job: str | None = "j1", **more: Any) -> Posting:
    """A request that was made, unless something else is said."""
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="p", model="m/one", parameters={"prompt": words}
    )
    values: dict[str, Any] = {
        "request_key": request.key,
        "state": State.SUCCEEDED,
        "request": request,
        "provider": "p",
        "account": "acc",
        "payer": Claim(film_id="attic", shot_id="s1", intent="first"),
        "nonce": "n",
        "submits": 1,
        "submitted_at": SENT,
        "job": {"id": job} if job else None,
        "estimate": Decimal("0.05"),
        "scopes": ("film:attic",),
        "digest": "0" * 64,
        "failure_code": None,
        "failure_message": None,
        "woken_at": None,
        "updated_at": SENT,
    }
    return Posting(**{**values, **more})


def listed(job: str = "j1", **more: Any) -> Listed:
    values: dict[str, Any] = {
        "job": Job(id=job),
        "status": JobStatus.SUCCEEDED,
        "created_at": SENT + timedelta(seconds=1),
        "model": "m/one",
    }
    return Listed(**{**values, **more})


def lines(
    ours: Sequence[Posting] = (),
    theirs: Sequence[Listed] = (),
    *,
    charged: str | None = None,
    jobs: dict[str, frozenset[str]] | None = None,
    elsewhere: Sequence[Posting] = (),
    told: bool = True,
) -> list[Line]:
    history = {p.request_key: frozenset({str(p.job["id"])} if p.job else ()) for p in ours}
    history |= jobs or {}
    known = {p.request_key: p for p in (*ours, *elsewhere)}
    journal = Journal(
        postings=ours,
        charged=lambda keys: {key: Decimal(charged) for key in keys if charged},
        jobs=lambda key: history.get(key, frozenset()),
        owners=lambda ids: {i: key for key, mine in history.items() for i in ids if i in mine},
        read=known.get,
    )
    theirs_ = Theirs(
        provider="p", listed=theirs, lists=lambda _request: told, account="acc", sure_until=SURE
    )
    return list(compare(journal, theirs_, SINCE, UNTIL))


def one(*args: Any, **more: Any) -> Line:
    (line,) = lines(*args, **more)
    return line


def test_a_job_that_is_written_down_is_matched() -> None:
    posting = sent()
    line = one([posting], [listed(cost=Decimal("0.05"))], charged="0.05")
    assert line.outcome is Outcome.MATCHED
    assert (line.jobs, line.film_id, line.shot_id) == (("j1",), "attic", "s1")
    assert (line.ours_usd, line.theirs_usd, line.remedy) == (Decimal("0.05"), Decimal("0.05"), "")


def test_a_job_that_nobody_wrote_down_is_missing_here() -> None:
    line = one([], [listed("j9", cost=Decimal("0.05"))])
    assert (line.outcome, line.jobs, line.theirs_usd) == (
        Outcome.MISSING_HERE,
        ("j9",),
        Decimal("0.05"),
    )
    assert "made elsewhere" in line.remedy


def test_a_second_job_of_one_request_is_missing_here_and_may_be_a_second_charge() -> None:
    posting = sent()
    first, second = lines([posting], [listed(), listed("j2", request_key=posting.request_key)])
    assert (first.outcome, first.jobs) == (Outcome.MATCHED, ("j1",))
    assert (second.outcome, second.jobs) == (Outcome.MISSING_HERE, ("j2",))
    assert second.request_key == posting.request_key
    assert "second charge" in second.remedy


def test_a_job_of_an_earlier_submit_is_known_from_the_history() -> None:
    posting = sent(job="j2", submits=2)
    jobs = {posting.request_key: frozenset({"j1", "j2"})}
    line = one([posting], [listed("j2"), listed("j1", status=JobStatus.FAILED)], jobs=jobs)
    assert (line.outcome, line.jobs) == (Outcome.MATCHED, ("j2", "j1"))


def test_a_job_of_a_request_that_was_sent_again_later_is_known_too() -> None:
    later = sent(job="j2", submitted_at=UNTIL + timedelta(days=3))
    jobs = {later.request_key: frozenset({"j1", "j2"})}
    theirs = [listed("j1", cost=Decimal("0.02")), listed("j2", cost=Decimal("0.05"))]
    line = one([], theirs, charged="0.07", jobs=jobs, elsewhere=[later])
    assert (line.outcome, line.request_key) == (Outcome.MATCHED, later.request_key)


def test_a_request_whose_job_is_not_listed_is_missing_there() -> None:
    posting = sent()
    line = one([posting], [], charged="0.05")
    assert (line.outcome, line.jobs) == (Outcome.MISSING_THERE, ("j1",))
    assert "by its id" in line.remedy


def test_what_was_written_off_and_is_not_listed_is_missing_there() -> None:
    posting = sent(job=None, state=State.FAILED)
    assert one([posting], [], charged="0.05").outcome is Outcome.MISSING_THERE


def test_a_request_that_was_refused_or_released_has_nothing_to_compare() -> None:
    assert lines([sent(job=None, state=State.FAILED)], []) == []
    assert lines([sent(job=None, state=State.RESERVED)], []) == []


@pytest.mark.parametrize("ours", ["0.05", "0.06"])
def test_a_price_that_differs_is_told_with_both_figures(ours: str) -> None:
    posting = sent()
    line = one([posting], [listed(cost=Decimal("0.055"))], charged=ours)
    assert line.outcome is Outcome.PRICE_DIFFERS
    assert f"{ours} USD was charged here, 0.055 USD there" in line.remedy


def test_a_price_is_compared_over_all_jobs_of_a_request() -> None:
    posting = sent(job="j2", submits=2)
    jobs = {posting.request_key: frozenset({"j1", "j2"})}
    both = [listed("j1", cost=Decimal("0.02")), listed("j2", cost=Decimal("0.05"))]
    line = one([posting], both, charged="0.07", jobs=jobs)
    assert (line.outcome, line.theirs_usd) == (Outcome.MATCHED, Decimal("0.07"))
    # One of them is not listed any more: the sums can't be compared.
    line = one([posting], both[1:], charged="0.07", jobs=jobs)
    assert line.outcome is Outcome.MATCHED


def test_a_price_is_not_compared_before_the_request_is_settled() -> None:
    posting = sent(state=State.ACCEPTED)
    assert one([posting], [listed(cost=Decimal("0.05"))]).outcome is Outcome.MATCHED


def test_what_they_made_and_nobody_was_charged_for_differs() -> None:
    assert one([sent(state=State.FAILED)], [listed()]).outcome is Outcome.PRICE_DIFFERS
    failed = listed(status=JobStatus.FAILED)
    assert one([sent(state=State.FAILED)], [failed]).outcome is Outcome.MATCHED


def test_a_request_in_doubt_is_told_with_the_job_that_names_it() -> None:
    posting = sent(job=None, state=State.UNKNOWN)
    line = one([posting], [listed("j7", request_key=posting.request_key)])
    assert (line.outcome, line.jobs) == (Outcome.IN_DOUBT, ("j7",))
    assert "filmforge resolve attic s1 look_again" in line.remedy


def test_a_request_in_doubt_is_told_with_the_nearest_job_of_the_same_words() -> None:
    posting = sent("an  open trunk", job=None, state=State.UNKNOWN)
    jobs = [
        listed("far", words="an open trunk", created_at=SENT + timedelta(minutes=30)),
        listed("near", words="an open\ntrunk", created_at=SENT - timedelta(minutes=1)),
        listed("other", words="a closed trunk"),
        listed("wrong", words="an open trunk", model="m/two"),
    ]
    doubt, *rest = sorted(lines([posting], jobs), key=lambda line: line.outcome)
    assert (doubt.outcome, doubt.jobs) == (Outcome.IN_DOUBT, ("near",))
    assert {line.jobs[0] for line in rest} == {"far", "other", "wrong"}
    assert {line.outcome for line in rest} == {Outcome.MISSING_HERE}


def test_two_requests_in_doubt_do_not_share_one_job() -> None:
    doubts = [
        sent("a trunk", job=None, state=State.UNKNOWN, request_key=str(number) * 64)
        for number in range(2)
    ]
    told = lines(doubts, [listed("j1", words="a trunk")])
    assert sorted(line.jobs for line in told) == [(), ("j1",)]


def test_a_request_in_doubt_that_nothing_fits_is_told_with_all_three_ways_out() -> None:
    line = one([sent(job=None, state=State.UNKNOWN)], [])
    assert line.outcome is Outcome.IN_DOUBT
    for words in ("look_again", "write_off", "send_again", "0.05 USD a second time"):
        assert words in line.remedy


def test_what_is_being_sent_or_too_young_to_be_listed_is_under_way() -> None:
    sending = sent(job=None, state=State.SUBMITTING)
    young = sent("another", job="j3", submitted_at=SURE + timedelta(minutes=1))
    assert [line.outcome for line in lines([sending, young], [])] == [Outcome.UNDER_WAY] * 2


def test_what_was_sent_with_another_key_cannot_be_compared_unless_it_is_listed() -> None:
    posting = sent(account="old")
    line = one([posting], [])
    assert line.outcome is Outcome.NOT_COMPARED
    assert "another key (old)" in line.remedy
    assert one([posting], [listed()]).outcome is Outcome.MATCHED
    assert one([sent(account="")], []).outcome is Outcome.MISSING_THERE


def test_what_costs_nothing_need_not_be_listed() -> None:
    assert lines([sent(estimate=Decimal(0))], []) == []


def test_without_a_list_our_side_is_shown_and_nothing_is_called_missing() -> None:
    doubt = sent("lost", job=None, state=State.UNKNOWN)
    told = lines([sent(), doubt], [], told=False)
    assert {line.outcome for line in told} == {Outcome.NOT_COMPARED, Outcome.IN_DOUBT}


def test_what_was_sent_outside_of_the_span_is_left_out_on_both_sides() -> None:
    before = sent("before", job="b", submitted_at=SINCE - timedelta(minutes=1))
    after = sent("after", job="a", submitted_at=UNTIL + timedelta(minutes=1))
    strange = [listed("x", created_at=SINCE - timedelta(minutes=1))]
    strange += [listed("y", created_at=UNTIL + timedelta(minutes=1))]
    assert lines([before, after], strange) == []


def test_clocks_that_differ_at_the_edge_of_the_span_make_nothing_missing() -> None:
    early = sent("early", job="e", submitted_at=SINCE - timedelta(seconds=30))
    late = sent("late", job="l", submitted_at=UNTIL - timedelta(seconds=30))
    theirs = [
        listed("e", created_at=SINCE + timedelta(seconds=30)),
        listed("l", created_at=UNTIL + timedelta(seconds=30)),
    ]
    assert [line.outcome for line in lines([early, late], theirs)] == [Outcome.MATCHED] * 2
