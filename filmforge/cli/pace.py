"""How long a film still takes, from the pace of the steps finished in this run."""

from collections import deque
from typing import Any

from filmforge.cli.verdict import waits_for_person

_STEPS = ("image", "video")
_WINDOW_S = 90.0
_LEAST_S = 2.0
_LEAST_STEPS = 2
STEPS_A_SHOT = len(_STEPS) + 1


def steps_done(shot: dict[str, Any]) -> int:
    """How many of a shot's steps (frame, clip, landing) are done."""
    if shot["execution"] == "succeeded" or shot["review"] in ("done", "omitted"):
        return STEPS_A_SHOT
    made = {take["kind"] for take in shot.get("takes") or ()}
    return sum(kind in made for kind in _STEPS)


class Pace:
    """Watches steps get done; a guess that needs two seconds and two steps to start from."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._left = 0

    def note(self, at_s: float, film: dict[str, Any]) -> None:
        """Take a look at the film at a moment of a monotonic clock, in seconds."""
        done = sum(map(steps_done, film["shots"]))
        self._left = sum(
            STEPS_A_SHOT - steps_done(shot) for shot in film["shots"] if not waits_for_person(shot)
        )
        self._samples.append((at_s, done))
        while len(self._samples) > 2 and at_s - self._samples[1][0] >= _WINDOW_S:
            self._samples.popleft()

    def left_s(self, now_s: float) -> float | None:
        """Seconds until every shot that can go on is done; None while that is unknown.

        It is unknown, too, when only the assembly or people are left: their pace is another.
        """
        if not self._samples or not self._left:
            return None
        (start_s, start), (_, done) = self._samples[0], self._samples[-1]
        took_s, steps = now_s - start_s, done - start
        if took_s < _LEAST_S or steps < _LEAST_STEPS:
            return None
        return self._left * took_s / steps


def clock(seconds: float | None) -> str:
    """Seconds as people say them: 8 s, 1:05, 2:03:09; a dash when unknown."""
    if seconds is None:
        return "—"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
