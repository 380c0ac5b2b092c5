"""The providers under attack: a model of each kind, and how an installation is told of a fake."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from filmforge.domain import Kind
from tests.fake_process import WEBHOOK_SECRET, FakeServer

# A request whose words hold this is accepted, but its answer is held back for a second.
HOLD = "(hold the answer)"
# The output of a request whose words hold this comes in drips.
DRIP = "(drip the output)"

Wiring = Callable[[str, bool], dict[str, Any]]


class Fake(Protocol):
    """What the arena asks of a fake provider's process."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def charges(self) -> dict[str, Any]: ...
    def settings(self, **changes: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Maker:
    """One model of one provider.

    `lists`: its jobs can be found by listing them; `calls`: its callbacks name a job whose answer
    was lost; `answers`: the answer to its POST is the asset itself.
    """

    name: str
    ref: str
    kind: Kind
    lists: bool = False
    calls: bool = False
    answers: bool = False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.ref.partition(":")[0]


def _fake(url: str, callback: bool) -> dict[str, Any]:
    secret = WEBHOOK_SECRET if callback else ""
    return {"fake_url": url, "fake_webhook_secret": SecretStr(secret)}


class _Shipped(FakeServer):
    """The fake that is shipped; it holds an answer back for good."""

    def start(self) -> None:
        super().start()
        self.settings(latency_scale=0.05)
        self.set_faults({"fault": "hang", "match": HOLD, "times": None})


FAKES: Mapping[str, Callable[[Path], Fake]] = {"fake": _Shipped}

# Settings that lead a provider to its fake at an address, with or without signed callbacks.
WIRING: Mapping[str, Wiring] = {"fake": _fake}

MAKERS = (Maker("fake-image", "fake:image-1", Kind.IMAGE, lists=True, calls=True),)
