"""The header's fields: single bytes, LEB128 numbers, counted bytes."""

from typing import IO

from psc.errors import PscError


class Fields:
    """Reads a header's fields one after another.

    Attributes:
        taken: The bytes that were read so far, which the header's checksum is of.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.taken = file, b""

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes; PscError if fewer are left."""
        found = self._file.read(count)
        self.taken += found
        if len(found) < count:
            raise PscError("the file ends inside its header: nothing can be decoded from so little")
        return found

    def byte(self) -> int:
        """The next byte, as a number below 256."""
        return self.take(1)[0]

    def varint(self) -> int:
        """The next number, as LEB128 has it; PscError for one of more than 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            digit = self.byte()
            value |= (digit & 127) << shift
            if digit < 128:
                break
        if digit >= 128 or value >= 2**64:
            raise PscError("the header holds a number of more than 64 bits; the file is damaged")
        return value

    def counted(self, limit: int) -> bytes:
        """As many bytes as the next varint says; PscError, before they are read, if it exceeds ``limit``."""
        count = self.varint()
        if count > limit:
            raise PscError(f"the header holds a field of {count} bytes, the limit is {limit}: it is damaged")
        return self.take(count)


def varint(value: int) -> bytes:
    """The LEB128 bytes of a number that is not negative."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
