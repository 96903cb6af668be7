"""How a loop over many rows is compiled, where no expression of Polars is quick enough.

What is compiled is kept on disk, beside the file that defines it or else in the user's cache. Numba
looks at that file alone to see whether it is out of date, so all that a loop calls stands in it.
The constants of other files that it takes are kept as they were: whoever changes one changes the
loop's file too, if only by a word.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import polars as pl


@contextmanager
def uncollected() -> Iterator[None]:
    """For what loads a lot that stays: Python does not look through it for garbage.

    Of what it takes to load Numba and a loop, that is a quarter.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


with uncollected():
    from numba import njit

# Nothing in a loop makes an array. That Numba counts who refers to one all the same took a third of
# the time.
inlined = njit(forceinline=True, _nrt=False)


def compiled(function: Callable) -> Callable:
    """Compile a function, and keep what comes of it where there is a place for that."""
    try:
        return njit(function, cache=True, nogil=True, _nrt=False)
    except RuntimeError:  # Neither its folder nor the user's cache can be written to.
        return njit(function, nogil=True, _nrt=False)


@contextmanager
def loading() -> Iterator[None]:
    """For the first call of a loop, which compiles it or loads what is kept.

    Where SciPy is installed, Numba loads its linear algebra too, which no loop uses: half of all
    that it loads. So it seems not to be installed meanwhile.
    """
    module = "scipy.linalg"
    is_hidden = module not in sys.modules
    if is_hidden:
        sys.modules[module] = None
    try:
        with uncollected():
            yield
    finally:
        if is_hidden:
            del sys.modules[module]


def values_of(numbers: pl.Series) -> np.ndarray:
    """Numbers as an array that cannot be written to, for each kind is compiled by itself."""
    values = numbers.to_numpy().view()
    values.flags.writeable = False
    return values
