"""The one place where our errors become Temporal's."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError

from filmforge.errors import BudgetExceeded, FilmError, RateLimited

P = ParamSpec("P")
R = TypeVar("R")


def film_errors(work: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Raise every FilmError as an ApplicationError whose type is the error's stable code."""

    @wraps(work)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await work(*args, **kwargs)
        except FilmError as error:
            raise as_application_error(error) from error

    return guarded


def as_application_error(error: FilmError) -> ApplicationError:
    """The same error in Temporal's words; a provider's Retry-After becomes the retry delay."""
    delay = error.retry_after_s if isinstance(error, RateLimited) else None
    details: list[Any] = [str(error.estimate)] if isinstance(error, BudgetExceeded) else []
    return ApplicationError(
        str(error),
        *details,
        type=error.code,
        non_retryable=not error.retryable,
        next_retry_delay=timedelta(seconds=delay) if delay else None,
    )
