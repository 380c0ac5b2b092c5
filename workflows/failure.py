"""What a failed activity says: the stable code that the errors boundary gave it."""

from temporalio.exceptions import ApplicationError


def code_of(error: BaseException) -> str | None:
    """The code of the error an activity ended with; None when it had no say, as in a timeout."""
    cause = error.__cause__
    return cause.type if isinstance(cause, ApplicationError) else None
