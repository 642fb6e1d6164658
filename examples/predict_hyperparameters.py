"""Predict how networks were trained from their weights alone: optimiser, learning rate, share of the data, ...

Trains a zoo of small CNNs on scikit-learn's digits, and families of networks over networks on it. Run
``python examples/predict_hyperparameters.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import compared, digit_classifiers, read_options

from wsgraph.tasks import TaskMaker


def main() -> None:
    """Make the zoo, compare, print the table."""
    options = read_options(__doc__ or "", "predict_hyperparameters", ("dualflow", "monomial", "flat"))
    maker = TaskMaker("hyperparameters", ("optimizer", "lr", "initial_scale", "fraction"))
    title = "R² of numbers, share of right answers for the optimiser"
    compared(options, maker, digit_classifiers(options), title, 30, batch_size=16)


if __name__ == "__main__":
    main()
