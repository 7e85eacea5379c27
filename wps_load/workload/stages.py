"""Load that changes during a run: stages, and the range of a capacity search.

    stages = step *( "," step )                            100:60s,200:60s
    step   = [ "users:" | "rate:" ] VALUE ":" DURATION     rate:500:1m
    range  = ( "users:" | "rate:" ) LOW ".." HIGH          rate:100..20000

`rate` is messages per second of all publishers together. All steps of a run change the same thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, get_args

from wps_load.clock import NS_PER_S
from wps_load.workload.values import parts, positive_duration_ns, whole

Variable = Literal["users", "rate"]
VARIABLES: tuple[Variable, ...] = get_args(Variable)
STAGES_ALLOWED = "steps VALUE:DURATION of users, or rate:VALUE:DURATION of all publishers, such as 100:60s,200:60s"
RANGE_ALLOWED = "users:LOW..HIGH or rate:LOW..HIGH with LOW below HIGH, such as rate:100..20000"


@dataclass(frozen=True, slots=True)
class LoadStep:
    value: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Stages:
    """Steps of `variable` (`users` or `rate`), one after the other from the run's start."""

    variable: Variable
    steps: tuple[LoadStep, ...]

    @classmethod
    def parse(cls, text: str) -> Stages:
        variables: set[Variable] = set()
        steps: list[LoadStep] = []
        for part in parts(text):
            *prefix, value, duration = part.split(":") if part.count(":") else ("", "")
            variable = _variable(prefix[0].strip() if prefix else "users")
            if len(prefix) > 1 or variable is None:
                raise ValueError(STAGES_ALLOWED)
            variables.add(variable)
            try:
                steps.append(LoadStep(whole(value), positive_duration_ns(duration)))
            except ValueError:
                raise ValueError(STAGES_ALLOWED) from None
        if len(variables) != 1:
            raise ValueError(STAGES_ALLOWED + "; not users and rate mixed" if variables else STAGES_ALLOWED)
        return cls(variables.pop(), tuple(steps))

    @property
    def duration_ns(self) -> int:
        return sum(step.duration_ns for step in self.steps)

    @property
    def peak(self) -> int:
        return max(step.value for step in self.steps)

    def at(self, elapsed_ns: int) -> int | None:
        """The number of the step that runs `elapsed_ns` after the start; None when all are over."""
        ends = accumulate(step.duration_ns for step in self.steps)
        return next((number for number, end in enumerate(ends) if elapsed_ns < end), None)

    def tick(
        self, elapsed_s: float, *, users: int, spawn_rate: float, run_time_s: float | None = None
    ) -> tuple[int, float] | None:
        """The answer of a LoadTestShape's `tick`: users and spawn rate; None for the end.

        `users`: `-u`, which applies while the rate changes. `run_time_s`: `-t`, which Locust leaves to the shape.
        """
        if run_time_s is not None and elapsed_s >= run_time_s:
            return None
        step = self.at(int(elapsed_s * NS_PER_S))
        if step is None:
            return None
        return (self.steps[step].value if self.variable == "users" else users), spawn_rate


@dataclass(frozen=True, slots=True)
class CapacityRange:
    """The range of a capacity search: `variable` (`users` or total `rate`) from `low` to `high`."""

    variable: Variable
    low: int
    high: int

    @property
    def peak(self) -> int:
        return self.high

    @classmethod
    def parse(cls, text: str) -> CapacityRange:
        match = re.fullmatch(r"\s*(users|rate)\s*:\s*([0-9]+)\s*\.\.\s*([0-9]+)\s*", text, re.ASCII)
        variable = _variable(match[1]) if match else None
        if not match or variable is None or not 0 < int(match[2]) < int(match[3]):
            raise ValueError(RANGE_ALLOWED)
        return cls(variable, int(match[2]), int(match[3]))


def _variable(name: str) -> Variable | None:
    return next((each for each in VARIABLES if each == name), None)
