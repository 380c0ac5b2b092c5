"""What generation by transformers needs beside a model: a seed, and an ear for being stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A token takes some 10 ms: so many of them between two questions whether to go on.
TOKENS_BETWEEN = 8


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw by this seed inside; outside, chance goes on as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        yield


def telling(tell: Callable[[], None]) -> Any:
    """A stopping criterion that never stops, but calls `tell`, which may raise."""
    from transformers import StoppingCriteria

    class Telling(StoppingCriteria):
        def __init__(self) -> None:
            self._tokens = 0

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            if self._tokens % TOKENS_BETWEEN == 0:
                tell()
            self._tokens += 1
            return input_ids.new_zeros(input_ids.shape[0], dtype=bool)

    return Telling()
