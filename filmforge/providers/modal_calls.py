"""Calls of functions on Modal: looked up, spawned once, asked after and cancelled.

Modal's SDK sends every request up to four times, and its `FunctionCall.get` keeps an answer's
status and times to itself. So this file alone uses what the SDK promises nobody: its client in the
event loop of the caller, and its stub; requirements.txt holds the one version it is written for.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.message import DecodeError
from grpclib import GRPCError, Status
from grpclib.exceptions import ProtocolError, StreamTerminatedError
from modal._functions import _Function
from modal._utils.function_utils import _create_input, _process_result
from modal.client import _Client
from modal.cls import _Cls
from modal.exception import DeserializationError, ExecutionError, NotFoundError
from modal.exception import Error as ModalError
from modal_proto import api_pb2
from modal_proto.modal_api_grpc import ModalClientModal
from pydantic import SecretStr

from filmforge.errors import (
    AnswerLost,
    FilmError,
    KeyRefused,
    NotConfigured,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)

CLASS, METHOD = "Worker", "make"
CONNECT_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 10.0
NO_CREDIT = ("spend limit", "spending limit", "budget", "payment")
# What a free request may fail with; gRPC's own errors are the SDK's ModalError by then.
TROUBLE = (
    ModalError,
    GRPCError,
    ProtocolError,
    StreamTerminatedError,
    DecodeError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
)
UNREADABLE = (DeserializationError, ExecutionError, ValueError, EOFError)
# A status that proves that a paid request was not accepted; the others may come from a gateway
# between us and a Modal that has accepted.
REFUSALS = (
    Status.INVALID_ARGUMENT,
    Status.FAILED_PRECONDITION,
    Status.OUT_OF_RANGE,
    Status.UNIMPLEMENTED,
)

Told = Callable[[str], str]


@dataclass(frozen=True)
class Ended:
    """The end of a call: Modal's status, None if it knows the call no more, and what it returned.

    `lasted_s` is from its spawn to its end, waiting included, where Modal tells both.
    """

    status: int | None
    result: Any = None
    message: str = ""
    lasted_s: float | None = None


class Calls:
    """One account's calls; the client is opened when it is first needed, in the loop that runs.

    `told` puts the provider's name before a message and hides the key in it.
    """

    def __init__(
        self, server_url: str, token: tuple[str, SecretStr], environment: str, told: Told
    ) -> None:
        parts = urlsplit(server_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotConfigured(told(f"{server_url!r} is no address: set MODAL_SERVER_URL"))
        self._server_url = server_url
        self._token = token
        self._environment = environment
        self._told = told
        self._client: _Client | None = None
        self._opening = asyncio.Lock()

    async def spawn(self, app: str, order: dict[str, Any], prepare_s: float, send_s: float) -> str:
        """Spawn one call and return its id; looking up and uploading come before, at no cost.

        Raises NotSent, RateLimited, Refused or its kin when there is no call, otherwise
        AnswerLost.
        """
        try:
            async with asyncio.timeout(prepare_s):
                stub, request = await self._prepared(app, order)
        except TROUBLE as error:
            raise self._not_sent(app, error) from None
        try:
            # The one paid request: without `retry` the SDK sends it once.
            said = await stub.FunctionMap(request, retry=None, timeout=send_s)
        except Exception as error:  # noqa: BLE001 - whatever it was, it may have arrived
            raise self._not_accepted(app, error) from None
        if not said.function_call_id:
            raise AnswerLost(self._told("the answer to a submission names no call"))
        if not said.pipelined_inputs:
            # A call without an input: nothing works, and the SDK would send the input again.
            raise RateLimited(self._told("its queue is full"))
        return said.function_call_id

    async def look(self, call_id: str) -> Ended | None:
        """How a call ended; None while it waits or works. Raises ProviderUnavailable."""
        request = api_pb2.FunctionGetOutputsRequest(
            function_call_id=call_id,
            last_entry_id="0-0",
            requested_at=time.time(),
            start_idx=0,
            end_idx=0,
        )
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                client = await self._opened()
                said = await client._stub.FunctionGetOutputs(request, retry=None)
                if said.outputs:
                    return await self._ended(client, call_id, said.outputs[0])
        except TROUBLE as error:
            if _status(error) is Status.NOT_FOUND:
                return Ended(None, message="Modal has no such call")
            raise self._unavailable(call_id, error) from None
        if said.num_unfinished_inputs:
            return None
        return Ended(None, message="Modal has forgotten what the call returned")

    async def cancel(self, call_id: str) -> None:
        """Ask for a call to stop; one that has ended stays as it is. Raises ProviderUnavailable."""
        request = api_pb2.FunctionCallCancelRequest(function_call_id=call_id)
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                client = await self._opened()
                await client._stub.FunctionCallCancel(request, retry=None)
        except TROUBLE as error:
            if _status(error) is not Status.NOT_FOUND:
                raise self._unavailable(call_id, error) from None

    async def close(self) -> None:
        """Release the connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _opened(self) -> _Client:
        async with self._opening:
            if self._client is None:
                token_id, secret = self._token
                credentials = (token_id, secret.get_secret_value())
                # Made by hand: the SDK's own constructors read ~/.modal.toml.
                client = _Client(self._server_url, api_pb2.CLIENT_TYPE_CLIENT, credentials)
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await client.__aenter__()  # type: ignore[no-untyped-call] # the SDK's
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def _prepared(
        self, app: str, order: dict[str, Any]
    ) -> tuple[ModalClientModal, api_pb2.FunctionMapRequest]:
        """What the SDK's `spawn` sends; arguments above 8 KiB are uploaded by it."""
        client = await self._opened()
        worker = _Cls.from_name(app, CLASS, environment_name=self._environment, client=client)
        await worker.hydrate()
        make: _Function[Any, Any, Any] = getattr(worker(), METHOD)
        await make.hydrate()
        spawned = api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC
        item = await _create_input(
            (order,), {}, client._stub, function=make, function_call_invocation_type=spawned
        )
        request = api_pb2.FunctionMapRequest(
            function_id=make.object_id,
            function_call_type=api_pb2.FUNCTION_CALL_TYPE_UNARY,
            function_call_invocation_type=spawned,
            pipelined_inputs=[item],
        )
        return client._stub, request

    async def _ended(
        self, client: _Client, call_id: str, item: api_pb2.FunctionGetOutputsItem
    ) -> Ended:
        status, message = item.result.status, item.result.exception
        if status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
            try:
                result = await _process_result(item.result, item.data_format, client._stub, client)
            except UNREADABLE:
                result = None  # the bucket may still know what came of it
            return Ended(status, result)
        lasted_s = await self._lasted_s(client._stub, call_id, item.output_created_at)
        return Ended(status, None, message, lasted_s)

    async def _lasted_s(
        self, stub: ModalClientModal, call_id: str, ended_at: float
    ) -> float | None:
        """Seconds from a call's spawn to its end; None where Modal doesn't tell."""
        about = api_pb2.FunctionCallFromIdRequest(function_call_id=call_id)
        try:
            function_id = (await stub.FunctionCallFromId(about, retry=None)).metadata.function_id
            asked = api_pb2.FunctionCallGetInfoRequest(
                function_id=function_id, function_call_id=call_id
            )
            began_at = (await stub.FunctionCallGetInfo(asked, retry=None)).info.created_at
        except NotFoundError:
            return None
        return ended_at - began_at if 0 < began_at <= ended_at else None

    def _not_sent(self, app: str, error: BaseException) -> FilmError:
        """What it means that a call could not be prepared: nothing paid was sent."""
        found = self._refusal(app, error)
        return found or NotSent(self._told(f"cannot be reached: {error!r}"))

    def _not_accepted(self, app: str, error: BaseException) -> FilmError:
        """What an error of the paid request means."""
        if isinstance(error, ConnectionRefusedError):
            return NotSent(self._told(f"cannot be reached: {error!r}"))
        found = self._refusal(app, error)
        return found or AnswerLost(self._told(f"no answer to a submission: {error!r}"))

    def _refusal(self, app: str, error: BaseException) -> FilmError | None:
        """The refusal that Modal's status proves; None for every other error."""
        message = str(error)
        match _status(error):
            case Status.UNAUTHENTICATED | Status.PERMISSION_DENIED:
                return KeyRefused(self._told(message))
            case Status.NOT_FOUND:
                function = app.removeprefix("filmforge-").replace("-", "_")
                remedy = f"it is not deployed: run filmforge gpu deploy {function}"
                return Refused(self._told(f"{message.rstrip('.')}: {remedy}"))
            case Status.RESOURCE_EXHAUSTED:
                if any(words in message.lower() for words in NO_CREDIT):
                    return OutOfCredit(self._told(message))
                return RateLimited(self._told(message), _retry_after_s(error))
            case status if status in REFUSALS:
                return Refused(self._told(message))
        return None

    def _unavailable(self, call_id: str, error: BaseException) -> ProviderUnavailable:
        return ProviderUnavailable(self._told(f"{call_id}: {error!r}"))


def _status(error: BaseException) -> Status | None:
    """The gRPC status of an error; the SDK keeps it to itself, or puts its own in its place."""
    if isinstance(error, NotFoundError):
        return Status.NOT_FOUND
    return getattr(error, "_grpc_status", None)


def _retry_after_s(error: BaseException) -> float | None:
    """Seconds that Modal wants to be left alone, if it says so."""
    for detail in getattr(error, "_grpc_details", None) or ():
        if isinstance(detail, api_pb2.RPCRetryPolicy):
            return float(detail.retry_after_secs)
    return None
