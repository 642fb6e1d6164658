"""Predict how networks were trained from their weights alone: optimiser, learning rate, share of the data, ...

Trains a zoo of small CNNs on scikit-learn's digits, and families of networks over networks on it. Run
``python examples/predict_hyperparameters.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import console, digit_classifiers, read_options, say

from wsgraph.tasks import TaskMaker, compare


def main() -> None:
    """Make the zoo, compare, print the table."""
    options = read_options(__doc__ or "", "predict_hyperparameters", ("dualflow", "monomial", "flat"))
    zoo = digit_classifiers(options)
    console.print(zoo)
    result = compare(
        TaskMaker("hyperparameters", ("optimizer", "lr", "initial_scale", "fraction")),
        zoo,
        options.out / ("runs-fast" if options.fast else "runs"),
        options.models,
        seeds=range(options.seeds),
        epochs=1 if options.fast else 30,
        batch_size=16,
    )
    say(result, "R² of numbers, share of right answers for the optimiser")


if __name__ == "__main__":
    main()
