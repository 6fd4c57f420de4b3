"""What cub takes to sort and to scan: the temporary storage of its device-wide algorithms.

Read from CCCL 3.0 (`cub/device/dispatch`), which is CUDA 13.0's, the toolkit of PyTorch 2.13's own
builds. Counts of items have 8 bytes, as PyTorch gives them.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..gpus import GPU
from .base import NotModelled, to_multiple, up

_ALIGNMENT = 256
_DIGIT_BITS, _DIGITS = 8, 256
_SINGLE_TILE_THREADS, _SINGLE_TILE_ITEMS = 256, 19
_SCAN_THREADS, _SCAN_ITEMS = 128, 15
_SCAN_BY_KEY_TILES = (((10, 0), 224 * 20), ((9, 0), 288 * 14), ((8, 6), 256 * 9),
                      ((8, 0), 256 * 15), ((0, 0), 256 * 9))
_PADDING = 32  # tiles


def _together(sizes: Iterable[int]) -> int:
    """Parts of one allocation, each aligned (`AliasTemporaries`)."""
    return sum(to_multiple(size, _ALIGNMENT) for size in sizes) + _ALIGNMENT - 1


def _scaled(items: int, size: int) -> int:
    """Items of a thread, given for 4 bytes, of another size (`RegBoundScaling`)."""
    return max(1, items * 4 // max(4, size))


def _sort_tile(key: int, value: int, gpu: GPU) -> int:
    """Items that a block sorts at a time (`OnesweepPolicy` of `tuning_radix_sort.cuh`)."""
    size, threads = max(key, value), 384
    if gpu.capability < (9, 0):
        if key < 4:
            raise NotModelled  # another algorithm, whose spine depends on what runs at a time
        items = 17 if key == 4 and value else 21
    elif key == 8:
        items = 24 if value == 8 else 30
    elif key == 4 and value == 8:
        items = 29
    elif value == 8:
        threads, items = (384, 18) if key == 1 else (512, 23)
    else:
        raise NotModelled
    return threads * _scaled(items, size)


def sort_bytes(count: int, bits: int, gpu: GPU, *, key: int = 8, value: int = 8) -> int:
    """What `DeviceRadixSort` takes to sort keys, with values or without, by so many bits.

    Counts of digits for each pass, what blocks tell the next one, a second copy of both where
    there are passes, and counters. Held against traces of an RTX 4090: 1 byte for 2,048 pairs,
    72,191 for 4,096 by 14 bits.

    Args:
        count: Items.
        bits: Of the key, from the lowest.
        gpu: Where it runs.
        key: Bytes of a key.
        value: Bytes of a value; 0 for keys alone.
    """
    if count <= _SINGLE_TILE_THREADS * _scaled(_SINGLE_TILE_ITEMS, max(key, value)) or bits == 0:
        return 1
    passes = up(bits, _DIGIT_BITS)
    copies = [key * count, value * count] if passes > 1 else [0, 0]
    return _together([passes * _DIGITS * 8, up(count, _sort_tile(key, value, gpu)) * _DIGITS * 4,
                      *copies, passes * 4])


def segmented_sort_bytes(count: int, key: int, value: int = 8) -> int:
    """What `DeviceSegmentedRadixSort` takes: a third copy of keys and values."""
    return _together([key * count, value * count])


def scan_bytes(count: int, size: int) -> int:
    """What `DeviceScan` takes to scan items of 4 or 8 bytes: a word for each tile.

    PyTorch adds with `std::plus`, which has no tuning of its own on any architecture. A trace of a
    CUDA 12 has 1,023 bytes for a short row of 8-byte numbers: CCCL 2 aligned once, 3 does twice.
    """
    if size not in (4, 8):
        raise NotModelled
    tiles = up(count, _SCAN_THREADS * max(1, min(_SCAN_ITEMS * 4 // size, _SCAN_ITEMS * 2)))
    return _together([_together([(tiles + _PADDING) * 2 * size])])


def scan_by_key_bytes(count: int, gpu: GPU) -> int:
    """What `DeviceScan::InclusiveSumByKey` takes for keys and values of 4 bytes.

    Held against a trace of an A100: 1,279 bytes for 32 of them.
    """
    tiles = up(count, next(tile for least, tile in _SCAN_BY_KEY_TILES if gpu.capability >= least))
    return _together([(tiles + _PADDING) * 16, 4 * (tiles + 1)])
