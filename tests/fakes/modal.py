"""A fake Modal: its gRPC and the controls on one port; its calls work by the real serving code.

What they make goes to the bucket of FILMFORGE_S3_BUCKET, by boto3's own variables. A call that
works is charged by the second; one that finds the work held or done costs its loading, which is
shown as a cost that is not charged.
"""

import asyncio
import hashlib
import math
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import structlog
from grpclib.server import Server
from modal._serialization import deserialize_data_format
from modal._utils.grpc_utils import CustomProtoStatusDetailsCodec
from modal_proto import api_pb2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tests.fakes.faults import Fault, Moment, Settings
from tests.fakes.modal_containers import Containers, Haste, Outcome, words_of
from tests.fakes.modal_service import Service
from tests.fakes.state import FakeJob
from tests.fakes.vendor import Vendor, serve
from tests.fakes.wire import Line

PREFACE = b"PRI * HTTP/2.0"  # RFC 9113, 3.4
# Modal's price list; with 4 cores and 16 GiB beside it, an L40S with 4 and 32, an H100 8 and 64.
USD_A_SECOND = {
    "L4": Decimal("0.000310"),
    "A10": Decimal("0.000394"),
    "L40S": Decimal("0.000666"),
    "H100": Decimal("0.001344"),
}
Kind = Literal["image", "video", "audio"]
FUNCTIONS: dict[str, tuple[Kind, str]] = {
    "image_sdxl": ("image", "L40S"),
    "image_flux": ("image", "L40S"),
    "video_ltx": ("video", "L40S"),
    "video_wan": ("video", "H100"),
    "depth": ("video", "L4"),
    "interpolate": ("video", "L4"),
    "upscale": ("image", "L40S"),
    "face_restore": ("image", "L4"),
    "speech": ("audio", "L4"),
    "music": ("audio", "A10"),
}


class ModalSettings(Settings):
    """A container begins `listing_lag_s` after its call and is billed `load_s` for loading.

    `undeployed` are functions that nobody has deployed; `forgets` shows the results of ended
    calls as expired, `poor` is an account at its spend limit.
    """

    load_s: float = 0.0
    undeployed: tuple[str, ...] = ()
    forgets: bool = False
    poor: bool = False


class Both(Line):
    """A connection of the controls, or of gRPC, told apart by its first bytes."""

    grpc: ClassVar[Server]

    def data_received(self, data: bytes) -> None:
        if not data.startswith(PREFACE):
            super().data_received(data)
            return
        self.connections.discard(self)
        protocol = self.grpc._protocol_factory()
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(data)


class Modal(Vendor):
    """Modal as its SDK 1.6 speaks to it, with every function of ours deployed."""

    name = "modal"
    settings_type = ModalSettings

    def __init__(self, state: Path, url: str) -> None:
        super().__init__(state, url)
        self._blobs = state.with_name(f"{state.name}-blobs")
        self._blobs.mkdir(exist_ok=True)
        media = state.with_name(f"{state.name}-media")
        self._containers = Containers(media, os.environ["FILMFORGE_S3_BUCKET"])
        self._followers: set[asyncio.Task[None]] = set()

    @property
    def settings(self) -> ModalSettings:
        assert isinstance(self.controls.settings, ModalSettings)
        return self.controls.settings

    @property
    def deployed(self) -> set[str]:
        """The functions that can be called."""
        return FUNCTIONS.keys() - set(self.settings.undeployed)

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/blobs/{id}", self.upload, methods=["PUT"])]

    def reset(self) -> None:
        self._containers.close()
        self._containers.forget({job.body["key"] for job in self.jobs.all()})
        super().reset()

    async def upload(self, request: Request) -> Response:
        body = await request.body()
        (self._blobs / request.path_params["id"]).write_bytes(body)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return Response(headers={"etag": f'"{etag}"'})

    def new_blob(self) -> tuple[str, str]:
        """The id of a blob that is to come, and the address that takes it."""
        blob_id = f"bl-{uuid.uuid4().hex}"
        return blob_id, f"{self.url}/blobs/{blob_id}"

    def arguments(self, given: api_pb2.FunctionInput) -> dict[str, Any]:
        """The one argument of a call: an order."""
        data = given.args
        if given.args_blob_id:
            data = (self._blobs / given.args_blob_id).read_bytes()
        (order,), _ = deserialize_data_format(data, given.data_format, None)
        return dict(order)

    def accept(self, function: str, order: dict[str, Any]) -> FakeJob:
        """Write down a call and begin it."""
        wish, words = order["parameters"], words_of(order)
        job = self.jobs.accept(
            function, words, order, Decimal(0), id=f"fc-{uuid.uuid4().hex}", latency_s=math.inf,
            kind=FUNCTIONS[function][0], size=(wish.get("width", 320), wish.get("height", 180)),
            seconds=float(wish.get("duration", 1)), fate=self.strike(Moment.FATE, words),
        )  # fmt: skip
        self._begin(job)
        return job

    def cancel(self, job: FakeJob) -> None:
        """Stop a call that has not ended."""
        if not job.ended:
            self._containers.stop(job.id)

    def _begin(self, job: FakeJob) -> None:
        settings = self.settings
        fails = next((fault for fault in self.controls.faults if self._never(fault, job)), None)
        work_s = settings.latency_s if fails is None else math.inf
        haste = Haste(settings.listing_lag_s, settings.load_s, work_s)
        begun = self._containers.start(job, FUNCTIONS[job.model][1], haste)
        follower = asyncio.create_task(self._follow(job, asyncio.wrap_future(begun)))
        self._followers.add(follower)
        follower.add_done_callback(self._followers.discard)

    def _never(self, fault: Fault, job: FakeJob) -> bool:
        """Whether a call shall not end as long as this fault is set."""
        return fault.fault == "never_completes" and fault.match in job.words

    async def _follow(self, job: FakeJob, outcome: Awaitable[Outcome]) -> None:
        """Wait for the end of a call and charge it."""
        came = await outcome
        receipt, seconds = came.receipt, came.seconds
        charged = receipt is None or (receipt.call_id == job.id and receipt.held_by is None)
        if receipt is not None:
            seconds = receipt.seconds + receipt.load_s if charged else self.settings.load_s
        cost = Decimal(str(seconds)) * USD_A_SECOND[FUNCTIONS[job.model][1]]
        told = {"receipt": receipt and receipt.model_dump(mode="json"), "why": came.exception}
        self.jobs.end(job, told, cost, charged=charged and seconds > 0, stopped=came.stopped)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        codec = CustomProtoStatusDetailsCodec()
        service = Service(self)  # type: ignore[abstract] # it answers what is asked here
        Both.grpc = Server([service], status_details_codec=codec)
        for job in self.jobs.all():
            if not job.ended:
                self._begin(job)
        async with super()._lifespan(app):
            yield
            for follower in self._followers:
                follower.cancel()
            self._containers.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    serve(Modal, Both)
