"""What a panel is asked to show."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class PanelBrief:
    """The words and numbers a panel is drawn from; `width` and `height` in pixels."""

    prompt: str
    negative_prompt: str = ""
    width: int = 1280
    height: int = 720
    shot_type: str = "medium"
    mood: str = ""
    time_of_day: str = ""
    characters: tuple[str, ...] = ()
    landscapes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    seed: int = 0

    def chance(self, about: str) -> random.Random:
        """Numbers that depend on the seed, the prompt and what they are about, nothing else."""
        return random.Random(f"{self.seed}|{about}|{self.prompt}")  # noqa: S311 - drawing, no secret
