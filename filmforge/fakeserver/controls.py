"""What a test can choose about the server: its settings and its faults, kept over a restart."""

import sqlite3
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from filmforge.fakeserver.catalogue import ModelName

Span = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FakeSettings(BaseModel):
    """How the server behaves; times in seconds.

    `latency_s` overrides the time a model needs, `latency_scale` stretches all of them,
    `queue_s` is spent waiting before a job starts, `max_running` bounds the jobs that run at
    once, an output can be fetched for `output_ttl_s` after its job ended, and a job is listed
    `listing_lag_s` after it was accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: dict[ModelName, Span] = {}
    latency_scale: Span = 1
    queue_s: Span = 0
    listing_lag_s: Span = 0
    max_running: int | None = Field(default=None, ge=1)
    output_ttl_s: Span = 3600
    bill_on: Literal["acceptance", "completion"] = "acceptance"
    fetch_inputs: bool = False


class Moment(StrEnum):
    """When a fault strikes."""

    ORDER = "order"
    FATE = "fate"
    CALLBACK = "callback"
    STATUS = "status"
    OUTPUT = "output"


MOMENTS = {
    "accept_then_drop": Moment.ORDER,
    "accept_then_500": Moment.ORDER,
    "accept_then_504": Moment.ORDER,
    "refuse_content": Moment.ORDER,
    "refuse_400": Moment.ORDER,
    "rate_limit": Moment.ORDER,
    "unavailable_503_not_accepted": Moment.ORDER,
    "hang": Moment.ORDER,
    "malformed_json": Moment.ORDER,
    "job_fails": Moment.FATE,
    "never_completes": Moment.FATE,
    "webhook_lost": Moment.CALLBACK,
    "webhook_twice": Moment.CALLBACK,
    "unknown_status": Moment.STATUS,
    "truncated_output": Moment.OUTPUT,
    "wrong_type_output": Moment.OUTPUT,
    "black_output": Moment.OUTPUT,
}


class Fault(BaseModel):
    """One way to misbehave, `times` times or, with None, for ever.

    It strikes jobs of `model` whose words or client key contain `match`. A malformed answer
    is given `at` the order or the status call; `billed` and `transient` tell how a job fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: Literal[
        "accept_then_drop", "accept_then_500", "accept_then_504", "refuse_content", "refuse_400",
        "rate_limit", "unavailable_503_not_accepted", "hang", "malformed_json", "job_fails",
        "never_completes", "webhook_lost", "webhook_twice", "unknown_status", "truncated_output",
        "wrong_type_output", "black_output",
    ]  # fmt: skip
    model: ModelName | None = None
    match: str = ""
    times: int | None = Field(default=1, ge=0)
    retry_after: Span = 1
    billed: bool = False
    transient: bool = False
    at: Literal["submit", "status"] = "submit"

    @property
    def moment(self) -> Moment:
        """When it strikes."""
        if self.fault == "malformed_json" and self.at == "status":
            return Moment.STATUS
        return MOMENTS[self.fault]

    def strikes(self, moment: Moment, model: str, words: str) -> bool:
        """Whether it is this job's turn."""
        if self.moment is not moment or self.times == 0:
            return False
        return self.model in (None, model) and self.match in words


_FAULTS = TypeAdapter(list[Fault])


class Controls:
    """The settings and faults in force, written to the state file at every change."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE IF NOT EXISTS controls (name TEXT PRIMARY KEY, json TEXT)")
        kept = dict(database.execute("SELECT name, json FROM controls").fetchall())
        self.settings = FakeSettings.model_validate_json(kept.get("settings", "{}"))
        self.faults = _FAULTS.validate_json(kept.get("faults", "[]"))

    def change_settings(self, changes: object) -> FakeSettings:
        """Change the settings named in a JSON object. Raises pydantic.ValidationError."""
        given = changes if isinstance(changes, dict) else {"settings": changes}
        self.settings = FakeSettings.model_validate({**self.settings.model_dump(), **given})
        self._keep("settings", self.settings.model_dump_json())
        return self.settings

    def replace_faults(self, faults: object) -> list[Fault]:
        """Put a JSON list of faults in place of the old ones. Raises pydantic.ValidationError."""
        self.faults = _FAULTS.validate_python(faults)
        self._keep_faults()
        return self.faults

    def strike(self, moment: Moment, model: str, words: str) -> Fault | None:
        """The first fault whose turn it is, counted down; None lets the job be."""
        for place, fault in enumerate(self.faults):
            if fault.strikes(moment, model, words):
                if fault.times is not None:
                    self.faults[place] = fault.model_copy(update={"times": fault.times - 1})
                    self._keep_faults()
                return fault
        return None

    def reset(self) -> None:
        """Go back to the settings of a new server, without faults."""
        self.settings, self.faults = FakeSettings(), []
        self._database.execute("DELETE FROM controls")

    def _keep_faults(self) -> None:
        self._keep("faults", _FAULTS.dump_json(self.faults).decode())

    def _keep(self, name: str, text: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO controls VALUES (?, ?)", (name, text))
