"""A Modal that takes deployments and remembers what was deployed, over its real gRPC."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.server import Server, Stream
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

BUILDER = "2025.06"
# The token says when it ends, and nothing else is looked at.
TOKEN = "e30.eyJleHAiOjk5OTk5OTk5OTl9.e30"


@dataclass
class Deployed:
    """What one app consists of: functions by name, and each image with those it stands on."""

    name: str
    functions: dict[str, api_pb2.Function] = field(default_factory=dict)
    published: bool = False


@dataclass
class ModalApps:
    """Everything that was deployed; `url` is where it is spoken to."""

    url: str = ""
    apps: dict[str, Deployed] = field(default_factory=dict)
    images: dict[str, api_pb2.Image] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)

    def commands(self, image_id: str) -> list[str]:
        """How an image is built, from its base up."""
        image = self.images[image_id]
        below = [line for base in image.base_images for line in self.commands(base.image_id)]
        return [*below, *image.dockerfile_commands]

    def _named(self, kept: dict[str, Any], prefix: str, thing: Any) -> str:
        name = f"{prefix}-{len(kept) + 1}"
        kept[name] = thing
        return name

    def answer(self, rpc: str, asked: Any) -> Any:
        """The answer to one call; None where this Modal does not know it."""
        found: Callable[[Any], Any] | None = getattr(self, f"_{rpc}", None)
        return found(asked) if found else _PLAIN[rpc]() if rpc in _PLAIN else None

    def _AppCreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        return api_pb2.AppCreateResponse(
            app_id=self._named(self.apps, "ap", Deployed(asked.description))
        )

    def _ImageGetOrCreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        return api_pb2.ImageGetOrCreateResponse(
            image_id=self._named(self.images, "im", asked.image),
            result=api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS),
            metadata=api_pb2.ImageMetadata(image_builder_version=BUILDER),
        )

    def _SecretGetOrCreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        name = self._named(self.secrets, "st", asked.deployment_name)
        return api_pb2.SecretGetOrCreateResponse(secret_id=name)

    def _VolumeGetOrCreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        name = self._named(self.volumes, "vo", asked.deployment_name)
        metadata = api_pb2.VolumeMetadata(version=1)
        return api_pb2.VolumeGetOrCreateResponse(volume_id=name, version=1, metadata=metadata)

    def _FunctionPrecreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        return api_pb2.FunctionPrecreateResponse(function_id=f"fu-{asked.function_name}")

    def _FunctionCreate(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        name = asked.function.function_name
        self.apps[asked.app_id].functions[name] = asked.function
        ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=asked.function)
        return api_pb2.FunctionCreateResponse(
            function_id=f"fu-{name}",
            function=asked.function,
            function_data=api_pb2.FunctionData(function_name=name, ranked_functions=[ranked]),
            handle_metadata=api_pb2.FunctionHandleMetadata(function_name=name),
        )

    def _AppPublish(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        app = self.apps[asked.app_id]
        app.published, app.name = True, asked.name
        return api_pb2.AppPublishResponse(url="http://127.0.0.1/app")

    def _AppList(self, asked: Any) -> Any:  # noqa: N802 - the call's own name
        state = api_pb2.APP_STATE_DEPLOYED
        item = api_pb2.AppListResponse.AppListItem
        shown = [
            item(app_id=app_id, name=app.name, description=app.name, state=state)
            for app_id, app in self.apps.items()
        ]
        return api_pb2.AppListResponse(apps=shown)


_PLAIN: dict[str, Callable[[], Any]] = {
    "ClientHello": api_pb2.ClientHelloResponse,
    "AuthTokenGet": lambda: api_pb2.AuthTokenGetResponse(token=TOKEN),
    "EnvironmentGetOrCreate": lambda: api_pb2.EnvironmentGetOrCreateResponse(
        environment_id="en-1",
        metadata=api_pb2.EnvironmentMetadata(
            name="main", settings=api_pb2.EnvironmentSettings(image_builder_version=BUILDER)
        ),
    ),
    "AppGetByDeploymentName": api_pb2.AppGetByDeploymentNameResponse,
    "AppGetLayout": api_pb2.AppGetLayoutResponse,
    "AppHeartbeat": Empty,
    "AppClientDisconnect": Empty,
    "MountPutFile": lambda: api_pb2.MountPutFileResponse(exists=True),
    "MountBatchedCheckExistence": api_pb2.MountBatchedCheckExistenceResponse,
    "MountGetOrCreate": lambda: api_pb2.MountGetOrCreateResponse(
        mount_id="mo-1",
        handle_metadata=api_pb2.MountHandleMetadata(content_checksum_sha256_hex="0" * 64),
    ),
    "ClassCreate": lambda: api_pb2.ClassCreateResponse(
        class_id="cs-1", handle_metadata=api_pb2.ClassHandleMetadata()
    ),
}


def _servicer(apps: ModalApps) -> ModalClientBase:
    """Modal's own base with every call of it answered from the apps."""

    def handler(rpc: str) -> Callable[[Any, Stream[Any, Any]], Any]:
        async def handle(_self: Any, stream: Stream[Any, Any]) -> None:
            answer = apps.answer(rpc, await stream.recv_message())
            if answer is None:
                raise GRPCError(Status.UNIMPLEMENTED, f"this Modal knows no {rpc}")
            await stream.send_message(answer)

        return handle

    calls = {rpc: handler(rpc) for rpc in ModalClientBase.__abstractmethods__}
    made: ModalClientBase = type("Service", (ModalClientBase,), calls)()
    return made


@contextmanager
def modal_apps() -> Iterator[ModalApps]:
    """A Modal of this process, for as long as the context lasts."""
    apps, over = ModalApps(), threading.Event()
    ready = threading.Event()

    async def serve() -> None:
        server = Server([_servicer(apps)])
        await server.start("127.0.0.1", 0)
        listening = server._server
        assert listening is not None
        apps.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        ready.set()
        await asyncio.to_thread(over.wait)
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield apps
    finally:
        over.set()
        thread.join(20)
