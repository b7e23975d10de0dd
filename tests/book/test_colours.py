"""The palette: every colour can be seen, and is written out in one place. Whether figures keep the law: test_pictures.py."""

import ast
import itertools
import re
from pathlib import Path

import matplotlib
import pytest
from colour_law import ROLES, breaches, buried, confused, contrast, distance, faint, lab, linear
from matplotlib.colors import get_named_colors_mapping
from matplotlib.figure import Figure

import fedlab_utils
import fedlab_utils.book as book
from fedlab_utils.book import colours
from fedlab_utils.book.colours import DOWNLINK, EARLIER, EXACT, SERIES, TOTAL, UPLINK, VIOLET
from fedlab_utils.book.plotting import HALO


def test_contrast_and_distance_are_what_their_sources_say():
    assert contrast("#000000") == pytest.approx(21) and contrast("#777777") == pytest.approx(4.48, abs=0.005)
    assert contrast("#B9BEC6") < 2 and contrast("#56B4E9") < 2.4, "what the book had for earlier and for stochastic"
    assert lab(linear("#FF0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert distance("#FF0000", "#7A6A00") < distance("#FF0000", "#0000FF") / 2


@pytest.mark.parametrize("name", [*ROLES, *SERIES, "GUIDE"])
def test_every_colour_can_be_seen_on_white(name):
    colour = ROLES.get(name) or getattr(colours, name, name)
    assert contrast(colour) >= (3 if colour in (EARLIER, colours.GUIDE) else 4.5)
    assert contrast(colours.MUTED) >= 4.5


PAGES = ("#FFFFFF", "#111111", "#212121")  # what JupyterLab's light and dark themes lay below outputs and widgets


@pytest.mark.parametrize("page", PAGES)
def test_the_edges_of_messages_can_be_seen_on_a_light_and_on_a_dark_page(page):
    assert all(contrast(edge, page) >= 3 for edge in (colours.ALERT, *colours.VERDICTS.values()))


OWN_COLOUR = re.compile(r"(?<![\w-])(?:color|background(?:-color)?):(?!var\(--jp-)")


def own_colours(source):
    """Where HTML that a module writes has words or ground of a colour of its own, on a page that may be light or dark."""
    constants = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return [match.group() for text in constants if isinstance(text, str) for match in OWN_COLOUR.finditer(text)]


@pytest.mark.parametrize("path", sorted(Path(fedlab_utils.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_words_and_their_ground_have_the_colours_of_the_page(path):
    """But a picture, which brings its paper along, with nothing written on it but what is drawn."""
    paper = ["background-color:"] if path.name == "plotting.py" else []
    assert own_colours(path.read_text("utf-8")) == paper


def test_html_with_a_colour_of_its_own_is_found():
    for style in ("color:{ALERT}", "background:#fff", "padding:1px;background-color:white"):
        assert len(own_colours(f'x = f"<b style=\\"{style}\\">"')) == 1, style
    assert own_colours('"border-left:4px solid red;background:var(--jp-layout-color2, none);border-color:red"') == []


def test_roles_and_series_are_told_apart():
    for one, other in itertools.combinations([*ROLES.values(), *SERIES[:4]], 2):
        assert distance(one, other, ["all three cones"]) >= 25, (one, other)
    for one, other in itertools.combinations(ROLES.values(), 2):  # whatever meets: roles meet most
        assert distance(one, other, ["all three cones", "protanopia", "deuteranopia"]) >= 18, (one, other)
        assert distance(one, other) >= 12, (one, other)  # tritanopia, which one reader in ten thousand has


# Named in one place

HEX = re.compile(r"#[0-9A-Fa-f]{3,8}\b")
NAMED = {name for name in get_named_colors_mapping() if len(name) > 1} - {"none"}
SETS_A_COLOUR = re.compile(r"^(c|fc|ec|mfc|mec|.*colou?rs?)$")


def literals(source):
    """Colours that a module writes out: hexadecimal ones anywhere, names of Matplotlib's where a colour is given."""
    found = []
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            found += HEX.findall(node.value)
        given = []
        if isinstance(node, ast.keyword) and node.arg and SETS_A_COLOUR.match(node.arg):
            given = [node.value]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            given = [v for k, v in pairs if isinstance(k, ast.Constant) and SETS_A_COLOUR.match(str(k.value))]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.endswith("color"):
            given = node.args
        for expression in given:
            for part in ast.walk(expression):
                named = isinstance(part, ast.Constant) and isinstance(part.value, str)
                if named and (part.value in NAMED or part.value in "rgbcmykw" or part.value.replace(".", "").isdigit()):
                    found.append(part.value)
    return found


@pytest.mark.parametrize("path", sorted(Path(book.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_only_the_palette_writes_colours_out(path):
    assert path.name == "colours.py" or literals(path.read_text("utf-8")) == []


def test_a_colour_that_is_written_out_is_seen():
    for line in ("ax.plot(x, color='#123456')", "ax.bar(x, fc='white')", "d = {'edgecolor': 'black'}", "t.set_color('k')",
                 "ax.plot(x, mec='0.5')", "f('<p style=\"color:#b00020\">')", "bar(color=['red', LOSSY])"):  # fmt: skip
        assert len(literals(line)) == 1, line
    assert literals("'''#123456'''\nax.plot(x, 'o', color=LOSSY, mfc='none', label='red', ls='-.', cmap='gray')") == []


def panel():
    figure = Figure()
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    return figure, figure.subplots()


@pytest.mark.parametrize(
    ("label", "colour"),
    [("uplink", DOWNLINK), ("下行", UPLINK), ("total (up + down)", UPLINK), ("earlier runs", SERIES[0]), ("places", UPLINK),
     ("nodes", TOTAL), ("federated", EARLIER), ("the model", "#123456")],
)  # fmt: skip
def test_a_colour_used_for_another_role_is_found(label, colour):
    figure, ax = panel()
    ax.plot([1, 2], label=label, color=colour)
    ax.legend()
    assert len(breaches(figure)) >= 1
    figure, ax = panel()
    ax.barh([0], [1], label=label, color=colour)
    assert len(breaches(figure)) >= 1


def test_a_role_without_its_name_is_found_and_with_it_is_not():
    figure, ax = panel()
    ax.scatter([1], [1], color=UPLINK)
    assert len(breaches(figure)) == 1
    ax.set_xlabel("kilobytes up")
    assert breaches(figure) == []


def test_what_a_colour_blind_reader_confuses_is_found_and_what_is_faint():
    figure, ax = panel()
    ax.plot([1, 2], color="#D55E00")
    ax.plot([2, 1], color="#8F6A00")
    assert len(confused(figure)) == 1
    ax.lines[1].set_linestyle("--")
    assert confused(figure) == []
    ax.text(0.5, 1.5, "words", color=EARLIER)
    ax.plot([1, 1], color=EXACT, alpha=0.3)
    assert len(faint(figure)) == 2
    ax.imshow([[0, 1]], cmap="gray", alpha=0)
    ax.lines[1].set_linestyle("-")
    assert len(confused(figure)) == 1, "a panel with an image is looked at as well"


def test_a_line_that_bars_bury_is_found_and_one_with_a_halo_or_beside_them_is_not():
    figure, ax = panel()
    ax.bar([1, 3], [1, 1], color=VIOLET)
    ax.set(xlim=(0, 5), ylim=(0, 1.2))
    line, beside = (ax.axvline(x, color=EXACT) for x in (1, 2))
    ax.plot([0, 5], [1.1, 1.1], color=EXACT, label="above")
    assert [said.split(",")[0] for said in buried(figure)] == [line.get_label()]
    line.set_path_effects(HALO)
    assert buried(figure) == []
    assert beside.get_visible() and line.get_visible(), "what was hidden to look is there again"


def test_words_that_what_lies_beneath_makes_illegible_are_found():
    """A bar, a half transparent band, an image, a legend of the figure; and a box of their own, or a grid line, saves them."""
    figure, ax = panel()
    ax.set(xlim=(0, 5), ylim=(0, 1))
    ax.bar([1], [1], color=TOTAL)
    ax.fill_between([1.6, 2.4], 0, 1, color=EXACT, alpha=0.6)
    ax.imshow([[0.5]], cmap="gray", vmin=0, vmax=1, extent=(2.6, 3.4, 0, 1), aspect="auto")
    for x, name in ((1, "bar"), (2, "band"), (3, "image")):
        ax.text(x, 0.5, name, ha="center", color=EXACT)
    ax.text(1, 0.2, "boxed", ha="center", color=EXACT, bbox={"fc": colours.PAPER, "ec": "none"})
    ax.text(4, 0.5, "on paper", ha="center", color=EXACT)
    figure.legend(handles=ax.plot([], [], color=EXACT, label="legend"), labelcolor=EARLIER)
    ax.grid(True)
    assert sorted(fault.split("'")[1] for fault in faint(figure)) == ["band", "bar", "image", "legend"]
    assert ax.texts[0].get_color() == EXACT, "the words are as they were"
