"""What became of a request, as its result or its problem tells it; `told` words the messages."""

from collections.abc import Callable

from pydantic import JsonValue

from filmforge.domain import GenerationRequest
from filmforge.providers.base import JobReport, JobStatus
from filmforge.providers.fal_forms import (
    CANCELLED_STATUS,
    CLIENT_CANCELLED,
    CONTENT,
    Problem,
    blacked_out,
    output_url,
)

Told = Callable[[str], str]


def made(request: GenerationRequest, result: dict[str, JsonValue], told: Told) -> JobReport:
    """A request that ended with a result; whatever the result holds, it is billed."""
    checked = request.parameters.get("enable_safety_checker") is not False
    if checked and blacked_out(result):
        why = told("the safety checker blacked the picture out")
        return JobReport(status=JobStatus.FAILED, code="content_refused", message=why)
    url = output_url(request.kind, result)
    if url is None:
        why = told(f"the result holds no {request.kind.value}")
        return JobReport(status=JobStatus.FAILED, message=why)
    return JobReport(status=JobStatus.SUCCEEDED, output_url=url)


def failed(
    status: int, problem: Problem, told: Told, *, removed: bool, retryable: bool = True
) -> JobReport:
    """A request that made nothing; `removed` tells that it was cancelled in the queue.

    5xx is never billed, anything else "may still be charged if a runner spent GPU time"
    (documentation/model-apis/faq). `retryable` is what fal says of it.
    """
    message = told(problem.message or f"HTTP {status}")
    if status == CANCELLED_STATUS or CLIENT_CANCELLED in problem.types:
        return JobReport(status=JobStatus.CANCELLED, billed=not removed, message=message)
    return JobReport(
        status=JobStatus.FAILED,
        billed=status < 500,
        transient=status >= 500 and retryable,
        code="content_refused" if CONTENT in problem.types else "provider_failed",
        message=message,
    )


def cancelled_in_the_queue(told: Told) -> JobReport:
    """A request that the queue and the list both forgot, after it was taken from the queue."""
    why = told("was cancelled before it started")
    return JobReport(status=JobStatus.CANCELLED, billed=False, message=why)
