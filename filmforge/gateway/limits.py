"""Limits: how often somebody may guess a token, a key or a passphrase."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from filmforge.gateway.problems import Refusal
from filmforge.gateway.tokens import ForgedLink

MOST_GUESSES = 20
PER_S = 60.0
_MOST_CALLERS = 10_000


class Guesses:
    """Wrong guesses by the address they came from, within the last minute of this process."""

    def __init__(self, most: int = MOST_GUESSES, per_s: float = PER_S) -> None:
        self._most, self._per_s = most, per_s
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def refuse_many(self, request: Request) -> None:
        """Raise Refusal with status 429 when too many guesses of this caller were wrong."""
        since, count = self._seen.get(_caller(request), (0.0, 0))
        left = since + self._per_s - time.monotonic()
        if count >= self._most and left > 0:
            detail = "Too many links or keys from here were wrong: wait a minute."
            headers = {"Retry-After": str(int(left) + 1)}
            raise Refusal(429, "too_many_guesses", detail, headers=headers)

    def wrong(self, request: Request) -> None:
        """Count a wrong guess."""
        name, now = _caller(request), time.monotonic()
        since, count = self._seen.pop(name, (now, 0))
        fresh = now - since >= self._per_s
        self._seen[name] = (now, 1) if fresh else (since, count + 1)
        while len(self._seen) > _MOST_CALLERS:
            self._seen.popitem(last=False)


def _caller(request: Request) -> str:
    return request.client.host if request.client else ""


def guesses_of(request: Request) -> Guesses:
    """The guesses that this gateway counts."""
    guesses: Guesses = request.app.state.guesses
    return guesses


@contextmanager
def guessing(request: Request) -> Iterator[None]:
    """Read a link within this: a forged one counts as a guess. Raises Refusal after many."""
    guesses = guesses_of(request)
    guesses.refuse_many(request)
    try:
        yield
    except ForgedLink:
        guesses.wrong(request)
        raise
