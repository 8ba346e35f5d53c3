"""
mutate.py
        Damage: bytes in, other bytes out.

Each kind takes a generator, the bytes and where to strike, and returns the
damaged bytes.  Ranges are lists of (start, end): what of a file is metadata
and what is data is known to the caller.
"""

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31,
           2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def place(rng, ranges, size):
    """An offset below size: one in the ranges where there are some."""
    ranges = [(a, min(b, size)) for a, b in ranges if a < size]
    total = sum(b - a for a, b in ranges)
    if total == 0:
        return rng.randrange(size)
    at = rng.randrange(total)
    for a, b in ranges:
        if at < b - a:
            return a + at
        at -= b - a
    raise AssertionError("an offset beyond the ranges")


def run_length(rng, size, at):
    """Lengths of runs: mostly short, sometimes pages."""
    longest = min(rng.choice((4, 16, 64, 512, 4096)), size - at)
    return rng.randint(1, longest)


def flip(rng, data, ranges):
    """Some bits."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        out[place(rng, ranges, len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def change(rng, data, ranges):
    """Some bytes."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 32))):
        out[place(rng, ranges, len(out))] = rng.randrange(256)
    return bytes(out)


def overwrite(rng, data, ranges, make):
    """A run of what make(length) gives."""
    at = place(rng, ranges, len(data))
    n = run_length(rng, len(data), at)
    return data[:at] + make(n) + data[at + n:]


def zeros(rng, data, ranges):
    return overwrite(rng, data, ranges, bytes)


def ones(rng, data, ranges):
    return overwrite(rng, data, ranges, lambda n: b"\xff" * n)


def noise(rng, data, ranges):
    return overwrite(rng, data, ranges, rng.randbytes)


def number(rng, data, ranges):
    """A number of 1 to 8 bytes that is at the edge of something."""
    at = place(rng, ranges, len(data))
    width = rng.choice((1, 2, 4, 8))
    if rng.randrange(2):
        at -= at % width
    value = rng.choice(NUMBERS) % 256**width
    return (data[:at] + value.to_bytes(width, "little") +
            data[at + width:])[:len(data)]


def swap(rng, data, ranges):
    """Two blocks change places."""
    block = rng.choice((8, 64, 512, 4096))
    if len(data) < 2 * block:
        return change(rng, data, ranges)
    a = min(place(rng, ranges, len(data)), len(data) - block)
    b = rng.randrange(len(data) - block + 1)
    a, b = min(a, b), max(a, b)
    if b - a < block:
        return change(rng, data, ranges)
    return (data[:a] + data[b:b + block] + data[a + block:b] +
            data[a:a + block] + data[b + block:])


def copy(rng, data, ranges):
    """A block is overwritten by another one."""
    at = place(rng, ranges, len(data))
    n = run_length(rng, len(data), at)
    source = rng.randrange(len(data) - n + 1)
    return data[:at] + data[source:source + n] + data[at + n:]


def shift(rng, data, ranges):
    """Bytes are lost or come in, and what follows moves."""
    at = place(rng, ranges, len(data))
    n = rng.choice((1, 2, 8, 512))
    if rng.randrange(2):
        return data[:at] + data[at + n:]
    return data[:at] + rng.randbytes(n) + data[at:]


def truncate(rng, data, ranges):
    """The end is missing."""
    if rng.randrange(2):
        return data[:place(rng, ranges, len(data))]
    return data[:max(0, len(data) - rng.choice((1, 2, 8, 100, 512, 4096)))]


def hole(rng, data, ranges):
    """What comes after is zeros, as a crash leaves a file."""
    at = place(rng, ranges, len(data))
    return data[:at] + bytes(len(data) - at)


KINDS = (flip, change, zeros, ones, noise, number, swap, copy, shift, truncate,
         hole)


def damage(rng, data, ranges):
    """Damage of a random kind: its name and the bytes, which are others."""
    while True:
        kind = rng.choice(KINDS)
        out = kind(rng, data, ranges)
        if out != data:
            return kind.__name__, out
