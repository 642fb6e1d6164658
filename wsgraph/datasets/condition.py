"""Which rows of a table meet a condition."""

from __future__ import annotations

import pandas
import torch
from torch import Tensor

from wsgraph.datasets.tables import listed
from wsgraph.errors import WSGraphError


def matching(table: pandas.DataFrame, condition: str) -> Tensor:
    """Booleans ``[n]``: the rows where a condition is true.

    Raises:
        WSGraphError: It cannot be evaluated, or is not true or false for every row.
    """
    try:
        result = table.eval(condition, engine="python")
    except Exception as error:
        raise WSGraphError(
            f"The condition {condition!r} cannot be evaluated: {error}. Expected an expression such as "
            f"\"activation == 'relu' and accuracy > 0.4\" over the columns {listed(table)}."
        ) from error
    if not isinstance(result, pandas.Series) or not pandas.api.types.is_bool_dtype(result.dtype):
        kind = result.dtype if isinstance(result, pandas.Series) else type(result).__name__
        raise WSGraphError(
            f"Expected a condition that is true or false for every network, but {condition!r} gives {kind}; the "
            f"columns are {listed(table)}."
        )
    return torch.tensor(result.to_numpy(bool, na_value=False))
