"""The gateway under test, seen from outside and from inside."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import func, select
from temporalio import workflow

from filmforge.contracts import FILM_WORKFLOW
from filmforge.gateway.state import Gateway
from filmforge.ledger import Ledger
from filmforge.ledger.tables import films
from filmforge.settings import Settings

KEY = "test-key-5a1f"
SIGNING_KEY = "whsec_ZmlsbWZvcmdlLWdhdGV3YXktdGVzdC1rZXktMDE="
FAKE = {"image": "fake:image-1", "video": "fake:video-1", "audio": "fake:voice-1"}
_numbers = itertools.count(1)
Result = TypeVar("Result")


class Api:
    """A running gateway: `http` calls it as somebody it knows, `stranger` as nobody."""

    def __init__(self, settings: Settings, serve: Callable[["Api"], Coroutine[Any, Any, None]]):
        self.settings = settings
        self.over = threading.Event()
        self._serve = serve
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(serve(self)), daemon=True)

    def ready(self, gateway: Gateway, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway, self.url, self._loop = gateway, f"http://127.0.0.1:{port}", loop
        self._started.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(60), "the gateway did not start"
        options: dict[str, Any] = {"base_url": self.url, "timeout": 30, "trust_env": False}
        self.stranger = httpx.Client(**options)
        self.http = httpx.Client(**options, headers={"Authorization": f"Bearer {KEY}"})
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.stranger.close()
        self.over.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the gateway did not stop"

    @property
    def ledger(self) -> Ledger:
        return self.gateway.ledger

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something in the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def runs(self, film_id: str) -> bool:
        """Whether a workflow works on the film."""
        return self.run(self.gateway.engine.running(film_id))

    def films(self) -> int:
        """How many films are kept."""
        with self.ledger.db.read() as tx:
            return int(tx.execute(select(func.count()).select_from(films)).scalar_one())

    def submitted(self, count: int = 2, **changes: Any) -> str:
        """Submit a film; returns its id."""
        answer = self.http.post("/v1/films", json=film(count, **changes))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["film_id"])


def film(count: int = 2, **changes: Any) -> dict[str, Any]:
    """A film for the fake provider with a fresh id; every shot is a request of its own."""
    number = next(_numbers)
    return {
        "film_id": f"film-{number:04d}",
        "title": "A test",
        "providers": FAKE,
        "shots": [shot(index, number) for index in range(count)],
        **changes,
    }


def shot(index: int = 0, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A shot of two seconds."""
    return {
        "shot_id": f"s{index}",
        "enhanced_prompt": f"Shot {index} of film {number}.",
        "duration": 2,
        **changes,
    }


_ANSWERS = {
    "s1": {"outcome": "not_waiting", "message": "the shot does not wait"},
    "s2": {"outcome": "unknown_shot", "message": "there is no such shot"},
    "s3": {"outcome": "already_decided", "message": "somebody was faster"},
}


@workflow.defn(name=FILM_WORKFLOW, sandboxed=False)
class StandInFilm:
    """Runs until it is cancelled and answers commands by the name of the shot."""

    def __init__(self) -> None:
        self._cancelled = False
        self.told: list[Any] = []

    @workflow.run
    async def run(self, _order: dict[str, Any]) -> None:
        await workflow.wait_condition(lambda: self._cancelled)

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        self.told.append(command)
        accepted = {"outcome": "accepted", "message": "taken"}
        return _ANSWERS.get(command.get("shot_id", ""), accepted)

    @workflow.query
    def commands(self) -> list[Any]:
        return self.told

    @workflow.update
    async def retry(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def skip(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def replace(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def resolve(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def accept(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def set_budget(self, command: dict[str, Any]) -> dict[str, Any]:
        return self._answer(command)

    @workflow.update
    async def cancel(self, command: dict[str, Any]) -> dict[str, Any]:
        self._cancelled = True
        return self._answer(command)
