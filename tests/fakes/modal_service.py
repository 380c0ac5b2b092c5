"""The requests that Modal's SDK sends for a provider, as the fake Modal answers them."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.const import Handler
from grpclib.server import Stream as GrpcStream
from modal._serialization import serialize
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

from tests.fakes.faults import Fault, Moment
from tests.fakes.modal_containers import words_of
from tests.fakes.state import FakeJob

if TYPE_CHECKING:
    from tests.fakes.modal import Modal

TOKEN_ID, TOKEN_SECRET = "ak-of-a-fake", "as-of-a-fake"
RESULT = api_pb2.GenericResult
FAILURES = {
    "timeout": RESULT.GENERIC_STATUS_TIMEOUT,
    "init_failure": RESULT.GENERIC_STATUS_INIT_FAILURE,
    "internal_failure": RESULT.GENERIC_STATUS_INTERNAL_FAILURE,
    "out_of_memory": RESULT.GENERIC_STATUS_KERNEL_OOM_KILL,
}
UNKNOWN_STATUS = 99
AFTER_ACCEPTANCE = {500: Status.INTERNAL, 504: Status.DEADLINE_EXCEEDED}
FORMATS = [api_pb2.DATA_FORMAT_PICKLE, api_pb2.DATA_FORMAT_CBOR]

Stream = GrpcStream[Any, Any]


class Service(ModalClientBase):
    """The requests that the SDK sends for a provider; all others are unimplemented."""

    def __init__(self, modal: "Modal") -> None:
        self._modal = modal

    def __mapping__(self) -> dict[str, Handler]:
        return {
            path: handler._replace(func=self._seen(path, handler.func))
            for path, handler in super().__mapping__().items()
            if path.rpartition("/")[2] in vars(Service)
        }

    async def ClassGet(self, stream: Stream) -> None:  # noqa: N802 - Modal's name
        request: Any = await stream.recv_message()
        function = self._deployed(request.app_name, request.object_tag)
        await stream.send_message(api_pb2.ClassGetResponse(class_id=f"cs-{function}"))

    async def FunctionGet(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        function = self._deployed(request.app_name, request.object_tag.removesuffix(".*"))
        kind = api_pb2.Function.FUNCTION_TYPE_FUNCTION
        make = api_pb2.FunctionHandleMetadata(
            function_name="Worker.make", function_type=kind, is_method=True, use_method_name="make",
            supported_input_formats=FORMATS, supported_output_formats=FORMATS,
        )  # fmt: skip
        about = api_pb2.FunctionHandleMetadata(
            function_name="Worker.*", function_type=kind, method_handle_metadata={"make": make}
        )
        told = api_pb2.FunctionGetResponse(function_id=f"fu-{function}", handle_metadata=about)
        told.function.ranked_functions.add(function=api_pb2.Function(function_name="Worker.*"))
        await stream.send_message(told)

    async def BlobCreate(self, stream: Stream) -> None:  # noqa: N802
        await stream.recv_message()
        blob_id, url = self._modal.new_blob()
        urls = api_pb2.UploadUrlList(items=[url])
        await stream.send_message(api_pb2.BlobCreateResponse(blob_ids=[blob_id], upload_urls=urls))

    async def FunctionMap(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        order = self._modal.arguments(request.pipelined_inputs[0].input)
        fault = self._modal.strike(Moment.SUBMIT, words_of(order))
        await self._refuse(stream, fault)
        job = self._modal.accept(request.function_id.removeprefix("fu-"), order)
        if fault is not None:
            await self._spoil(stream, fault)
        said = api_pb2.FunctionMapResponse(function_call_id=job.id)
        said.pipelined_inputs.add(idx=0, input_id=f"in-{job.id}", input_jwt="jwt")
        malformed = fault is not None and fault.fault == "accept_then_malformed"
        await stream.send_message(api_pb2.FunctionMapResponse() if malformed else said)

    async def FunctionGetOutputs(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        job = self._job(request.function_call_id)
        fault = self._modal.strike(Moment.POLL, job.words)
        if fault is not None and fault.fault == "poll_status":
            raise GRPCError(Status.UNAVAILABLE, "try again later")
        said = api_pb2.FunctionGetOutputsResponse()
        if not job.ended:
            said.num_unfinished_inputs = 1
        elif not self._modal.settings.forgets:
            said.outputs.append(_output(job, fault.fault if fault else ""))
        await stream.send_message(said)

    async def FunctionCallFromId(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        job = self._job(request.function_call_id)
        about = api_pb2.FunctionCallHandleMetadata(function_id=f"fu-{job.model}")
        said = api_pb2.FunctionCallFromIdResponse(
            function_call_id=job.id, num_inputs=1, metadata=about
        )
        await stream.send_message(said)

    async def FunctionCallGetInfo(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        job = self._job(request.function_call_id)
        info = api_pb2.FunctionCallInfo(function_call_id=job.id, created_at=job.accepted_at)
        await stream.send_message(api_pb2.FunctionCallGetInfoResponse(info=info))

    async def FunctionCallCancel(self, stream: Stream) -> None:  # noqa: N802
        request: Any = await stream.recv_message()
        self._modal.cancel(self._job(request.function_call_id))
        await stream.send_message(Empty())

    def _seen(
        self, path: str, handle: Callable[[Stream], Awaitable[None]]
    ) -> Callable[[Stream], Awaitable[None]]:
        """Write a request down with its end, and let nobody in without the token."""

        async def seen(stream: Stream) -> None:
            sightings = self._modal.sightings
            told = {"method": "POST", "path": path, "query": "", "status": None, "at": time.time()}
            seq = sightings.write("requests", told)
            try:
                self._admit(stream)
                await handle(stream)
            except GRPCError as error:
                sightings.answered(seq, error.status.value)
                raise
            sightings.answered(seq, Status.OK.value)

        return seen

    def _admit(self, stream: Stream) -> None:
        assert stream.metadata is not None
        names = ("x-modal-token-id", "x-modal-token-secret")
        given = tuple(str(stream.metadata.get(name)) for name in names)
        if given != (TOKEN_ID, TOKEN_SECRET):
            message = f"Token {given[0]} with the secret {given[1]} is not valid"
            raise GRPCError(Status.UNAUTHENTICATED, message)

    def _deployed(self, app: str, name: str) -> str:
        function = app.removeprefix("filmforge-").replace("-", "_")
        if name != "Worker" or function not in self._modal.deployed:
            raise GRPCError(Status.NOT_FOUND, f"App {app} has no class {name}")
        return function

    def _job(self, call_id: str) -> FakeJob:
        job = self._modal.jobs.find(call_id)
        if job is None:
            raise GRPCError(Status.NOT_FOUND, f"Function call {call_id} not found")
        return job

    async def _refuse(self, stream: Stream, fault: Fault | None) -> None:
        """Answer in place of an acceptance, if the fault or the account says so."""
        if self._modal.settings.poor:
            told = "Workspace has reached its billing cycle spend limit"
            raise GRPCError(Status.RESOURCE_EXHAUSTED, told)
        match fault.fault if fault else None:
            case "rate_limit":
                wait_s = fault.retry_after if fault else None
                details = wait_s and [api_pb2.RPCRetryPolicy(retry_after_secs=wait_s)]
                raise GRPCError(Status.RESOURCE_EXHAUSTED, "too many calls", details or None)
            case "refuse" | "refuse_content":
                raise GRPCError(Status.INVALID_ARGUMENT, "the order was refused")
            case "unavailable":
                raise GRPCError(Status.UNAVAILABLE, "not accepted: try again later")
            case "hang":
                await asyncio.Event().wait()
            case "drop":
                await _cut(stream)

    async def _spoil(self, stream: Stream, fault: Fault) -> None:
        """Spoil the answer to an order that was accepted."""
        match fault.fault:
            case "accept_then_drop":
                await _cut(stream)
            case "accept_then_status":
                status = AFTER_ACCEPTANCE.get(fault.status or 500, Status.UNAVAILABLE)
                raise GRPCError(status, "something went wrong")
            case "accept_then_hang":
                await asyncio.sleep(math.inf if fault.seconds is None else fault.seconds)


# It would have to answer all of Modal's requests otherwise.
Service.__abstractmethods__ = frozenset()


async def _cut(stream: Stream) -> None:
    """Cut the connection before any byte of an answer."""
    stream._stream._transport.abort()
    await asyncio.Event().wait()


def _output(job: FakeJob, spoilt: str) -> api_pb2.FunctionGetOutputsItem:
    item = api_pb2.FunctionGetOutputsItem(
        idx=0, output_created_at=job.ends_at, data_format=api_pb2.DATA_FORMAT_PICKLE
    )
    receipt = (job.result or {}).get("receipt")
    if job.cancelled_at is not None:
        item.result.status = RESULT.GENERIC_STATUS_TERMINATED
    elif receipt is None:
        code = job.failure.code if job.failure else ""
        item.result.status = FAILURES.get(code, RESULT.GENERIC_STATUS_FAILURE)
        item.result.exception = job.result["why"]
    else:
        item.result.status = RESULT.GENERIC_STATUS_SUCCESS
        item.result.data = b"\0" if spoilt == "poll_malformed" else serialize(receipt)
    if spoilt == "unknown_status":
        item.result.status = UNKNOWN_STATUS  # type: ignore[assignment] # that is the point
    return item
