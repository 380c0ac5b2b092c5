"""A film's ledger steps with nothing in them, where only orchestration counts."""

from collections.abc import Sequence

from temporalio import activity

from filmforge.contracts import FilmNews, FilmOrder, FilmPlan, Page, ShotPlan
from filmforge.domain import Stage


class NoOps:
    """A film of so many shots, without dialogue or approval."""

    def __init__(self, shots: int, stop_after: Stage) -> None:
        self._shots = shots
        self._stop_after = stop_after

    @activity.defn(name="open_film")
    async def open_film(self, order: FilmOrder) -> FilmPlan:
        return FilmPlan(
            shots=self._shots,
            stop_after=self._stop_after,
            window=64,
            timeout_s=None,
            on_timeout="wait",
            reminder_s=86_400,
        )

    @activity.defn(name="plan_shots")
    async def plan_shots(self, page: Page) -> Sequence[ShotPlan]:
        return [
            ShotPlan(
                shot_id=f"s{position}",
                position=position,
                has_dialogue=False,
                approval=False,
                own_clip=False,
                finished=False,
                omitted=False,
            )
            for position in page.positions
        ]

    @activity.defn(name="report_film")
    async def report_film(self, news: FilmNews) -> None:
        return None
