"""The sweep: now and then somebody looks for money and films that everybody else forgot."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import SWEEP_WORKFLOW
    from workflows.policies import SWEEP


@workflow.defn(name=SWEEP_WORKFLOW)
class SweepWorkflow:
    """One sweep; a schedule starts it."""

    @workflow.run
    async def run(self) -> None:
        """Sweep once; what failed is left to the next sweep."""
        await workflow.execute_activity("sweep", **SWEEP)
