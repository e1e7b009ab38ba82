"""The quantiser's numbers that were measured, each with the command and the commit that measured it.

They are part of the format (FORMAT.md has them, too): another number is another format version. VAL stands
for a folder of validation photographs, never those that results are reported on.

    python -m benchmarks.spread VAL --limit 24 --steps 147 139 131 117

measured all of them, with the embedded prior: at commit 0e92fd1, which brought today's plans, if nothing else
is said.
"""

ZERO = (908, 861, 791, 710, 631, 559, 476, 405, 350, 299, 252, 208, 184, 161, 125, 115, 86, 72, 70, 57, 50)
"""The probability of zero before anything was seen, in 1024ths, by context."""
RATIO = (55, 71, 89, 119, 155, 199, 242, 304, 368, 435, 499, 565, 615, 675, 713, 754, 794, 829, 853, 882, 899)
"""How much less likely each further step from zero is, in 1024ths, by context."""
EXPECTED = (8, 11, 16, 22, 29, 36, 45, 55, 66, 79, 94, 114, 131, 158, 185, 215, 260, 310, 351, 417, 465)
"""What |q| is on average by these two, in 64ths, by context. The first context's numbers, here and above, are
no measurements: they continue the others'."""
SHIFT_THRESHOLDS = (
    88, 117, 157, 209, 279, 373, 497, 664, 886, 1183, 1579, 2108, 2814, 3756, 5014, 6693, 8933, 11925,
)  # fmt: skip
"""How many times larger than expected, in 1024ths, a window's numbers must be for a shift by a context more:
2^((i + 1/2) / 2.4), i = -9 ... 8. docs/ablations.md has what was compared."""

TRUST = (1, 1, 1, 2, 5, 8, 11, 16, 19, 22, 24, 26, 27, 29, 29, 29, 29)
"""How far a number that was coded as zero binds what follows, in 32ds, by context: where a small spread was
predicted, little is known by it, and later measurements may know more. Wider contexts, and all other numbers:
32. docs/ablations.md has what was compared."""

# Samples are too alike in a level's first rounds and too different in its last ones. GAINS: what |q| is on
# average, by a level's round, in 64ths of what the samples' spread says. FULL: the same of its full basis.
COARSEST_GAINS, COARSEST_FULL = (99, 152, 84, 72, 68, 54, 50, 52), 54
"""Of the pyramid's last level. Commit 63b38ef: measured with that commit's default plan, which had the same
coarsest level."""
MIDDLE_GAINS, MIDDLE_FULL = (134, 78, 60, 52, 48, 45, 45, 42), 75
"""Of the levels between."""
FINEST_GAINS, FINEST_FULL = (105, 62, 50, 45, 42, 38, 36, 34), 83
"""Of full resolution. The efforts' plans have two rounds there, so that commit measured the first gain and
FINEST_FULL; the other gains are commit 290d842's, of plans with more rounds and an earlier prior."""

CONFIDENCE = 400
"""How many symbols a table counts for before anything was seen (docs/ablations.md)."""
LAMBDA = 0.1
"""What a bit is worth to an encoder by default, in units of Delta^2 of squared error. By trial on five
validation crops (docs/ablations.md has the BD-rates); the script was not kept."""
