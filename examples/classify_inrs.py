"""Name the digit that an implicit neural representation (INR) shows, from its weights alone.

Fits INRs to scikit-learn's digits, trains families of networks over networks, and compares them on INRs of images that
none of them has seen. Run ``python examples/classify_inrs.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import console, digit_inrs, read_options, say

from wsgraph.tasks import TaskMaker, compare
from wsgraph.transforms import InputAffine


def main() -> None:
    """Make the INRs, compare, print the table."""
    options = read_options(__doc__ or "", "classify_inrs", ("dualflow", "scalegmn", "monomial", "flat"))
    inrs = digit_inrs(options)
    console.print(inrs)
    result = compare(
        TaskMaker("classify"),
        inrs,
        options.out / ("runs-fast" if options.fast else "runs"),
        options.models,
        seeds=range(options.seeds),
        epochs=1 if options.fast else 10,
        by="image_index",
        augment=InputAffine(rotation=8, scale=(0.93, 1.07), shear=0.08, shift=0.08),
    )
    say(result, "Accuracy on INRs of unseen digits")


if __name__ == "__main__":
    main()
