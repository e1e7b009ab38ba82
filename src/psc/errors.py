"""The one error type that PSC raises at its users."""


class PscError(Exception):
    """Something that the caller can act on: what came, what was expected, what to do.

    Every failure that stems from input (a file, an image, an option, a prior) is a ``PscError``;
    anything else that escapes is a defect of the program.
    """
