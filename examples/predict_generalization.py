"""Predict the test accuracy of networks from their weights alone.

Trains a zoo of small CNNs on scikit-learn's digits with all kinds of hyperparameters, and families of networks over
networks on it. Run ``python examples/predict_generalization.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import compared, console, digit_classifiers, read_options

from wsgraph.tasks import TaskMaker


def main() -> None:
    """Make the zoo, compare, print the table."""
    options = read_options(__doc__ or "", "predict_generalization", ("dualflow", "scalegmn", "monomial", "flat"))
    zoo = digit_classifiers(options)
    low, high = (zoo.column("test_accuracy").quantile(q).item() for q in (0.05, 0.95))
    console.print(f"Test accuracies from {low:.0%} to {high:.0%} (5 % and 95 % quantiles).")
    title = "Test accuracy, predicted from weights: Kendall's rank correlation and R²"
    compared(options, TaskMaker("generalization"), zoo, title, 30, batch_size=16)


if __name__ == "__main__":
    main()
