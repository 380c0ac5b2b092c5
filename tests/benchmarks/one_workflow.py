"""All shots in one workflow: what a child workflow for each shot is compared with."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import ConformOrder, GenerateOrder
    from filmforge.domain import Kind
    from workflows.policies import FINISH, GENERATE

SHOTS = 50


@workflow.defn(name="OneWorkflow")
class OneWorkflow:
    """The same steps without a child for each shot: what the films are compared with."""

    @workflow.run
    async def run(self) -> None:
        """Fifty shots side by side, three steps each."""
        await asyncio.gather(*(self._shoot(f"s{number}") for number in range(SHOTS)))

    async def _shoot(self, shot_id: str) -> None:
        for kind in (Kind.IMAGE, Kind.VIDEO):
            order = GenerateOrder(film_id="one", shot_id=shot_id, kind=kind)
            await workflow.execute_activity("generate", order, **GENERATE)
        piece = ConformOrder(film_id="one", shot_id=shot_id)
        await workflow.execute_activity("conform", piece, **FINISH)
