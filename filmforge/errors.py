"""One tree of errors; each class says its stable code and whether trying again can help."""

from decimal import Decimal
from typing import ClassVar

from filmforge.money import format_money


class FilmError(Exception):
    """Something FilmForge can name; `code` is stable and becomes a shot's reason."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False


class BadInput(FilmError):
    """A value a person gave cannot be used; nothing was started and nothing was spent."""

    code = "bad_input"

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}. {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class NotFound(FilmError):
    """There is no film, shot, asset or job of that name."""

    code = "not_found"


class Conflict(FilmError):
    """The wish contradicts what is already so; nothing was changed."""

    code = "conflict"


class BudgetExceeded(FilmError):
    """The estimate does not fit under the limit; nothing was sent."""

    code = "budget_exceeded"

    def __init__(self, estimate: Decimal, free: Decimal, scope: str = "") -> None:
        left = format_money(max(free, Decimal(0)))
        where = f" in {scope}" if scope else ""
        super().__init__(f"needs {format_money(estimate)} USD, {left} USD is free{where}")
        self.estimate = estimate
        self.free = free
        self.scope = scope


class FilmStopped(FilmError):
    """The film was cancelled, so nothing new may be spent on it."""

    code = "film_stopped"


class MustWait(FilmError):
    """A provider's caps leave no room for a submit just now; ask again after `seconds`."""

    code = "provider_busy"
    retryable = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no room at the provider: ask again in {seconds:.1f} s")
        self.seconds = seconds


class BadMedia(FilmError):
    """A file is not what it claims to be, or breaks a bound on size, pixels or time."""

    code = "bad_media"


class MediaToolFailed(FilmError):
    """ffmpeg or the synthesiser failed or ran out of time; the last lines it said are kept."""

    code = "media_tool_failed"
    retryable = True


class StoreUnavailable(FilmError):
    """The object store did not answer; what was written stays written."""

    code = "store_unavailable"
    retryable = True


class WorkDirFull(FilmError):
    """The work directory cannot be written to; what is paid for is fetched once it can."""

    code = "work_dir_full"
    retryable = True


class ServiceUnavailable(FilmError):
    """A server of ours, Temporal or the database, did not answer in time."""

    code = "service_unavailable"
    retryable = True


class ProviderError(FilmError):
    """A provider could not be used."""

    code = "provider_error"


class NotSent(ProviderError):
    """The request provably never reached the provider, or was provably not accepted."""

    code = "provider_unavailable"
    retryable = True


class RateLimited(NotSent):
    """The provider turned the request away for now; `retry_after_s` in seconds if it said so."""

    code = "provider_rate_limited"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AnswerLost(ProviderError):
    """The request may have been accepted and billed: only a look at the provider can tell."""

    code = "create_ambiguous"
    retryable = True


class ProviderUnavailable(ProviderError):
    """A free call (poll, find, cancel, download) failed for now."""

    code = "provider_unavailable"
    retryable = True


class Refused(ProviderError):
    """The provider refused the request for good and billed nothing."""

    code = "provider_refused"


class ContentRefused(Refused):
    """The provider refused the content of the request."""

    code = "content_refused"


class KeyRefused(Refused):
    """The provider does not take the key of this installation, or does not allow it this."""

    code = "provider_key_refused"


class OutOfCredit(Refused):
    """The account at the provider has no credit left."""

    code = "provider_out_of_credit"


class NotConfigured(ProviderError):
    """The provider has no key or address on this installation."""

    code = "provider_not_configured"


class JobFailed(ProviderError):
    """The provider accepted the job and then failed it for good."""

    code = "provider_failed"


class CreateAmbiguous(ProviderError):
    """Nobody can tell whether the lost request was billed: a person must choose."""

    code = "create_ambiguous"
