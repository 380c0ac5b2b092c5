"""Films that run while a worker is replaced go on: recorded histories replay with this code."""

import json

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay.record import FULL_FOR_THE_RECORD, HISTORIES
from workers.composition import WORKFLOWS, sandbox
from workflows import film

RECORDED = sorted(path.stem for path in HISTORIES.glob("*.json"))


def kind_of(name: str) -> str:
    return name.partition("-")[0]


def test_every_workflow_has_a_recorded_history() -> None:
    assert {kind_of(name) for name in RECORDED} == {"film", "shot", "sweep", "rhythm", "gpu"}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_history_replays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "FULL_HISTORY_EVENTS", FULL_FOR_THE_RECORD)
    text = (HISTORIES / f"{name}.json").read_text()
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    history = WorkflowHistory.from_json(started["originalExecutionRunId"], text)
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(history)


async def test_a_history_that_this_code_would_not_make_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(film, "PAGE", 1)
    text = (HISTORIES / "film-0.json").read_text()
    replayer = Replayer(
        workflows=WORKFLOWS, workflow_runner=sandbox(), data_converter=pydantic_data_converter
    )
    with pytest.raises(Exception, match=r"(?i)nondeterminism"):
        await replayer.replay_workflow(WorkflowHistory.from_json("film/x", text))
