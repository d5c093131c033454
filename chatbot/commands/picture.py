"""A confusion matrix as a picture; needs matplotlib, an extra."""

from __future__ import annotations

from pathlib import Path

from chatbot.errors import OperationError, UsageError
from chatbot.inference.scoring import Scores

_FEW = 20
"""Labels up to which every number is written into its cell."""


def check() -> None:
    """Raise `OperationError` if no picture can be drawn."""
    try:
        import matplotlib  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError as error:
        raise OperationError(
            "a picture needs matplotlib, which is not installed",
            hint="pip install 'chatbot[pictures]'",
        ) from error


def draw(scores: Scores, path: Path) -> None:
    """Draw the confusion matrix, each row as shares of its label's texts, as PNG, SVG or PDF."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(scores.labels)
    if not scores.confusion:
        raise UsageError("texts with several labels have no confusion matrix")
    counts = [[scores.confusion.get(a, {}).get(b, 0) for b in names] for a in names]
    shares = [[each / max(sum(row), 1) for each in row] for row in counts]
    side = 2.5 + 0.35 * len(names) if len(names) <= _FEW else 2.5 + 0.18 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the label's texts")
    size = 9 if len(names) <= _FEW else 6
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    if len(names) <= _FEW:
        for row, own in enumerate(counts):
            for column, count in enumerate(own):
                dark = shares[row][column] > 0.5
                if count:
                    colour = "white" if dark else "black"
                    axes.text(column, row, str(count), ha="center", va="center", color=colour)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write the picture {path}: {error}") from error
