"""Every number of FORMAT.md that belongs to a version of the format rather than to a method."""

MAGIC = b"\x89PSC"
VERSION = 5

MAX_SIDE = 65535
LOWEST_STEP = 48
"""Of the quantiser's steps, but for paper plans."""

# Section 2: the plan.
MAX_LEVELS, MAX_ROUNDS = 8, 255
MAX_WINDOW = 256
"""Of scale x window."""
MAX_SAMPLES = 64
"""Of estimates x samples."""

# Section 4: the SHA-256 of the table of normal variates.
NOISE_TABLE = "ee46eda6f743ea9b2949c72134d6385025bcc7573bb0fba98b3bf40224779880"

# Section 5: noise levels.
LOWEST_LEVEL, HIGHEST_LEVEL = 32, 117
RESTART_LEVEL = 42
"""The lowest that a draw starts from at the level of the last round."""
RESTORATION_LEVEL, RESTORATION_END, RESTORATION_STEPS, RESTORATION_SAMPLES = 52, 40, 5, 2
"""The same for a mean (section 12), and its steps."""
SAMPLE_LEVEL, SAMPLE_STEPS = 50, 4
"""The same for a sample."""
CLAMP = 1.5
BATCH_PIXELS = 2**20

# Section 7: steps, classes, tables.
STEPS = (
    65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752,
    92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515,
)  # fmt: skip
HIGHEST_CLASS, LOWEST_REFINED_CLASS = 80, -64
CALIBRATION_COARSEST = (99, 152, 84, 72, 68, 54, 50, 52)
CALIBRATION_FINEST = (105, 62, 50, 45, 42, 38, 36, 34)
CALIBRATION_BETWEEN = (134, 78, 60, 52, 48, 45, 45, 42)
CALIBRATION_FULL = {"coarsest": 54, "finest": 83, "between": 75}
TABLE_ZERO = (
    908,
    861,
    791,
    710,
    631,
    559,
    476,
    405,
    350,
    299,
    252,
    208,
    184,
    161,
    125,
    115,
    86,
    72,
    70,
    57,
    50,
)
TABLE_RATIO = (
    55, 71, 89, 119, 155, 199, 242, 304, 368, 435, 499, 565, 615, 675, 713, 754, 794, 829, 853, 882, 899,
)  # fmt: skip
EXPECTED = (8, 11, 16, 22, 29, 36, 45, 55, 66, 79, 94, 114, 131, 158, 185, 215, 260, 310, 351, 417, 465)
SHIFTS = (
    88, 117, 157, 209, 279, 373, 497, 664, 886, 1183, 1579, 2108, 2814, 3756, 5014, 6693, 8933, 11925,
)  # fmt: skip
TRUST = (1, 1, 1, 2, 5, 8, 11, 16, 19, 22, 24, 26, 27, 29, 29, 29, 29)
CONFIDENCE, REFINEMENT_CONFIDENCE, FLOAT8_CONFIDENCE = 400, 200, 8
LARGEST_VALUE = 2048.0

# Section 19.
LARGEST_OFFSET, NOTHING = 64, 255

# Section 8.
JACOBI_SWEEPS = 5

# Section 10: levels (scale, window, samples, start, end, estimates) and rounds, as in the text.
_COARSE = (16, 4, 12, 74, 32, 1)
_ROUNDS = "2: 3, 14; 3, 8 x 14; F, 8; 1: 6, 14; 6, 5 x 7; F, 5; 0: {}, 5; F, 3"
_FAST = ((1, 8, 4, 56, 47, 3), (4, 8, 6, 68, 38, 2), _COARSE)
_DEFAULT = "2: 3, 8; 3, 4 x 14; F, 4; 1: 6, 8; 6, 3 x 7; F, 3; 0: 8, 4; F, 3"
NAMED_PLANS = {
    1: (_FAST, _DEFAULT),
    2: (((1, 0, 16, 74, 32, 1),), "0: 12, 20 x 255"),
    3: (((1, 8, 12, 74, 32, 1),), "0: 8, 14; 8, 8 x 5; F, 8"),
    4: (((1, 0, 16, 74, 32, 1),), "0: 12, 50 x 255"),
    5: (_FAST, _DEFAULT + "; 2: F, 0; 1: F, 0; 0: F, 0"),
    6: (
        ((1, 8, 4, 56, 47, 2), (4, 8, 6, 68, 38, 2), _COARSE),
        "2: 3, 8; 3, 4 x 14; F, 4; 1: 6, 6; 6, 2 x 7; F, 2; 0: 6, 2; F, 2",
    ),
    7: (
        ((1, 8, 4, 56, 47, 3), (4, 8, 8, 68, 38, 2), _COARSE),
        "2: 3, 14; 3, 8 x 14; F, 8; 1: 6, 14; 6, 5 x 7; F, 5; 0: 8, 4; F, 3",
    ),
    8: (((1, 8, 6, 56, 47, 3), (4, 8, 8, 68, 38, 2), _COARSE), _ROUNDS.format(10)),
    9: (((1, 8, 8, 56, 47, 3), (4, 8, 10, 68, 38, 2), _COARSE), _ROUNDS.format(10)),
    10: (((1, 8, 10, 56, 47, 3), (4, 8, 10, 68, 38, 2), _COARSE), _ROUNDS.format(10)),
    11: (((1, 8, 12, 56, 47, 3), (4, 8, 12, 68, 38, 2), _COARSE), _ROUNDS.format(10)),
    12: (
        ((1, 8, 16, 56, 47, 3), (4, 8, 16, 68, 38, 2), (16, 4, 16, 74, 32, 1)),
        _ROUNDS.format(12),
    ),
    13: (
        ((1, 8, 16, 56, 40, 3), (4, 8, 16, 68, 38, 2), (16, 4, 16, 74, 32, 1)),
        "2: 3, 14; 3, 8 x 14; F, 8; 1: 6, 14; 6, 5 x 7; F, 5; 0: 12, 8; F, 5",
    ),
}
PAPER_PLANS = (2, 4)

# Section 14.
EMBEDDED_PRIOR = "82353a88"

# Section 16.
CAPTION_MODEL = "0367f4f5d26592be5840f53b3a88aa90f9af09af207a2ae8ed1f267eefaa18ad"
MAX_CAPTION, MAX_CAPTION_BYTES = 1000, 3011

# Section 17.
MAX_EXTRAS, MAX_EXTRA = 2**28, 2**24

COSINES = (1073741824, 1053110176, 992008094, 892783698, 759250125, 596538995, 410903207, 209476638, 0)
"""cos(i pi / 16) in units of 2^-30."""
MOST_ROWS = 512
"""Of a level with a full basis."""
