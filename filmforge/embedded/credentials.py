"""The secrets of an installation: made once, then kept."""

import base64
import secrets
from pathlib import Path

from pydantic import BaseModel, Field

from filmforge.embedded.state import write_private


class Credentials(BaseModel, frozen=True):
    """Keys of the embedded S3 server and of the API; none appears in a repr."""

    s3_access_key: str = Field(repr=False)
    s3_secret_key: str = Field(repr=False)
    s3_internal_key: str = Field(repr=False, description="signs traffic inside the S3 server")
    api_key: str = Field(repr=False)
    signing_key: str = Field(repr=False, description="Standard Webhooks form: whsec_ and base64")
    fake_webhook_secret: str = Field(repr=False, description="in the same form")


def keep_credentials(path: Path) -> Credentials:
    """Read the credentials, or make them when there are none; the file has mode 0600."""
    if path.exists():
        return Credentials.model_validate_json(path.read_bytes())
    made = Credentials(
        s3_access_key="FF" + secrets.token_hex(9).upper(),
        s3_secret_key=secrets.token_urlsafe(30),
        s3_internal_key=secrets.token_urlsafe(32),
        api_key="ff_" + secrets.token_urlsafe(32),
        signing_key=_webhook_secret(),
        fake_webhook_secret=_webhook_secret(),
    )
    write_private(path, made.model_dump_json(indent=2))
    return made


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
