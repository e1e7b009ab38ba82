"""What the decoder says of a file that it cannot show."""


class DamagedFileError(ValueError):
    """The file is not what FORMAT.md says."""


class UnsupportedError(ValueError):
    """The file is sound, but needs a part of the format that this decoder leaves out."""


class EndOfCertaintyError(Exception):
    """Nothing behind this place of a cut body is certain (FORMAT.md, section 9)."""
