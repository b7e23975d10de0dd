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
    left.set_title("a title")
    left.text(0.2, 0.5, "words")
    left.annotate("a note", (0.8, 0.2), (5, 5), textcoords="offset points")
    right.imshow(np.eye(3), interpolation="nearest")
    figure.canvas.draw()
    blitting.redraw(figure)
    return figure, left, right, legend


def out(left, limits, point):
    """Move the point of a note out of its panel, and the note as far the other way: it stands where it stood, unseen."""
    note = left.texts[1]
    before = left.transData.transform(note.xy)
    left.set_xlim(*limits)
    note.xy = point
    note.set_position(tuple(5 + (before - left.transData.transform(point)) * 72 / left.figure.dpi))


CHANGES = {
    "limits": lambda left, right, legend: left.set_xlim(0, 10),
    "scale": lambda left, right, legend: left.set_yscale("symlog"),
    "ticks": lambda left, right, legend: left.set_xticks([0.1, 0.2], ["a", "b"]),
    "colour of a tick's label": lambda left, right, legend: left.get_yticklabels()[2].set_color("red"),
    "label of an axis": lambda left, right, legend: left.set_xlabel("x"),
    "title": lambda left, right, legend: left.title.set_text("another title"),
    "colour of a title": lambda left, right, legend: left.title.set_color("red"),
    "size of a title": lambda left, right, legend: left.title.set_fontsize(16),
    "weight of a title": lambda left, right, legend: left.title.set_fontweight("bold"),
    "title that goes": lambda left, right, legend: left.title.set_visible(False),
    "place of words": lambda left, right, legend: left.texts[0].set_y(0.6),
    "words that fade": lambda left, right, legend: left.texts[0].set_alpha(0.3),
    "words that turn": lambda left, right, legend: left.texts[0].set_rotation(30),
    "words on the other side": lambda left, right, legend: left.texts[0].set_horizontalalignment("right"),
    "words that stand lower": lambda left, right, legend: left.texts[0].set_verticalalignment("top"),
    "a frame about words": lambda left, right, legend: left.texts[0].set_bbox({"facecolor": "yellow"}),
    "what lies under words": lambda left, right, legend: left.lines[0].set_ydata([0.3, 0.7]),
    "what a note is of": lambda left, right, legend: setattr(left.texts[1], "xy", (0.7, 0.3)),
    "distance of a note": lambda left, right, legend: left.texts[1].set_position((9, 9)),
    "a note whose point goes out": lambda left, right, legend: out(left, left.get_xlim(), (2, 0.2)),
    "limits that leave out the point of a note": lambda left, right, legend: out(left, (0, 0.7), left.texts[1].xy),
    "place": lambda left, right, legend: left.set_position([0.2, 0.2, 0.2, 0.2]),
    "what lies under the legend": lambda left, right, legend: left.lines[0].set_ydata([1, 1]),
    "a name in the legend": lambda left, right, legend: legend.get_texts()[0].set_text("curve"),
    "a name that goes": lambda left, right, legend: legend.get_texts()[0].set_visible(False),
    "the image": lambda left, right, legend: right.images[0].set_data(np.ones((3, 3)) * [[0, 1, 0]]),
    "range of the image": lambda left, right, legend: right.images[0].set_clim(0, 3),
    "colours of the image": lambda left, right, legend: right.images[0].set_cmap("Greys"),
    "a hole in the image": lambda left, right, legend: right.images[0].set_data([[0, np.nan], [1, 0]]),
    "more pixels of the image": lambda left, right, legend: right.images[0].set_data(np.eye(5)),
    "size of the image": lambda left, right, legend: right.autoscale(False) or right.images[0].set_extent((0, 1.3, 1, 0)),
    "an image that fades": lambda left, right, legend: right.images[0].set_alpha(0.5),
    "an image that is smooth": lambda left, right, legend: right.images[0].set_interpolation("bilinear"),
    "an image that goes": lambda left, right, legend: right.images[0].set_visible(False),
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
    figure, left, right, legend = panels
    left.lines[0].set_data([0, 1], [0.1, 0.1])
    blitting.redraw(figure)
    for artist in (left.xaxis, left.title, *left.texts, legend):
        monkeypatch.setattr(artist, "draw", lambda renderer: pytest.fail("it has not changed"))
    monkeypatch.setattr(right.images[0], "make_image", lambda renderer: pytest.fail("its place has not changed"))
    left.lines[0].set_data([0, 1], [0.1, 0.05])
    right.images[0].set_data(np.eye(3)[::-1])
    kept = blitting.redraw(figure).copy()
    monkeypatch.undo()
    assert np.array_equal(kept, full(figure))


def test_grounds_seen_before_are_told_apart(panels):
    figure, left, *_ = panels
    at = np.random.default_rng(0).integers(6, size=60) / 6  # a line that goes to and fro beneath words, title and legend
    for height in at:
        left.lines[0].set_ydata([height, 1])
        kept = blitting.redraw(figure).copy()
        assert np.array_equal(kept, full(figure))


@pytest.mark.parametrize("origin", ["upper", "lower"])
@pytest.mark.parametrize("shape", [(3, 7), (40, 90), (300, 200), (200, 600, 4), (1, 5, 3)])
def test_an_image_has_the_pixels_of_the_nearest(shape, origin):
    figure = Figure()
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    rng = np.random.default_rng(1)
    image = ax.imshow(np.zeros(shape), interpolation="nearest", origin=origin, extent=(0.1, 3.3, 0.2, 2.9), vmin=0, vmax=1)
    figure.canvas.draw()
    for limits in ((0, 3), (0.1, 3.3), (0.3, 2.71)):  # wider than the image, as wide, narrower
        ax.set_xlim(*limits)
        for _ in range(2):
            image.set_data(rng.random(shape) if len(shape) == 2 else rng.integers(256, size=shape, dtype=np.uint8))
            kept = blitting.redraw(figure).copy()
            assert np.array_equal(kept, full(figure))
