"""Residency: which makers are in the memory of one's own GPU, within a declared budget."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import structlog

from filmforge.domain import Work
from gpu_functions.device import Device
from gpu_functions.maker import Made, Maker, Room, TooLarge
from gpu_functions.weights import find

log = structlog.get_logger()


class Residency:
    """Makes works one after another; one heavy maker at a time is resident, beside light ones.

    The least recently used makers are unloaded until the next one fits. `maker_of` is the class of
    a function.
    """

    def __init__(
        self, device: Device, weights: Path, maker_of: Callable[[str], type[Maker]]
    ) -> None:
        self.device = device
        self._weights = weights
        self._maker_of = maker_of
        self._resident: OrderedDict[str, tuple[Maker, float]] = OrderedDict()
        self._alone = threading.Lock()

    @property
    def resident(self) -> dict[str, float]:
        """What is resident and how many GiB it takes, least recently used first."""
        return {name: gib for name, (_, gib) in self._resident.items()}

    def check(self, work: Work) -> None:
        """Raise TooLarge when the work does not fit into the budget by itself."""
        needs = self._maker_of(work.function).needs_gib(work, self.device)
        if needs > self.device.budget_gib:
            remedy = "Ask for less, or declare a larger budget if the GPU has it."
            raise TooLarge(needs, self.device.budget_gib, remedy)

    def make(self, work: Work, room: Room) -> Made:
        """Make a work, with its maker loaded and others unloaded as need be."""
        self.check(work)
        with self._alone:
            return self._maker(work).make(work, room)

    def close(self) -> None:
        """Unload everything."""
        with self._alone:
            while self._resident:
                self._unload(next(iter(self._resident)))

    def _maker(self, work: Work) -> Maker:
        made_by = self._maker_of(work.function)
        needs = made_by.needs_gib(work, self.device)
        started = time.monotonic()
        unloaded = self._make_way(made_by, needs)
        held = self._resident.get(work.function)
        if held is None:
            weights = find(self._weights, work.function, made_by.source)
            maker = made_by(weights, self.device)
            log.info(
                "gpu.switched",
                loaded=work.function,
                unloaded=unloaded,
                switch_s=round(time.monotonic() - started, 3),
                resident_gib={**self.resident, work.function: needs},
                budget_gib=self.device.budget_gib,
            )
        else:
            maker = held[0]
        self._resident[work.function] = (maker, needs)
        self._resident.move_to_end(work.function)
        return maker

    def _make_way(self, made_by: type[Maker], needs: float) -> list[str]:
        """Unload what cannot stay; returns the names."""
        others = [name for name in self._resident if name != made_by.name]
        unloaded = []
        for name in others:
            taken = sum(gib for other, gib in self.resident.items() if other != made_by.name)
            both_heavy = made_by.heavy and self._resident[name][0].heavy
            if both_heavy or taken + needs > self.device.budget_gib:
                self._unload(name)
                unloaded.append(name)
        return unloaded

    def _unload(self, name: str) -> None:
        maker, gib = self._resident.pop(name)
        started = time.monotonic()
        maker.close()
        self.device.forget()
        took_s = round(time.monotonic() - started, 3)
        log.info("gpu.unloaded", function=name, gib=gib, took_s=took_s)
