"""The embedded S3 server: SeaweedFS in one process, reachable only with its keys."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from filmforge.embedded.credentials import Credentials
from filmforge.embedded.ports import LOOPBACK
from filmforge.embedded.process import Child, binary
from filmforge.embedded.state import StateDir

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PORTS = ("s3", "s3_master", "s3_volume", "s3_filer", "s3_admin")
BUCKET = "filmforge"
REGION = "us-east-1"

_OPTIONS = (
    f"-ip={LOOPBACK}",
    f"-ip.bind={LOOPBACK}",
    f"-bucket={BUCKET}",
    "-s3.autoCreateBucket=false",  # a misspelt bucket is an error, as everywhere else
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-volume.preStopSeconds=0",  # there is no other volume server to take over
    # The master and the filer would otherwise read, write and delete every object without a key
    # for anyone on this machine, web pages included.
    "-disableHttp",
)


@dataclass(frozen=True)
class S3Server:
    """The server and where it listens."""

    child: Child
    endpoint: str


def s3_environment(credentials: Credentials, endpoint: str) -> dict[str, str]:
    """What tells a process of ours where the embedded server is, and its keys."""
    return {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": credentials.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "FILMFORGE_S3_BUCKET": BUCKET,
    }


def s3_server(state: StateDir, ports: dict[str, int], credentials: Credentials) -> S3Server:
    """Prepare the server, not started yet; its bucket is made at its first start."""
    endpoint = f"http://{LOOPBACK}:{ports['s3']}"
    listen = [f"-{name.removeprefix('s3_')}.port={ports[name]}" for name in PORTS]
    client = _client(endpoint, credentials)

    async def ready() -> bool:
        return await asyncio.to_thread(_answers, client)

    environment = state.server_environment() | {
        "AWS_ACCESS_KEY_ID": credentials.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_key,
        # Blobs are served over HTTP inside the server; only the server itself can ask for them.
        "WEED_JWT_SIGNING_KEY": credentials.s3_internal_key,
        "WEED_JWT_SIGNING_READ_KEY": credentials.s3_internal_key,
    }
    command = [binary("weed"), "mini", f"-dir={state.root / 's3'}", *_OPTIONS, *listen]
    child = Child("s3", command, environment, state.log_file("s3"), ready, directory=state.root)
    return S3Server(child, endpoint)


def _answers(client: "S3Client") -> bool:
    """Whether the server takes and gives back an object, which needs every part of it."""
    key = f".ready/{secrets.token_hex(8)}"
    try:
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        same = client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode()
        client.delete_object(Bucket=BUCKET, Key=key)
    except (BotoCoreError, ClientError):
        return False
    return same


def _client(endpoint: str, credentials: Credentials) -> "S3Client":
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=credentials.s3_access_key,
        aws_secret_access_key=credentials.s3_secret_key,
        config=Config(
            connect_timeout=2, read_timeout=5, proxies={}, retries={"total_max_attempts": 1}
        ),
    )
    return client
