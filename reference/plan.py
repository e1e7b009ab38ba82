"""FORMAT.md, sections 2 and 10: levels and rounds."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from reference import constants
from reference.errors import DamagedFileError


@dataclass(frozen=True)
class Level:
    """A resolution: its scale, its windows (0: one, the whole picture), its draws."""

    scale: int
    window: int
    samples: int
    start: int
    end: int
    estimates: int


@dataclass(frozen=True)
class Round:
    """A draw at a level, and the rows that follow from it (0: the full basis). No steps: a refinement."""

    level: int
    rows: int
    steps: int


@dataclass(frozen=True)
class Plan:
    """What both sides do."""

    levels: tuple[Level, ...]
    rounds: tuple[Round, ...]
    paper: bool

    @property
    def block(self) -> int:
        """Section 3, B: what the picture's sides are enlarged to multiples of."""
        return max(max(level.scale * level.window for level in self.levels), 1)


class Bytes(Protocol):
    """Where a plan is read from."""

    def byte(self) -> int:
        """The next byte."""


def parse(reader: Bytes) -> Plan:
    """The header's plan: a number, or 0 and an explicit plan."""
    number = reader.byte()
    if number:
        if number not in constants.NAMED_PLANS:
            raise DamagedFileError(f"there is no plan {number}")
        return named(number)
    paper = reader.byte()
    levels = tuple(Level(*(reader.byte() for _ in range(6))) for _ in range(reader.byte()))
    rounds: list[Round] = []
    for _ in range(reader.byte()):
        repeat, level, rows, steps = (reader.byte() for _ in range(4))
        rounds += [Round(level, rows, steps)] * repeat
    plan = Plan(levels, tuple(rounds), paper == 1)
    counts_hold = 1 <= len(levels) <= constants.MAX_LEVELS and 1 <= len(rounds) <= constants.MAX_ROUNDS
    if paper > 1 or not (counts_hold and _levels_hold(plan) and _rounds_hold(plan)):
        raise DamagedFileError("a plan that breaks the rules of section 2")
    return plan


def named(number: int) -> Plan:
    """Section 10."""
    levels, text = constants.NAMED_PLANS[number]
    rounds: list[Round] = []
    level = 0
    for part in text.split(";"):
        if ":" in part:
            head, part = part.split(":")
            level = int(head)
        rows, steps_and_times = part.split(",")
        steps, _, times = steps_and_times.partition("x")
        item = Round(level, 0 if rows.strip() == "F" else int(rows), int(steps))
        rounds += [item] * int(times or 1)
    return Plan(tuple(Level(*level) for level in levels), tuple(rounds), number in constants.PAPER_PLANS)


def _levels_hold(plan: Plan) -> bool:
    levels = plan.levels
    for finer, coarser in pairwise(levels):
        if coarser.scale not in {finer.scale * r for r in (2, 4, 8, 16)} or finer.samples > coarser.samples:
            return False
        if finer.scale * finer.window < coarser.scale:
            return False
    return levels[0].scale == 1 and all(
        (level.window & (level.window - 1) == 0 and (level.window > 0 or len(levels) == 1))
        and level.scale * level.window <= constants.MAX_WINDOW
        and 2 <= level.samples <= constants.MAX_SAMPLES
        and constants.LOWEST_LEVEL <= level.end <= level.start <= constants.HIGHEST_LEVEL
        and level.estimates >= 1
        and level.estimates * level.samples <= constants.MAX_SAMPLES
        for level in levels
    )


def _rounds_hold(plan: Plan) -> bool:
    last = len(plan.levels) - 1
    full: set[int] = set()
    refining = False
    coarsest, rows = last, [0] * len(plan.levels)
    for item in plan.rounds:
        if item.level > last:
            return False
        level = plan.levels[item.level]
        if item.steps == 0:
            refining = True
            if item.rows or item.level not in full or plan.paper:
                return False
            continue
        if refining or item.level > coarsest or item.steps < max(2, level.estimates):
            return False
        if item.rows > level.estimates * (level.samples - 1) or item.level in full:
            return False
        coarsest = item.level
        rows[item.level] += item.rows
        if item.rows == 0:
            full.add(item.level)
    return all(rows[k] <= constants.MOST_ROWS for k in full)
