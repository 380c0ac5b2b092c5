"""The house for tests of pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from filmforge.embedded import Servers
from filmforge.settings import Settings
from filmforge.store import AssetStore
from tests.fake_process import free_port
from tests.gateway.studio import open_studio
from tests.pages.house import KEY, House


@pytest.fixture
def house(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house on the real store, nobody in it."""
    chosen = Settings()
    studio = open_studio(
        tmp_path / "studio",
        monkeypatch,
        public_url=f"http://127.0.0.1:{free_port()}",
        api_keys=SecretStr(KEY),
        work_dir=tmp_path / "work",
        fake_url="http://127.0.0.1:9",  # its prices are known, and nobody answers there
        s3_store=AssetStore(chosen.s3_bucket, chosen.s3_endpoint),
    )
    made = House(studio.gateway, studio.desk)
    made.folder = tmp_path
    yield made
    made.ledger.close()
