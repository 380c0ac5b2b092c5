"""A studio whose channels tell receivers on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from filmforge.gateway import notify
from tests.gateway.receivers import DISCORD_PATH, SLACK_PATH, Chat, MailServer
from tests.gateway.studio import Studio, open_studio


@pytest.fixture
def slack() -> Iterator[Chat]:
    made = Chat(SLACK_PATH)
    yield made
    made.close()


@pytest.fixture
def discord() -> Iterator[Chat]:
    made = Chat(DISCORD_PATH)
    yield made
    made.close()


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    made = MailServer(tmp_path)
    yield made
    made.close()


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: MailServer) -> Iterator[Studio]:
    monkeypatch.setattr(notify, "POLL_S", 0.02)
    made = open_studio(
        tmp_path / "studio",
        monkeypatch,
        smtp_url=SecretStr(f"smtp://127.0.0.1:{mail.port}"),
        mail_from="FilmForge <films@studio.test>",
    )
    yield made
    made.ledger.close()
