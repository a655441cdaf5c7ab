# SPDX-License-Identifier: MIT
"""Test guests that write as much as one likes: images patched where boot.S says."""

import pathlib
import struct

DIVISOR_AND_STRIPES = 504
TIMER_HERTZ = 1193182
STRIPE_PAGES = 16


def writing_image(source, target, pages, pages_per_second):
    """A copy of the image that keeps writing to so many pages, one after the other."""
    image = bytearray(pathlib.Path(source).read_bytes())
    divisor = TIMER_HERTZ * STRIPE_PAGES // pages_per_second
    struct.pack_into("<HI", image, DIVISOR_AND_STRIPES, divisor, pages // STRIPE_PAGES)
    pathlib.Path(target).write_bytes(image)
    return target
