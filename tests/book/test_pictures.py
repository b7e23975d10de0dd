"""Every figure, every app, drawn once: no text on another or on a line, no bar without a zero, no name of what is not there;
and the law of colours (tests/colour_law.py)."""

import itertools

import drawn
import numpy as np
import pytest
from colour_law import breaches, buried, confused, faint
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.text import Text

from fedlab_utils.book import figures, widgets
from fedlab_utils.book.labels import spread
from fedlab_utils.book.plotting import Still, is_drawn, name_drawn

SLACK = 1.0  # pixels that two boxes may share: descenders that are not there


def texts(figure):
    """All texts that stand in a figure, with their boxes in pixels."""
    renderer = figure.canvas.get_renderer()
    hidden = {text for ax in figure.axes if not ax.axison for axis in (ax.xaxis, ax.yaxis) for text in axis.findobj(Text)}
    outside = set()
    for ax in figure.axes:  # ticks beyond the limits are there, and not drawn
        for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-12 <= tick.get_loc() <= high + 1e-12:
                    outside |= {tick.label1, tick.label2}
    found = {}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden and text not in outside:
            found[text] = text.get_window_extent(renderer)
    return found


def meet(a, b, slack=SLACK):
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


def overlaps(figure):
    """Texts that lie on each other, on a legend, on a point, across the edge of a bar, or beyond the figure; in words."""
    boxes, found, renderer = texts(figure), [], figure.canvas.get_renderer()
    for (one, here), (other, there) in itertools.combinations(boxes.items(), 2):
        if meet(here, there):
            found.append(f"{one.get_text()!r} lies on {other.get_text()!r}")
    whole = figure.bbox
    for text, box in boxes.items():
        if box.x0 < whole.x0 - 1 or box.y0 < whole.y0 - 1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1:
            found.append(f"{text.get_text()!r} is cut off")
    for ax in figure.axes:
        legend = ax.get_legend()
        named = [*legend.get_texts(), legend.get_title()] if legend else []
        shown = {text: text.get_window_extent(renderer) for text in named if text.get_visible() and text.get_text()}
        inside = {text for text in boxes if text.axes is ax and text not in named}
        for line in ax.lines:
            points = marked(line, ax)
            radius = line.get_markersize() * figure.dpi / 72 / 2 * 0.7
            for x, y in points:
                for box in shown.values():
                    if box.x0 - radius < x < box.x1 + radius and box.y0 - radius < y < box.y1 + radius:
                        found.append(f"a point of {line.get_label()} lies in the legend")
                for text in inside & set(ax.texts):
                    box = boxes[text]
                    if box.x0 < x < box.x1 and box.y0 < y < box.y1:
                        found.append(f"{text.get_text()!r} lies on a point of {line.get_label()}")
            stands = {text: boxes[text] for text in inside & set(ax.texts) if text.get_bbox_patch() is None}
            opaque = legend is not None and legend.get_frame_on() and legend.get_frame().get_alpha() == 1
            for text, box in (stands | ({} if opaque else shown)).items():
                if crosses(line, box):
                    found.append(f"{line.get_label()} runs through {text.get_text()!r}")
        for container in ax.containers:
            for bar in container if isinstance(container, BarContainer) else ():
                edges = bar.get_window_extent(renderer)
                for text in inside & set(ax.texts):
                    box = boxes[text]
                    within = edges.x0 <= box.x0 and box.x1 <= edges.x1 and edges.y0 <= box.y0 and box.y1 <= edges.y1
                    if bar.get_visible() and not within and meet(box, edges, 2):
                        found.append(f"{text.get_text()!r} lies across the edge of a bar")
    return found


def crosses(line, box):
    """Whether a line that is drawn runs through the inner part of a box."""
    if not is_drawn(line) or line.get_linestyle() in ("None", "none", "", " "):
        return False
    corners = line.get_transform().transform(line.get_path().vertices)  # with the corners of a line that steps
    return Path(corners[np.isfinite(corners).all(axis=1)]).intersects_bbox(box.padded(-0.2 * box.height), filled=False)


def marked(line, ax):
    """The points of a line that carry a marker and lie within its panel, in pixels."""
    if line.get_marker() in ("None", None, "") or not line.get_visible() or not len(line.get_xdata()):
        return []
    places = line.get_transform().transform(np.column_stack([np.asarray(d, float) for d in line.get_data()]))
    return [(x, y) for x, y in places if ax.bbox.x0 <= x <= ax.bbox.x1 and ax.bbox.y0 <= y <= ax.bbox.y1]


def bars_without_a_zero(figure):
    return [
        f"bars on a logarithmic axis: {ax.get_title() or ax.get_xlabel()}"
        for ax in figure.axes
        for container in ax.containers
        if isinstance(container, BarContainer)
        and (ax.yaxis if container.orientation == "vertical" else ax.xaxis).get_scale() != "linear"
    ]


def phantoms(figure):
    """Names in legends of what is not drawn."""
    found = []
    everything = [a for ax in figure.axes for a in (*ax.lines, *ax.collections, *ax.patches, *ax.containers)]
    legends = [*figure.legends, *(legend for ax in figure.axes if (legend := ax.get_legend()) is not None)]
    for legend in legends:
        for text in legend.get_texts():
            if text.get_visible() and legend.get_visible():
                named = [a for a in everything if a.get_label() == text.get_text()]
                if not any(is_drawn(a) for a in named):
                    found.append(f"{text.get_text()!r} is named, and not drawn")
    return found


def check(name, figure):
    faults = (overlaps, bars_without_a_zero, phantoms, breaches, confused, faint, buried)
    found = {fault.__name__: fault(figure) for fault in faults}
    assert {kind: places for kind, places in found.items() if places} == {}, name


@pytest.mark.parametrize("name", drawn.NAMES)
def test_a_figure_can_be_read_and_keeps_the_law_of_colours(name, language):
    check(name, drawn.figure(name))


@pytest.mark.parametrize("name", drawn.QUICK)
def test_an_app_can_be_read_and_keeps_the_law_of_colours(name, language):
    for place, figure in drawn.positions(name):
        check(place, figure)


@pytest.mark.training
@pytest.mark.parametrize("name", drawn.TRAINING)
def test_an_app_that_trains_can_be_read_and_keeps_the_law_of_colours(name, language):
    for place, figure in drawn.positions(name):
        check(place, figure)


def test_every_figure_of_the_book_is_looked_at():
    """A new figure: what its chapter passes to it, in tests/drawn.py."""
    there = set()
    for module in figures.__all__:
        try:
            functions = vars(getattr(figures, module))
        except ModuleNotFoundError:  # a chapter without figures
            continue
        own = {
            n: f for n, f in functions.items() if getattr(f, "__module__", "") == functions["__name__"] and not n.startswith("_")
        }
        there |= {
            f"{module}.{name}" for name, f in own.items() if getattr(f, "__annotations__", {}).get("return") == Still.__name__
        }
    assert there == {name for name, _, _ in drawn.calls()}


def test_every_app_of_the_book_is_looked_at():
    """A new app: some of its positions, in tests/drawn.py, by the name of the app or of its module."""
    apps = {name: {name.removesuffix("_still"), module} for name, module in widgets._WHERE.items() if name.endswith("_still")}
    there = {*drawn.QUICK, *drawn.TRAINING}
    assert [name for name, either in apps.items() if not either & there] == []
    assert len(apps) == len(there)


# That these tests see what they look for


@pytest.fixture
def panel():
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def test_what_cannot_be_read_is_found(panel):
    figure, ax = panel
    ax.bar([1, 2], [10, 100], label="bars")
    ax.set_yscale("log")
    ax.plot([], [], label="nothing")
    ax.plot([1.5], [30], "o", label="a point")
    ax.text(1.5, 30, "on the point", ha="center", va="center")
    ax.text(1.52, 31, "on the text", ha="center", va="center")
    ax.text(2.4, 50, "far too long to stand within the figure")
    ax.legend()
    figure.draw_without_rendering()
    said = " ".join(overlaps(figure))
    assert "lies on 'on the text'" in said and "on a point" in said and "edge of a bar" in said and "cut off" in said
    assert len(bars_without_a_zero(figure)) == 1 and phantoms(figure) == ["'nothing' is named, and not drawn"]


def test_a_line_that_steps_runs_where_it_is_drawn(panel):
    figure, ax = panel
    ax.set(xlim=(0, 10), ylim=(0, 10))
    ax.plot([0, 8], [0, 8], drawstyle="steps-post", label="best")
    ax.text(4, 4, "between", ha="center", va="center")  # on the slope between its points, where nothing is drawn
    figure.draw_without_rendering()
    assert overlaps(figure) == []
    ax.text(8, 5, "on it", ha="center", va="center")
    figure.draw_without_rendering()
    assert overlaps(figure) == ["best runs through 'on it'"]


def test_a_legend_names_what_is_drawn_alone(panel):
    figure, ax = panel
    artists = [*ax.plot([], [], label="later"), ax.scatter([], [], label="points"), ax.bar([0], [0], label="bars")]
    legend = ax.legend(handles=artists)
    name_drawn(legend, artists)
    assert phantoms(figure) == [] and not any(text.get_visible() for text in legend.get_texts())
    artists[0].set_data([1], [2])
    name_drawn(legend, artists)
    assert not legend.get_texts()[0].get_visible(), "one point of a line is nothing"
    artists[0].set_data([1, 2], [2, 3])
    artists[1].set_offsets([[1, 1]])
    artists[2][0].set_height(3)
    name_drawn(legend, artists)
    assert phantoms(figure) == [] and all(text.get_visible() for text in legend.get_texts())


def test_labels_find_room(panel):
    figure, ax = panel
    ax.set(xlim=(0, 1), ylim=(0, 1))
    places = [(0.5 + 0.01 * n, 0.5) for n in range(6)] + [(0.02, 0.99), (0.99, 0.01)]
    ax.plot(*zip(*places, strict=True), "o", ms=7)
    labels = [ax.annotate(str(n), place, (0, 0), textcoords="offset points", fontsize=8) for n, place in enumerate(places, 1)]
    spread(ax, labels, marker=7)
    figure.draw_without_rendering()
    assert overlaps(figure) == []
    boxes = [label.get_window_extent() for label in labels]
    assert all(ax.bbox.x0 <= b.x0 and b.x1 <= ax.bbox.x1 and ax.bbox.y0 <= b.y0 and b.y1 <= ax.bbox.y1 for b in boxes)
    assert isinstance(ax.lines[0], Line2D)


def test_a_label_beside_another_is_not_read_with_it_as_one_number(panel):
    figure, ax = panel
    ax.set(xlim=(0, 1), ylim=(0, 1))
    labels = [ax.annotate("1", (0.5, 0.5), (0, 0), textcoords="offset points", fontsize=8) for _ in range(3)]
    figure.draw_without_rendering()
    wide = labels[0].get_window_extent().width
    for number, label in enumerate(labels):
        label.xy = (0.5 + number * (wide + 1) / ax.bbox.width, 0.5)  # room for each above its point, a pixel apart
    spread(ax, labels, marker=3)
    boxes = [label.get_window_extent() for label in labels]
    level = [(a, b) for a in boxes for b in boxes if a.x0 < b.x0 and a.y0 < b.y1 and b.y0 < a.y1]
    assert all(b.x0 - a.x1 > 2 * figure.dpi / 72 for a, b in level) and len({box.y0 for box in boxes}) > 1
