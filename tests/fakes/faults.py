"""What a test chooses about a fake provider: its settings and its faults, kept over a restart."""

import sqlite3
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Span = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """How a provider behaves; times in seconds. A subclass may add what its vendor needs.

    A job takes `latency_s`, shows in listings `listing_lag_s` after it was accepted, its output
    can be fetched for `output_ttl_s` after it ended, and its callback leaves `webhook_delay_s`
    after its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: Span = 0.05
    listing_lag_s: Span = 0
    output_ttl_s: Span = 3600
    webhook_delay_s: Span = 0


class Moment(StrEnum):
    """When a fault strikes."""

    SUBMIT = "submit"
    FATE = "fate"
    POLL = "poll"
    OUTPUT = "output"
    CALLBACK = "callback"


MOMENTS = {
    "accept_then_drop": Moment.SUBMIT,
    "accept_then_status": Moment.SUBMIT,
    "accept_then_hang": Moment.SUBMIT,
    "accept_then_malformed": Moment.SUBMIT,
    "rate_limit": Moment.SUBMIT,
    "refuse_content": Moment.SUBMIT,
    "refuse": Moment.SUBMIT,
    "unavailable": Moment.SUBMIT,
    "hang": Moment.SUBMIT,
    "drop": Moment.SUBMIT,
    "job_fails": Moment.FATE,
    "never_completes": Moment.FATE,
    "unknown_status": Moment.POLL,
    "poll_status": Moment.POLL,
    "poll_malformed": Moment.POLL,
    "truncated_output": Moment.OUTPUT,
    "wrong_type_output": Moment.OUTPUT,
    "gone_output": Moment.OUTPUT,
    "slow_drip": Moment.OUTPUT,
    "webhook_lost": Moment.CALLBACK,
    "webhook_twice": Moment.CALLBACK,
    "webhook_late": Moment.CALLBACK,
    "webhook_out_of_order": Moment.CALLBACK,
    "webhook_forged": Moment.CALLBACK,
    "webhook_stale": Moment.CALLBACK,
}


class Fault(BaseModel):
    """One way to misbehave, `times` times or, with None, always, to jobs whose words hold `match`.

    `status` is answered by accept_then_status (500), refuse (400), refuse_content (the vendor's
    own), poll_status (500) and gone_output (the vendor's own). `seconds` is how long
    accept_then_hang is silent (None: until the caller hangs up), how much later webhook_late
    comes, and the time between the pieces of slow_drip. rate_limit sends no header when
    `retry_after` is None. `billed`, `message`, `code` and `transient` tell how job_fails fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: Literal[
        "accept_then_drop", "accept_then_status", "accept_then_hang", "accept_then_malformed",
        "rate_limit", "refuse_content", "refuse", "unavailable", "hang", "drop", "job_fails",
        "never_completes", "unknown_status", "poll_status", "poll_malformed", "truncated_output",
        "wrong_type_output", "gone_output", "slow_drip", "webhook_lost", "webhook_twice",
        "webhook_late", "webhook_out_of_order", "webhook_forged", "webhook_stale",
    ]  # fmt: skip
    match: str = ""
    times: int | None = Field(default=1, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    seconds: Span | None = None
    retry_after: Span | None = 1
    billed: bool = False
    message: str = "the job failed, as it was told to"
    code: str = "job_failed"
    transient: bool = False

    @property
    def moment(self) -> Moment:
        """When it strikes."""
        return MOMENTS[self.fault]

    def strikes(self, moment: Moment, words: str) -> bool:
        """Whether it is this job's turn."""
        return self.moment is moment and self.times != 0 and self.match in words


_FAULTS = TypeAdapter(list[Fault])


class Controls:
    """The settings and faults in force, written to the state file at every change."""

    def __init__(self, database: sqlite3.Connection, kind: type[Settings] = Settings) -> None:
        self._database = database
        self._kind = kind
        database.execute("CREATE TABLE IF NOT EXISTS controls (name TEXT PRIMARY KEY, json TEXT)")
        kept = dict(database.execute("SELECT name, json FROM controls").fetchall())
        self.settings = kind.model_validate_json(kept.get("settings", "{}"))
        self.faults = _FAULTS.validate_json(kept.get("faults", "[]"))

    def change_settings(self, changes: dict[str, object]) -> Settings:
        """Change the settings that are named. Raises pydantic.ValidationError."""
        self.settings = self._kind.model_validate({**self.settings.model_dump(), **changes})
        self._keep("settings", self.settings.model_dump_json())
        return self.settings

    def replace_faults(self, faults: object) -> list[Fault]:
        """Put a JSON list of faults in place of the old ones. Raises pydantic.ValidationError."""
        self.faults = _FAULTS.validate_python(faults)
        self._keep_faults()
        return self.faults

    def strike(self, moment: Moment, words: str) -> Fault | None:
        """The first fault whose turn it is, counted down; None lets the job be."""
        for place, fault in enumerate(self.faults):
            if fault.strikes(moment, words):
                if fault.times is not None:
                    self.faults[place] = fault.model_copy(update={"times": fault.times - 1})
                    self._keep_faults()
                return fault
        return None

    def reset(self) -> None:
        """Go back to the settings of a new server, without faults."""
        self.settings, self.faults = self._kind(), []
        self._database.execute("DELETE FROM controls")

    def _keep_faults(self) -> None:
        self._keep("faults", _FAULTS.dump_json(self.faults).decode())

    def _keep(self, name: str, text: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO controls VALUES (?, ?)", (name, text))
