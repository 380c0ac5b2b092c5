"""The engine: the only client of Temporal; starts films and carries people's commands to them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Self, TypeVar

from pydantic import BaseModel
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from filmforge.brief import Brief
from filmforge.commands import (
    Accept,
    Answer,
    Answers,
    Cancel,
    Decide,
    DecideMany,
    Replace,
    Resolve,
    Retry,
    SetBudget,
    Skip,
    TryAgain,
)
from filmforge.contracts import (
    FILM_WORKFLOW,
    GPU_QUEUE,
    GPU_WORK_WORKFLOW,
    ORCHESTRATION_QUEUE,
    RHYTHM_WORKFLOW,
    TASK_TIMEOUT_S,
    FilmOrder,
    GpuQueue,
    Progress,
    RhythmOrder,
    WorkState,
    film_workflow_id,
    gpu_work_id,
    rhythm_workflow_id,
)
from filmforge.domain import Receipt, Stage, Work
from filmforge.errors import BadMedia, Conflict, FilmError, NotFound, ServiceUnavailable
from filmforge.settings import Settings

CALL_TIMEOUT = timedelta(seconds=20)
CHECK_TIMEOUT = timedelta(seconds=3)

Told = TypeVar("Told", bound=BaseModel)

FilmCommand = Decide | Retry | Skip | Replace | Resolve | Accept | TryAgain | SetBudget | Cancel

VERBS: dict[type[BaseModel], str] = {
    Decide: "decide",
    Retry: "retry",
    Skip: "skip",
    Replace: "replace",
    Resolve: "resolve",
    Accept: "accept",
    TryAgain: "try_again",
    SetBudget: "set_budget",
    Cancel: "cancel",
}


async def connect(settings: Settings) -> Client:
    """A Temporal client from Temporal's own environment (address, namespace, TLS, API key).

    Raises ServiceUnavailable when the server cannot be reached.
    """
    config = dict(ClientConfig.load_client_connect_config())
    if settings.temporal_address:
        config["target_host"] = settings.temporal_address
        config["namespace"] = settings.temporal_namespace
    try:
        return await Client.connect(**config, data_converter=pydantic_data_converter)  # type: ignore[arg-type] # a TypedDict of the very arguments
    except RuntimeError as error:  # the SDK's bridge has no class of its own for it
        raise ServiceUnavailable(
            f"Temporal cannot be reached at {config.get('target_host', 'localhost:7233')}: {error}"
        ) from error


class Engine:
    """Films as running workflows."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @classmethod
    async def connected(cls, settings: Settings) -> Self:
        """An engine on the configured Temporal server."""
        return cls(await connect(settings))

    async def start_film(self, film_id: str, brief: Brief, stop_after: Stage | None = None) -> None:
        """Start the workflow of a film; one that runs already is left alone.

        Within one priority the server deals workflow and activity tasks out fairly between
        projects; a film without a project stands for itself.
        """
        order = FilmOrder(film_id=film_id, stop_after=stop_after)
        turn = Priority(priority_key=brief.priority, fairness_key=brief.project or film_id)
        try:
            await self.client.start_workflow(
                FILM_WORKFLOW,
                order,
                id=film_workflow_id(film_id),
                task_queue=ORCHESTRATION_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=film_id,
                priority=turn,
                task_timeout=timedelta(seconds=TASK_TIMEOUT_S),
                rpc_timeout=CALL_TIMEOUT,
            )
        except RPCError as error:
            raise _unavailable(error) from error

    async def command(self, film_id: str, command: FilmCommand) -> Answer:
        """Carry a person's command to a running film and wait until it is recorded.

        Raises Conflict when the film does not run, ServiceUnavailable when Temporal or the
        worker did not answer in time; then the same command may safely be sent again.
        """
        return await self._update(film_id, VERBS[type(command)], command, Answer)

    async def decide_many(self, film_id: str, command: DecideMany) -> Sequence[Answer]:
        """Carry many decisions to a running film at once; the answers are in their order.

        Raises as `command` does: then none of them was taken, or all may safely be sent again.
        """
        return (await self._update(film_id, "decide_many", command, Answers)).answers

    async def _update(self, film_id: str, verb: str, command: BaseModel, told: type[Told]) -> Told:
        handle = self.client.get_workflow_handle(film_workflow_id(film_id))
        try:
            answer: Told = await handle.execute_update(
                verb, command, result_type=told, rpc_timeout=CALL_TIMEOUT
            )
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise ServiceUnavailable("no worker took the command in time; send it again") from error
        except WorkflowUpdateFailedError as error:
            raise _refusal(error) from error
        except RPCError as error:
            raise _unavailable(error, film_id) from error
        return answer

    async def progress(self, film_id: str) -> Progress:
        """A film at a glance, from its workflow. Raises Conflict when there is none."""
        handle = self.client.get_workflow_handle(film_workflow_id(film_id))
        try:
            found: Progress = await handle.query(
                "progress", result_type=Progress, rpc_timeout=CALL_TIMEOUT
            )
        except RPCError as error:
            raise _unavailable(error, film_id) from error
        return found

    async def running(self, film_id: str) -> bool:
        """Whether a workflow works on the film."""
        handle = self.client.get_workflow_handle(film_workflow_id(film_id))
        try:
            found = await handle.describe(rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise _unavailable(error) from error
        return found.status == WorkflowExecutionStatus.RUNNING

    async def find_rhythm(self, reference: str, patience_s: float) -> bool:
        """Have the rhythm of a file found; False when that takes longer than `patience_s`.

        The search goes on then, and the same call joins it. Raises BadMedia for what is no film,
        NotFound for what the store does not have.
        """
        try:
            handle = await self.client.start_workflow(
                RHYTHM_WORKFLOW,
                RhythmOrder(reference=reference),
                id=rhythm_workflow_id(reference),
                task_queue=ORCHESTRATION_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=CALL_TIMEOUT,
            )
            await asyncio.wait_for(handle.result(), patience_s)
        except TimeoutError:
            return False
        except WorkflowFailureError as error:
            raise _failed_step(error) from error
        except RPCError as error:
            raise _unavailable(error) from error
        return True

    async def start_work(self, work: Work) -> str:
        """Have a work made on one's own GPU, and the id of the run; one under way is joined.

        Raises ServiceUnavailable; then the same call may safely be made again.
        """
        try:
            handle = await self.client.start_workflow(
                GPU_WORK_WORKFLOW,
                work,
                id=gpu_work_id(work.key),
                task_queue=ORCHESTRATION_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=work.function,
                rpc_timeout=CALL_TIMEOUT,
            )
        except RPCError as error:
            raise _unavailable(error) from error
        return handle.first_execution_run_id or ""

    async def work_run(self, key: str) -> str | None:
        """The last run of a work, None if there was none. Raises ServiceUnavailable."""
        handle = self.client.get_workflow_handle(gpu_work_id(key))
        try:
            return (await handle.describe(rpc_timeout=CALL_TIMEOUT)).run_id
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise _unavailable(error) from error

    async def work_state(self, key: str, run_id: str) -> WorkState:
        """Where one run of a work stands. Raises ServiceUnavailable."""
        handle = self.client.get_workflow_handle(
            gpu_work_id(key), run_id=run_id, result_type=Receipt
        )
        try:
            found = await handle.describe(rpc_timeout=CALL_TIMEOUT)
            if found.status == WorkflowExecutionStatus.RUNNING:
                return WorkState(status="running")
            receipt: Receipt = await handle.result(follow_runs=False, rpc_timeout=CALL_TIMEOUT)
        except WorkflowFailureError as error:
            return _ended_badly(error)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return WorkState(status="unknown")
            raise _unavailable(error) from error
        return WorkState(status="ended", receipt=receipt)

    async def cancel_work(self, key: str, run_id: str) -> None:
        """Ask a run of a work to end. Raises ServiceUnavailable."""
        handle = self.client.get_workflow_handle(gpu_work_id(key), run_id=run_id)
        try:
            await handle.cancel(rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise _unavailable(error) from error

    async def gpu_queue(self) -> GpuQueue:
        """Who serves works for one's own GPU, and how many wait. Raises ServiceUnavailable."""
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=GPU_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
        try:
            found = await self.client.workflow_service.describe_task_queue(
                request, retry=True, timeout=CALL_TIMEOUT
            )
        except RPCError as error:
            raise _unavailable(error) from error
        workers = tuple(sorted({poller.identity for poller in found.pollers}))
        return GpuQueue(workers=workers, waiting=found.stats.approximate_backlog_count)

    async def check(self) -> None:
        """Raise ServiceUnavailable unless Temporal answers, if asked a second time."""
        # It ends every connection after some minutes, and a call that comes in that moment fails.
        with suppress(RPCError):
            await self.client.service_client.check_health(timeout=CHECK_TIMEOUT)
            return
        try:
            await self.client.service_client.check_health(timeout=CHECK_TIMEOUT)
        except RPCError as error:
            raise _unavailable(error) from error


def _refusal(error: WorkflowUpdateFailedError) -> FilmError:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow":
        return Conflict("the film ended before the command was carried out")
    return Conflict(cause.message if isinstance(cause, ApplicationError) else str(cause))


def _ended_badly(error: WorkflowFailureError) -> WorkState:
    if isinstance(error.cause, CancelledError | TerminatedError):
        return WorkState(status="cancelled")
    cause = error.cause.__cause__ or error.cause
    return WorkState(status="failed", message=str(cause))


def _failed_step(error: WorkflowFailureError) -> FilmError:
    """What the one step of a small workflow failed with."""
    cause = error.cause.__cause__
    if isinstance(cause, ApplicationError):
        for permanent in (BadMedia, NotFound):
            if cause.type == permanent.code:
                return permanent(cause.message)
    return ServiceUnavailable(f"it could not be done: {cause or error.cause}; send it again")


def _unavailable(error: RPCError, film_id: str = "") -> FilmError:
    if film_id and error.status == RPCStatusCode.NOT_FOUND:
        return Conflict(f"the film {film_id} is not running")
    if error.status == RPCStatusCode.UNAVAILABLE:  # its words say where Temporal is
        return ServiceUnavailable("Temporal cannot be reached")
    return ServiceUnavailable(f"Temporal did not answer: {error.message}")
