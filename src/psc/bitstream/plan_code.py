"""A plan in the header: the number of one that comes with psc, or all of its levels and rounds."""

from psc.bitstream.fields import Fields
from psc.errors import PscError
from psc.plan.plan import Level, Plan, Round
from psc.plan.presets import DEFAULT, DEFAULT_EFFORT, EFFORTS, LATENT, LATENT_PAPER, PAPER, PROGRESSIVE

NAMED_PLANS = {1: DEFAULT, 2: PAPER, 3: LATENT, 4: LATENT_PAPER, 5: PROGRESSIVE}
PLAN_NAMES = {
    DEFAULT: "default",
    PAPER: "paper",
    LATENT: "latent",
    LATENT_PAPER: "latent-paper",
    PROGRESSIVE: "progressive",
}
_OTHERS = {effort: plan for effort, plan in EFFORTS.items() if effort != DEFAULT_EFFORT}
NAMED_PLANS |= {len(NAMED_PLANS) + n: plan for n, plan in enumerate(_OTHERS.values(), start=1)}
PLAN_NAMES |= {plan: f"effort {effort}" for effort, plan in _OTHERS.items()}
EXPLICIT_PLAN = 0
MAX_LEVELS = 8
"""More are read no further: a plan of more is refused."""


def pack_plan(plan: Plan) -> bytes:
    """A plan's bytes (FORMAT.md, section "The plan")."""
    for number, named in NAMED_PLANS.items():
        if plan == named:
            return bytes([number])
    groups: list[list[int]] = []
    for item in plan.rounds:
        fields = [item.level, item.rows, item.steps]
        if groups and groups[-1][1:] == fields:
            groups[-1][0] += 1
        else:
            groups.append([1, *fields])
    out = [EXPLICIT_PLAN, int(plan.paper), len(plan.levels)]
    for level in plan.levels:
        out += [level.scale, level.window, level.samples, level.start, level.end, level.estimates]
    return bytes([*out, len(groups), *(value for group in groups for value in group)])


def unpack_plan(reader: Fields) -> Plan:
    """The plan that a header names or describes; PscError says what is wrong with it."""
    number = reader.byte()
    if number in NAMED_PLANS:
        return NAMED_PLANS[number]
    if number != EXPLICIT_PLAN:
        raise PscError(f"plan number {number} is unknown to this version of psc; a newer one may know it")
    paper, count = reader.byte(), reader.byte()
    if paper > 1:
        raise PscError(
            f"the header's plan is of kind {paper}, expected 0 or 1; the file is damaged or forged"
        )
    levels = tuple(Level(*(reader.byte() for _ in range(6))) for _ in range(min(count, MAX_LEVELS + 1)))
    rounds: list[Round] = []
    for _ in range(reader.byte()):
        repeat, level, rows, steps = (reader.byte() for _ in range(4))
        rounds += [Round(level, rows, steps)] * repeat
    try:
        return Plan(levels, tuple(rounds), bool(paper))
    except PscError as error:
        raise PscError(f"the header's plan is {error}; the file is damaged or forged") from None
