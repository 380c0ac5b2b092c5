"""The matrix: where the worker is killed, who makes the asset, how a lost answer can be found."""

import random
from enum import StrEnum
from itertools import groupby, product

from filmforge.fields import Frozen
from tests.crash.makers import MAKERS, Maker

# In the order in which they are passed; in the two OUTSIDE ones the worker is killed from outside
# while it waits, at all others it kills itself.
POINTS = {
    "wanted": "before the money is reserved",
    "reserved": "after the money is reserved",
    "submitting": "after `submitting` is written, before the POST",
    "inside": "inside the POST, after the provider accepted",
    "posted": "after the answer, before it is written down",
    "accepted": "after `accepted` is written",
    "polled": "mid-poll",
    "ended": "after the provider's last word",
    "downloading": "mid-download",
    "downloaded": "after the download",
    "uploaded": "after the upload",
    "settling": "before settling",
    "settled": "after settling",
    "linked": "after the take is linked",
}
OUTSIDE = ("inside", "downloading")
# What the provider was asked may be in doubt only here.
IN_DOUBT = ("submitting", "inside", "posted")
# Without a poll and a download there is nothing to be killed in.
NOT_FOR_ANSWERS = ("polled", "downloading")
AT_EACH_POINT = 3


class Find(StrEnum):
    """What becomes of a look for a job whose answer was lost."""

    AT_ONCE = "at once"
    LAGS = "lags"
    IMPOSSIBLE = "impossible"


class Means(Frozen):
    """By what a lost answer can be found; without `callback` the provider calls in vain."""

    callback: bool
    find: Find

    def __str__(self) -> str:
        return f"{'callback' if self.callback else 'silent'}.{self.find.replace(' ', '_')}"


class Case(Frozen):
    """One kill."""

    maker: Maker
    point: str
    means: Means

    @property
    def name(self) -> str:
        """The name by which it is run again."""
        return f"{self.maker.name}.{self.point}.{self.means}"

    @property
    def undecidable(self) -> bool:
        """Whether nobody but a person can say what is to be done after this kill."""
        if self.means.find is not Find.IMPOSSIBLE or self.point not in IN_DOUBT:
            return False
        if self.maker.answers:
            return self.point != "posted"  # its answer is on this machine's disk by then
        # A request that never left is never called back.
        return not self.means.callback or self.point == "submitting"


def every_case() -> list[Case]:
    """The whole product, less what cannot be: callbacks and lists that a provider does not have."""
    return [
        Case(maker=maker, point=point, means=Means(callback=callback, find=find))
        for maker, point, callback, find in product(MAKERS, POINTS, (True, False), Find)
        if not (maker.answers and point in NOT_FOR_ANSWERS)
        and (maker.drips or point != "downloading")
        and (maker.calls or not callback)
        and (maker.lists or find is Find.IMPOSSIBLE)
    ]


def drawn(count: int, seed: int) -> list[Case]:
    """So many cases: the whole product again and again, each time shuffled."""
    chance, cases = random.Random(seed), list[Case]()
    while len(cases) < count:
        cases += chance.sample(every_case(), len(every_case()))
    return cases[:count]


def named(name: str) -> Case:
    """The case of that name. Raises KeyError."""
    return {case.name: case for case in every_case()}[name]


def short(part: int, parts: int) -> list[Case]:
    """A part of the short form: every maker by every means in doubt, every point a few times."""
    chance, cases = random.Random(1), every_case()
    in_doubt = groupby(
        sorted((case for case in cases if case.point in IN_DOUBT), key=_maker_and_means),
        key=_maker_and_means,
    )
    chosen = [chance.choice(list(group)) for _, group in in_doubt]
    for point in POINTS:
        left = [case for case in cases if case.point == point and case not in chosen]
        chosen += chance.sample(left, AT_EACH_POINT)
    return chosen[part::parts]


def _maker_and_means(case: Case) -> str:
    return f"{case.maker.name} {case.means}"
