"""The order in which a confusion matrix shows its classes: those that are taken for each other side by side."""

from __future__ import annotations

from collections.abc import Sequence

_OPTIMAL = 300
"""Classes up to which the leaves are ordered optimally, which takes time with the square of their number and more."""

_EARLIER = 1e-3
"""How much less alike the first and the last class of the given order are, so that ties keep that order."""


def similar_order(counts: Sequence[Sequence[int]]) -> list[int]:
    """A permutation of the classes by how often they are confused, from a confusion matrix of images (K, K).

    Average-linkage clustering of the row-normalised matrix made symmetric, its leaves in the order that has the
    smallest distances between neighbours (Bar-Joseph, Gifford & Jaakkola 2001). Classes that are never confused keep
    their order, and the first class stands in the first half.
    """
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    table = np.asarray(counts, dtype=np.float64)
    classes = len(table)
    if classes < 3:
        return list(range(classes))
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    alike = (shares + shares.T) / 2
    np.fill_diagonal(alike, 0)
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) / classes
    distances = squareform(1 - alike / max(alike.max(), 1e-12) + _EARLIER * apart, checks=False)
    tree = linkage(distances, "average")
    if classes <= _OPTIMAL:
        tree = optimal_leaf_ordering(tree, distances)
    order = [int(index) for index in leaves_list(tree)]
    return order if order.index(0) < classes / 2 else order[::-1]
