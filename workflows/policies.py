"""Every timeout and retry policy, named; workflows use no other."""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from filmforge.contracts import CPU_QUEUE, GPU_QUEUE

# A dead worker is noticed after this; both long kinds of activity heartbeat well within it.
HEARTBEAT_TIMEOUT = timedelta(seconds=3)

# Bounded by time, not by attempts: a deploy or a crash eats attempts, never the work.
_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=20),
)

GENERATE = ActivityConfig(
    schedule_to_close_timeout=timedelta(days=7),
    start_to_close_timeout=timedelta(hours=24),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    # Without waiting for a cancelled activity, a provider's job could outlive its film.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=_PATIENT,
)

FINISH = ActivityConfig(
    task_queue=CPU_QUEUE,
    schedule_to_close_timeout=timedelta(hours=24),
    start_to_close_timeout=timedelta(hours=4),
    heartbeat_timeout=HEARTBEAT_TIMEOUT,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=1),
        # A tool that fails on the same input so often needs a person; a database or a store that
        # is away for half an hour does not.
        maximum_attempts=40,
    ),
)

GPU_WORK = ActivityConfig(
    task_queue=GPU_QUEUE,
    # It waits for as long as no GPU worker runs or all are busy.
    schedule_to_close_timeout=timedelta(days=7),
    start_to_close_timeout=timedelta(hours=24),
    # Loading weights may hold the interpreter for a while.
    heartbeat_timeout=timedelta(seconds=30),
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=1),
        # What fails so often with the same weights on the same GPU needs a person.
        maximum_attempts=10,
    ),
)

# The database may be away for a while; the film waits for it rather than end.
BOOKS = ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=_PATIENT,
)

SWEEP = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1),
)
