"""Whole numbers in as few bytes as they need: seven bits a byte, lowest first."""

from __future__ import annotations

from apps.history.errors import BlockBroken

LONGEST = 10
"""Bytes of 64 bits."""


def varint(number: int) -> bytes:
    """`number` ≥ 0 → bytes."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed_varint(number: int) -> bytes:
    """Any 64-bit number, signed or not: small ones either side of 0 are short."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


class ByteReader:
    """Takes a block apart from the front. Raises BlockBroken where bytes are missing."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def byte(self) -> int:
        if self.place >= len(self.data):
            raise BlockBroken("A stored block ends too early.")
        value = self.data[self.place]
        self.place += 1
        return value

    def peek(self) -> int:
        """The next byte, which stays; −1 at the end."""
        return self.data[self.place] if self.place < len(self.data) else -1

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift >= 7 * LONGEST:
                raise BlockBroken("A stored block holds a number that is too long.")

    def signed_varint(self) -> int:
        number = self.varint()
        return -(number + 1 >> 1) if number & 1 else number >> 1

    def take(self, length: int) -> bytes:
        end = self.place + length
        if end > len(self.data):
            raise BlockBroken("A stored block ends too early.")
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def skip(self, length: int) -> None:
        self.place += length
