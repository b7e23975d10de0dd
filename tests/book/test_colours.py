"""The palette: every colour can be seen, and is written out in one place. Whether figures keep the law: test_pictures.py."""

import ast
import itertools
import re
from pathlib import Path

import matplotlib
import pytest
from colour_law import ROLES, breaches, confused, contrast, distance, faint, lab, linear
from matplotlib.colors import get_named_colors_mapping
from matplotlib.figure import Figure

import fedlab_utils.book as book
from fedlab_utils.book import colours
from fedlab_utils.book.colours import DOWNLINK, EARLIER, EXACT, SERIES, TOTAL, UPLINK


def test_contrast_and_distance_are_what_their_sources_say():
    assert contrast("#000000") == pytest.approx(21) and contrast("#777777") == pytest.approx(4.48, abs=0.005)
    assert contrast("#B9BEC6") < 2 and contrast("#56B4E9") < 2.4, "what the book had for earlier and for stochastic"
    assert lab(linear("#FF0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert distance("#FF0000", "#7A6A00") < distance("#FF0000", "#0000FF") / 2


@pytest.mark.parametrize("name", [*ROLES, *SERIES, "GUIDE"])
def test_every_colour_can_be_seen_on_white(name):
    colour = ROLES.get(name) or getattr(colours, name, name)
    assert contrast(colour) >= (3 if colour in (EARLIER, colours.GUIDE) else 4.5)
    assert contrast(colours.MUTED) >= 4.5 and contrast(colours.ALERT) >= 4.5
    assert all(contrast(verdict) >= 3 for verdict in colours.VERDICTS.values())


def test_roles_and_series_are_told_apart():
    for one, other in itertools.combinations([*ROLES.values(), *SERIES[:4]], 2):
        assert distance(one, other, ["all three cones"]) >= 25, (one, other)
    for one, other in itertools.combinations(ROLES.values(), 2):  # whatever meets: roles meet most
        assert distance(one, other) >= 18, (one, other)


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
