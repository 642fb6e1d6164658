"""Name the digit that an implicit neural representation (INR) shows, from its weights alone.

Fits INRs to scikit-learn's digits, trains families of networks over networks, and compares them on INRs of images that
none of them has seen. Run ``python examples/classify_inrs.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import compared, digit_inrs, read_options

from wsgraph.tasks import TaskMaker
from wsgraph.transforms import InputAffine


def main() -> None:
    """Make the INRs, compare, print the table."""
    options = read_options(__doc__ or "", "classify_inrs", ("dualflow", "scalegmn", "monomial", "flat"))
    augment = InputAffine(rotation=8, scale=(0.93, 1.07), shear=0.08, shift=0.08)
    title = "Accuracy on INRs of unseen digits"
    compared(options, TaskMaker("classify"), digit_inrs(options), title, 10, by="image_index", augment=augment)


if __name__ == "__main__":
    main()
