"""What is kept of a picture is what a full drawing would make: to the pixel, at random positions of every app."""

import drawn
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedlab_utils.book import blitting, plotting
from fedlab_utils.book.widgets import coding, cost, lossless, quantization, sparsification

MOVES = 25  # of each app: more than 200 in all


def pick(rng, *stops):
    return [tuple(several[rng.integers(len(several))] for several in stops) for _ in range(MOVES)]


def moves(name, rng):
    """A picture, and what it shows at random positions."""
    if name == "quantization":
        stops = quantization.SOURCES, list(map(int, quantization.BITS)), ("floor", "nearest", "stochastic"), ("model", "array")
        return quantization.QuantizationPicture(), (quantization.compute(*position) for position in pick(rng, *stops))
    if name == "sparsification":
        return sparsification.SparsificationPicture(), (sparsification.compute(*k) for k in pick(rng, sparsification.FRACTIONS))
    if name == "coding":
        return coding.CodingPicture(), (coding.compute("document", *of) for of in pick(rng, coding.BITS, coding.STOPS))
    if name == "lossless":
        stops = lossless.QUALITIES, list(lossless.BITS), (False, True)
        return lossless.CompressionPicture(), (lossless.compute(*position) for position in pick(rng, *stops))
    if name == "cost":
        stops = cost.WEIGHTS, cost.BITS, cost.BITS, cost.CLIENTS, cost.ROUNDS, cost.SPEEDS, cost.SPEEDS, (*cost.LINES, cost.OWN)
        return cost.CostPicture(), (cost.estimate_cost(*position) for position in pick(rng, *stops))
    shown = list({**drawn.QUICK, **drawn.TRAINING}[name]())  # a few positions, made up, in random order
    return shown[0][0], (shown[place][1] for place in rng.integers(len(shown), size=MOVES))


def full(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()


def differing(name):
    """At how many of the positions what is kept differs from a full drawing."""
    rng = np.random.default_rng(0)
    picture, data = moves(name, rng)
    wrong = 0
    for place, one in enumerate(data):
        if place == MOVES // 2:
            picture.guess = 0.7 if name == "lab" else 7.0
        picture.draw(one)
        if place == 0:
            plotting.webp(picture.figure)
        kept = blitting.redraw(picture.figure).copy()
        wrong += not np.array_equal(kept, full(picture.figure))
        assert (kept[..., :3] != 255).any()
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", drawn.QUICK)
def test_an_app_draws_what_a_full_drawing_would(name):
    assert differing(name) == 0


@pytest.mark.training
@pytest.mark.slow
@pytest.mark.parametrize("name", drawn.TRAINING)
def test_an_app_that_trains_draws_what_a_full_drawing_would(name):
    assert differing(name) == 0


@pytest.fixture
def panels():
    figure = Figure()
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], "o-", label="line")
    legend = left.legend(loc="upper left")
    right.imshow(np.eye(3))
    figure.canvas.draw()
    blitting.redraw(figure)
    return figure, left, right, legend


CHANGES = {
    "limits": lambda left, right, legend: left.set_xlim(0, 10),
    "scale": lambda left, right, legend: left.set_yscale("symlog"),
    "ticks": lambda left, right, legend: left.set_xticks([0.1, 0.2], ["a", "b"]),
    "colour of a tick's label": lambda left, right, legend: left.get_yticklabels()[2].set_color("red"),
    "label of an axis": lambda left, right, legend: left.set_xlabel("x"),
    "title": lambda left, right, legend: left.set_title("a title"),
    "place": lambda left, right, legend: left.set_position([0.2, 0.2, 0.2, 0.2]),
    "what lies under the legend": lambda left, right, legend: left.lines[0].set_ydata([1, 1]),
    "a name in the legend": lambda left, right, legend: legend.get_texts()[0].set_text("curve"),
    "a name that goes": lambda left, right, legend: legend.get_texts()[0].set_visible(False),
    "the image": lambda left, right, legend: right.images[0].set_data(np.ones((3, 3)) * [[0, 1, 0]]),
    "axes that go": lambda left, right, legend: left.set_axis_off(),
    "a text of the figure": lambda left, right, legend: left.figure.text(0.5, 0.5, "words"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_drawn_anew(panels, change):
    figure, *parts = panels
    before = full(figure)
    CHANGES[change](*parts)
    kept = blitting.redraw(figure).copy()
    assert not np.array_equal(kept, before) and np.array_equal(kept, full(figure))


def test_what_stays_is_not_drawn_again(panels, monkeypatch):
    figure, left, *_ = panels
    left.lines[0].set_data([0, 1], [0.1, 0.9])
    blitting.redraw(figure)
    monkeypatch.setattr(left.xaxis, "draw", lambda renderer: pytest.fail("the axis has not changed"))
    left.lines[0].set_data([0, 1], [0.2, 0.8])
    kept = blitting.redraw(figure).copy()
    monkeypatch.undo()
    assert np.array_equal(kept, full(figure))
