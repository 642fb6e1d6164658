"""Predict the test accuracy of networks from their weights alone.

Trains a zoo of small CNNs on scikit-learn's digits with all kinds of hyperparameters, and families of networks over
networks on it. Run ``python examples/predict_generalization.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from common import console, digit_classifiers, read_options, say

from wsgraph.tasks import TaskMaker, compare


def main() -> None:
    """Make the zoo, compare, print the table."""
    options = read_options(__doc__ or "", "predict_generalization", ("dualflow", "scalegmn", "monomial", "flat"))
    zoo = digit_classifiers(options)
    accuracy = zoo.column("test_accuracy")
    low, high = (accuracy.quantile(q).item() for q in (0.05, 0.95))
    console.print(f"{zoo}\nTest accuracies from {low:.0%} to {high:.0%} (5 % and 95 % quantiles).")
    result = compare(
        TaskMaker("generalization"),
        zoo,
        options.out / ("runs-fast" if options.fast else "runs"),
        options.models,
        seeds=range(options.seeds),
        epochs=1 if options.fast else 30,
        batch_size=16,
    )
    say(result, "Test accuracy, predicted from weights: Kendall's rank correlation and R²")


if __name__ == "__main__":
    main()
