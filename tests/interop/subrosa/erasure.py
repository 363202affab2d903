"""The systematic Reed-Solomon code of SPEC.md, section 6.6."""

from collections.abc import Mapping

SHARD_SIZE = 32
TOTAL_SHARDS = 255
POLYNOMIAL = 0x11D


def _tables() -> tuple[list[int], list[int]]:
    powers, logarithms = [0] * 510, [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value <<= 1
        if value & 0x100:
            value ^= POLYNOMIAL
    return powers, logarithms


_POWERS, _LOGARITHMS = _tables()


def _multiply(a: int, b: int) -> int:
    return _POWERS[_LOGARITHMS[a] + _LOGARITHMS[b]] if a and b else 0


def _divide(a: int, b: int) -> int:
    return _POWERS[_LOGARITHMS[a] + 255 - _LOGARITHMS[b]] if a else 0


def _interpolate(shards: Mapping[int, bytes], point: int) -> bytes:
    """The value at `point` of the polynomial through `shards` (Lagrange)."""
    if point in shards:
        return shards[point]
    result = bytearray(SHARD_SIZE)
    for index, shard in shards.items():
        weight = 1
        for other in shards:
            if other != index:
                weight = _multiply(weight, _divide(point ^ other, index ^ other))
        for position, value in enumerate(shard):
            result[position] ^= _multiply(weight, value)
    return bytes(result)


def split(data: bytes) -> dict[int, bytes]:
    """The data shards 0 .. k-1."""
    return {i // SHARD_SIZE: data[i : i + SHARD_SIZE] for i in range(0, len(data), SHARD_SIZE)}


def shard(data: bytes, index: int) -> bytes:
    """Shard `index`, 0 to 254, of data whose length is a multiple of 32."""
    return _interpolate(split(data), index)


def join(shards: Mapping[int, bytes], count: int) -> bytes:
    """The data, from any `count` different shards."""
    chosen = dict(list(shards.items())[:count])
    if len(chosen) < count:
        raise ValueError("too few shards")
    return b"".join(_interpolate(chosen, point) for point in range(count))
