"""A work for one's own GPU: it waits in Temporal until a GPU worker has room for it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import GPU_WORK_WORKFLOW
    from filmforge.domain import Receipt, Work
    from workflows.policies import GPU_WORK


@workflow.defn(name=GPU_WORK_WORKFLOW)
class GpuWorkWorkflow:
    """One work, made once; whoever asks for the same one waits here."""

    @workflow.run
    async def run(self, work: Work) -> Receipt:
        """Have the work made, on whichever GPU worker is free."""
        receipt: Receipt = await workflow.execute_activity(
            "make_work", work, result_type=Receipt, **GPU_WORK
        )
        return receipt
