"""Answers: what a film says to the people who command it."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from filmforge.commands import Answer
    from workflows.failure import code_of, words_of

ACCEPTED = Answer(outcome="accepted", message="Recorded.")
NOT_WAITING = Answer(outcome="not_waiting", message="This frame does not wait any more.")
REPLACED = Answer(outcome="replaced", message="A newer frame has taken its place.")
BEING_MADE = Answer(
    outcome="not_waiting",
    message="This shot is being made right now; wait for it or cancel the film.",
)
RECORDED = {
    "accepted": ACCEPTED,
    "already_decided": Answer(outcome="already_decided", message="It was decided before."),
    "unknown_take": Answer(outcome="unknown_take", message="The shot has no such take."),
}


def refusal(error: ActivityError) -> ApplicationError:
    """What somebody is told whose command could not be recorded."""
    return ApplicationError(words_of(error), type=code_of(error))
