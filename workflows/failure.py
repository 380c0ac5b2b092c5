"""What a failed activity says: the stable code that the errors boundary gave it, and its words."""

from temporalio.exceptions import ApplicationError, FailureError


def code_of(error: BaseException) -> str | None:
    """The code of the error an activity ended with; None when it had no say, as in a timeout."""
    cause = error.__cause__
    return cause.type if isinstance(cause, ApplicationError) else None


def words_of(error: BaseException) -> str:
    """What the error an activity ended with says to people."""
    cause = error.__cause__ or error
    return cause.message if isinstance(cause, FailureError) else str(cause)
