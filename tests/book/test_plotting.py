"""Figures: they say in words what they show, and the colours of the key are those of the curves."""

import io
import threading
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from apps import picture_of
from matplotlib.figure import Figure
from PIL import Image

import fedlab_utils as fl
from fedlab_utils.book import plotting, widgets
from fedlab_utils.book.figures import mathematics
from fedlab_utils.book.widgets import tff

NEED_A_MODEL = {"partitions_explorer", "pruning_explorer", "distillation_explorer"}  # drawn in tests with the mark `training`


def figures():
    errors = {r: np.linspace(-1, 1, 50) for r in ("floor", "nearest", "stochastic")}
    curves = {r: np.array([0.3, 0.2, 0.1]) for r in errors}
    yield plotting.colour_key()
    yield mathematics.staircase()
    yield mathematics.rounding_errors(errors, 1.0)
    yield mathematics.error_of_mean([1, 10, 100], curves, curves)
    yield mathematics.magnitudes(fl.load_client_delta())


def test_every_figure_is_a_picture_with_alternative_text_in_its_language(language):
    for still in figures():
        image, alt = picture_of(still)
        assert image.width > 500 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 10, "the picture is empty"
        assert alt == still.alt == still._repr_mimebundle_()["text/plain"] and len(alt) > 20
        assert any("\u4e00" <= c <= "\u9fff" for c in alt) == (language == "zh")


def test_magnitudes_reports_the_energy_share_of_a_vector_worked_out_by_hand():
    x = np.array([3.0, 4.0] + [0.0] * 8)  # energies 9 and 16 of 25
    assert "the largest 10 % hold 64 %" in mathematics.magnitudes(x, fractions=(0.1,)).alt


def test_what_a_still_keeps_is_its_figure_to_the_eye_in_a_third_of_the_bytes():
    """A palette of 256 colours: paper stays white, and no pixel goes far from what was drawn."""
    grey = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    figure, (left, right) = plotting.new_figure(2)
    left.imshow(grey, cmap="viridis")
    right.plot(np.sin(9 * grey[0]), color=plotting.LOSSY)
    plotting.webp(figure)  # lays it out, for good
    kept, _ = picture_of(plotting.Still(figure, "waves"))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 9})
    drawn = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    off = np.abs(np.asarray(kept).astype(int) - drawn)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 400
    assert off.max() <= 16 and off.mean() < 0.5 and kept.getpixel((0, 0)) == (255, 255, 255)
    assert len(plotting.Still(figure, "waves")._png) < len(buffer.getvalue()) / 2


def test_an_image_tag_escapes_its_alternative_text():
    assert 'alt="a &lt;b&gt; &quot;c&quot;"' in plotting.image_tag(b"", 'a <b> "c"')


# The reader's own settings

HERS = {"font.family": ["serif"], "font.size": 17, "axes.grid": False, "grid.color": "r", "axes.spines.top": True,
        "legend.frameon": True, "axes.edgecolor": "g", "lines.linewidth": 7,
        "axes.titlesize": 23}  # fmt: skip


@pytest.fixture
def hers():
    with matplotlib.rc_context(HERS):
        before = dict(matplotlib.rcParams)
        yield
        assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_figures_and_apps_leave_the_settings_of_the_reader_alone(hers):
    before = dict(matplotlib.rcParams)
    for still in figures():
        assert still.alt and dict(matplotlib.rcParams) == before
    explorers = {name for name in widgets.__all__ if name.endswith(("_explorer", "_calculator"))}
    assert NEED_A_MODEL < explorers
    for make in (getattr(widgets, name) for name in sorted(explorers - NEED_A_MODEL)):
        app = make(predict=False)
        app.refresh()
        assert dict(matplotlib.rcParams) == before, make


def a_run(rounds):
    return tff.TffRun(4, [0.81 + 0.01 * n for n in range(rounds)], 20_000)


def test_while_an_app_draws_in_its_thread_the_reader_plots_with_her_own_settings(hers, monkeypatch):
    picture = tff.BitsPicture()
    picture.draw(a_run(1))
    plotting.webp(picture.figure)
    inside, leave, draw = threading.Event(), threading.Event(), plotting.redraw

    def slow(figure):
        inside.set()
        leave.wait(30)
        return draw(figure)

    monkeypatch.setattr(plotting, "redraw", slow)
    thread = threading.Thread(target=plotting.webp, args=(picture.figure,))
    thread.start()
    assert inside.wait(30)
    ax = Figure().subplots()
    line, text = *ax.plot([1, 2]), ax.set_xlabel("x")
    assert all(matplotlib.rcParams[name] == value for name, value in HERS.items())
    assert line.get_linewidth() == 7 and ax.spines.top.get_visible() and text.get_family() == ["serif"]
    leave.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_picture_keeps_its_style_whatever_the_reader_sets_later():
    def pictures(settings):
        picture = tff.BitsPicture()
        for rounds in (0, 1, 3):
            picture.guess = 20.0 if rounds == 3 else None  # which makes the axis longer
            with matplotlib.rc_context(settings if rounds else {}):
                picture.draw(a_run(rounds))
                yield plotting.webp(picture.figure)

    settings = {name: value for name, value in HERS.items() if name != "font.size"}  # of which the number of ticks depends
    assert list(pictures(settings)) == list(pictures({}))


def test_two_threads_are_never_in_the_style_at_once(hers):
    """Contexts that cross restore each other's settings, and the style of the book would stay for good."""
    inside, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first():
        with plotting.styled():
            inside.set()
            leave.wait(30)

    def other():
        with plotting.styled():
            second.set()

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    assert not second.wait(0.2)
    leave.set()
    for thread in threads:
        thread.join(30)
    assert second.is_set()


def test_the_style_is_entered_in_one_place():
    book = Path(plotting.__file__).parent
    assert [path.name for path in book.rglob("*.py") if "rc_context(" in path.read_text("utf-8")] == ["plotting.py"]
    assert Path(plotting.__file__).read_text("utf-8").count("rc_context(") == 1
