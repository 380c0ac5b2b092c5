"""A rhythm: the shots of a reference film, found once; whoever asks for the same one waits here."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import RHYTHM_WORKFLOW, RhythmOrder
    from workflows.policies import FINISH


@workflow.defn(name=RHYTHM_WORKFLOW)
class RhythmWorkflow:
    """One search; what it came to is kept by the file's digest."""

    @workflow.run
    async def run(self, order: RhythmOrder) -> None:
        """Find the shots of the film with this digest."""
        await workflow.execute_activity("find_rhythm", order, **FINISH)
