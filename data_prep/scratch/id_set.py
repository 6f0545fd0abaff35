"""A set of whole numbers of which many stand close together, such as the ids of a collection."""

_BITS = 16  # of a number within its block


class IdSet:
    """Whole numbers from 0, a bit each: 8 KiB for every 65,536 neighbours of which one is in the set.

    Worked example:

        ids = IdSet()
        ids.add(7), ids.add(7), 7 in ids, len(ids)   ->   True, False, True, 1
    """

    def __init__(self):
        self._blocks: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Adds a number; says whether it is new."""
        block = self._blocks.get(number >> _BITS)
        if block is None:
            block = self._blocks[number >> _BITS] = bytearray(1 << _BITS - 3)
        byte, bit = number >> 3 & 0x1FFF, 1 << (number & 7)
        if block[byte] & bit:
            return False
        block[byte] |= bit
        return True

    def __contains__(self, number: int) -> bool:
        block = self._blocks.get(number >> _BITS)
        return block is not None and bool(block[number >> 3 & 0x1FFF] >> (number & 7) & 1)

    def __len__(self) -> int:
        return sum(int.from_bytes(block, "little").bit_count() for block in self._blocks.values())

    def __ior__(self, other: "IdSet") -> "IdSet":
        for high, block in other._blocks.items():
            mine = self._blocks.get(high)
            both = int.from_bytes(block, "little") | int.from_bytes(mine or b"", "little")
            self._blocks[high] = bytearray(both.to_bytes(len(block), "little"))
        return self
