"""Kernel ridge regression with its exact leave-one-out predictions. Pure arithmetic.

The rule that it guards: what a choice is made by (a kernel, a penalty, a threshold) was
predicted for each example by a model that had not seen it. For this model that costs the
inversion of one triangle in all instead of one training an example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Solution:
    """A fit: `alphas` (examples x labels), `bias` (labels), and `held_back` (examples x labels),
    what each example gets from all others.
    """

    alphas: Any
    bias: Any
    held_back: Any


def gaussian_of(cosines: Matrix, gamma: float) -> Any:
    """Return exp(-gamma |l - r|²) of vectors of unit length, by their cosines, which stay so."""
    import numpy as np

    kernel = cosines - 1.0
    kernel *= 2.0 * gamma
    return np.exp(kernel, out=kernel)


def solve(kernel: Matrix, targets: Matrix, weights: Matrix, penalty: float) -> Solution:
    """Fit `targets` (examples x labels) with a bias that costs nothing.

    `weights` (examples) says how much each example counts. The held-back predictions follow
    Cawley and Talbot, "Fast exact leave-one-out cross-validation of sparse least-squares support
    vector machines" (2004): t - alpha / diagonal of the inverse of the bordered matrix. That of
    L Lᵀ are the squares of the columns of L's inverse: a third of the work of the whole inverse.
    """
    import numpy as np
    from scipy.linalg import lapack

    size = len(kernel)
    system = np.array(kernel.T, dtype=np.float64, order="F")  # symmetric: as it lies in memory
    system[np.arange(size), np.arange(size)] += penalty / weights
    factor, failed = lapack.dpotrf(system, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("the kernel is not positive definite")
    found, _ = lapack.dpotrs(factor, np.column_stack([targets, np.ones(size)]), lower=1)
    solved, ones = found[:, :-1], found[:, -1]
    triangle, _ = lapack.dtrtri(factor, lower=1, overwrite_c=1)
    bias = solved.sum(axis=0) / ones.sum()
    alphas = solved - ones[:, None] * bias
    diagonal = np.einsum("ij,ij->j", triangle, triangle) - ones**2 / ones.sum()
    return Solution(alphas, bias, targets - alphas / diagonal[:, None])
