"""Matrices: what may act on the units of a group beyond permutations and multipliers."""

import enum


class MatrixSet(enum.Enum):
    """The set from which the matrix that acts on the units of a group (of each of its pieces) may come.

    - ``ONE``: none but the identity.
    - ``GENERAL``: GL(n), any invertible matrix: queries and keys, values and outputs, low-rank factors.
    - ``ORTHOGONAL``: O(n), any orthogonal matrix: units that a norm reads beside linear maps.
    - ``COMPLEX``: a turn of a plane for each unit, by any angle. The units are planes: each has two numbers, its
      coordinates, wherever it stands (see :class:`~wsgraph.space.Plane`). With a free magnitude that is one complex
      number for each unit, which is what rotary positions leave of GL(n).
    """

    ONE = "{1}"
    GENERAL = "GL(n)"
    ORTHOGONAL = "O(n)"
    COMPLEX = "U(1)"

    def __bool__(self) -> bool:
        """Whether there is more than the identity."""
        return self is not MatrixSet.ONE

    @property
    def is_square(self) -> bool:
        """Whether one matrix acts on all units of a piece, in place of their permutations and multipliers."""
        return self in (MatrixSet.GENERAL, MatrixSet.ORTHOGONAL)

    def of_size(self, size: int) -> str:
        """Its name for pieces of some units: ``"GL(64)"``."""
        return self.value.replace("n", str(size))
