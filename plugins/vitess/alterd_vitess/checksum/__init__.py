"""The checksum: source and shadow are compared completely before the swap.

* `forms`      a column's value as bytes that tell it from every other one. Pure
* `sums`       which expression sums a row of the source, which one a row of the shadow. Pure
* `parts`      ranges of the key, the last one without an end. Pure
* `comparing`  chunks and keys side by side, where both tables are read by the same key
* `apart`      the same where they are not; `ghosts` counts what no row of the source leads to
* `differing`  what a difference means: a change under way, a real one, one that came again. Pure
* `settling`   compares differing keys again until nothing is left; repairs once
* `walking`    a table cut into parts by an index
* `passing`    one pass over the table, side by side
* `checks`     when passes are made, and what the cut-over asks
"""

from alterd_vitess.checksum.checks import Checks

__all__ = ["Checks"]
