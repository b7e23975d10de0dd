"""The law of colours: a role's colour stands for that role alone, is named, and can be seen and told apart.

`breaches`, `confused`, `faint` and `buried` say in words where a drawn figure breaks it.
"""

import itertools
import re

import matplotlib
import numpy as np
from matplotlib.collections import Collection, LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from fedlab_utils.book import colours
from fedlab_utils.book.colours import DOWNLINK, EARLIER, EXACT, LOSSY, SERIES, TOTAL, UPLINK
from fedlab_utils.book.plotting import HALO, is_drawn

ROLES = {"exact": EXACT, "lossy": LOSSY, "uplink": UPLINK, "downlink": DOWNLINK, "total": TOTAL, "earlier": EARLIER}
DECORATION = {colours.FRAME, colours.GRID, colours.FAINT, colours.BLANK, colours.PAPER}
PALETTE = {*ROLES.values(), *SERIES, *DECORATION, colours.INK, colours.MUTED, colours.GUIDE, "#000000"}

# A name in a legend that says one of these has that role's colour, the first that fits; and no other name has it.
SAYS = {
    "earlier": r"\bearlier\b|\bseen before\b|先前",
    "total": r"\btotal\b|总计",
    "downlink": r"\bdownlink\b|\bdown\b|下行",
    "uplink": r"\buplink\b|\bup\b|上行",
}
BOTH = r"both directions|上下行|双向"
# What an artist of this colour that is in no legend stands beside: in its panel's texts.
BESIDE = {
    "earlier": SAYS["earlier"],
    "total": r"total|one round|training|总计|一轮|整个训练",
    "downlink": r"down|下行|下发",
    "uplink": r"\bup\b|uplink|delta up|上行|上传",
    "lossy": r"lossy|bits?\b|coded|compress|quanti[sz]|after|energy|test accuracy|有损|位|压缩|量化|能量|测试准确率",
}


# What can be seen: WCAG 2.2, and Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15) at severity 1


def linear(colour):
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, other=colours.PAPER):
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


EYES = {
    "all three cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])


def lab(rgb):
    """CIELAB of linear RGB, at D65."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, eyes=tuple(EYES)):
    """The least distance in CIELAB that two colours have for these eyes. 2.3 is just noticeable, side by side."""
    return min(float(np.linalg.norm(lab(EYES[e] @ linear(one)) - lab(EYES[e] @ linear(other)))) for e in eyes)


# What is drawn


def seen(colour):
    """A colour as a string, and how opaque it is; nothing where it is not drawn."""
    red, green, blue, alpha = to_rgba(colour)
    return (matplotlib.colors.to_hex((red, green, blue)).upper(), alpha) if alpha else None


def colours_of(artist):
    """(colour, opacity) of all that an artist draws."""
    found = []
    if isinstance(artist, Line2D):
        marked = artist.get_marker() not in ("None", None, "", " ")
        if artist.get_linestyle() not in ("None", "none", "", " "):
            found.append(artist.get_color())
        if marked:
            found += [artist.get_markeredgecolor()] * (artist.get_markeredgewidth() > 0) + [artist.get_markerfacecolor()]
    elif isinstance(artist, Patch):
        found += [artist.get_facecolor()] if artist.get_fill() else []
        found += [artist.get_edgecolor()] if artist.get_linewidth() > 0 else []
    elif isinstance(artist, LineCollection):
        found += list(artist.get_edgecolor())
    elif isinstance(artist, Collection):
        found += list(artist.get_facecolor()) + (list(artist.get_edgecolor()) if np.any(artist.get_linewidth()) else [])
    elif isinstance(artist, Text):
        found.append(artist.get_color())
    opacity = artist.get_alpha()
    shades = [shade for shade in map(seen, found) if shade]
    return [(name, alpha if opacity is None or alpha < 1 else opacity) for name, alpha in shades]


def artists(ax):
    """What a panel draws of its data, and says; not its frame, its ticks and its grid."""
    rest = {*ax.spines.values(), ax.patch}
    for artist in ax.get_children():
        if artist in rest or not artist.get_visible() or isinstance(artist, (matplotlib.axis.Axis, matplotlib.image.AxesImage)):
            continue
        if isinstance(artist, (Line2D, PathCollection)) and not is_drawn(artist):
            continue
        if isinstance(artist, Text) and not artist.get_text().strip():
            continue
        yield artist
        if getattr(artist, "arrow_patch", None) is not None:
            yield artist.arrow_patch


def words(figure, ax):
    """All that stands in a panel, and in the legend of its figure."""
    texts = [*ax.findobj(Text), *(text for legend in figure.legends for text in legend.get_texts())]
    return " ".join(text.get_text() for text in texts if text.get_visible())


def role_named(label):
    if re.search(BOTH, label):
        return None
    return next((role for role, pattern in SAYS.items() if re.search(pattern, label)), None)


def breaches(figure):
    """Where a figure breaks the law, in words."""
    found = []
    by_colour = {colour: role for role, colour in ROLES.items()}
    for ax in figure.axes:
        text = words(figure, ax)
        bars = {id(bar): container.get_label() for container in ax.containers for bar in container}
        for artist in artists(ax):
            label = str(bars.get(id(artist), artist.get_label()))
            label = "" if label.startswith("_") or isinstance(artist, Text) else label
            shades = [colour for colour, _ in colours_of(artist)]
            found += [f"{colour} is no colour of the palette: {artist}" for colour in shades if colour not in PALETTE]
            role = role_named(label)
            if role and ROLES[role] not in shades:
                found.append(f"{label!r} is {role}, and has {shades}")
            for colour in {*shades} & {*by_colour}:
                what = by_colour[colour]
                if label and what in SAYS and role != what:
                    found.append(f"{label!r} has the colour of {what}")
                elif what in BESIDE and not re.search(BESIDE[what], label or text):
                    found.append(f"{label or artist!r} has the colour of {what}, and nothing in its panel says so: {text!r}")
    return found


def mark(artist):
    """How an artist is told from others but for its colour."""
    if isinstance(artist, Line2D):
        hollow = seen(artist.get_markerfacecolor()) is None or artist.get_markerfacecolor() == colours.PAPER
        marker = artist.get_marker() if artist.get_marker() not in ("None", None, "") else ""
        dashes = artist.get_linestyle() if not marker or artist.get_linestyle() not in ("None", "") else ""
        return marker, dashes if not artist.is_dashed() else f"{dashes} {artist._unscaled_dash_pattern}", hollow and bool(marker)
    return (type(artist).__name__,)


def confused(figure):
    """Pairs in a panel that a colour-blind reader takes for the same: near in colour, and of one mark."""
    found = []
    for ax in figure.axes:
        kinds = {}
        for artist in artists(ax):
            if isinstance(artist, (Line2D, Patch, PathCollection)):  # an error bar or a band goes with its line
                for colour, _ in colours_of(artist):
                    if colour not in DECORATION:
                        kinds.setdefault(mark(artist), set()).add(colour)
        for how, several in kinds.items():
            pairs = itertools.combinations(sorted(several), 2)
            found += [f"{one} and {other}, both {how}" for one, other in pairs if distance(one, other) < 12]
    return found


def without_words(figure):
    """The pixels of a figure with no letter in it, [height, width], each a number 0xRRGGBB: what words stand on."""
    words = [(text, text.get_color()) for text in figure.findobj(Text)]
    for text, _ in words:
        text.set_color("none")
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] @ [0x10000, 0x100, 1]
    for text, colour in words:
        text.set_color(colour)
    return pixels


def shades(pixels):
    """The colours of some pixels and how many have each."""
    several, counts = np.unique(pixels, return_counts=True)
    return [tuple(part / 255 for part in int(one).to_bytes(3, "big")) for one in several], counts


def buried(figure):
    """Lines that cannot be seen, for a quarter of their length or more, on the bars that they cross, and have no halo."""
    found, hidden = [], []
    drawn = [(ax, artist) for ax in figure.axes for artist in artists(ax) if isinstance(artist, Line2D)]
    drawn = [(ax, line) for ax, line in drawn if line.get_linestyle() not in ("None", "none", "", " ")]
    lines = [(ax, line) for ax, line in drawn if line.get_path_effects() != HALO]
    for ax in figure.axes:
        hidden += [a for a in ax.get_children() if isinstance(a, (Line2D, Collection)) and a.get_visible()]
    for artist in hidden:
        artist.set_visible(False)
    ground = without_words(figure)
    for artist in hidden:
        artist.set_visible(True)
    for ax, line in lines:
        corners = line.get_transform().transform(np.column_stack([np.asarray(d, float) for d in line.get_data()]))
        corners = corners[np.isfinite(corners).all(axis=1)]
        steps = [np.linspace(a, b, 2 + int(np.hypot(*(b - a)))) for a, b in itertools.pairwise(corners)]
        way = np.concatenate(steps) if steps else corners
        way = way[((way >= ax.bbox.min) & (way < ax.bbox.max)).all(axis=1)].astype(int)
        if len(way):
            alpha, colour = line.get_alpha() or 1, np.array(to_rgb(line.get_color()))
            under, counts = shades(ground[len(ground) - 1 - way[:, 1], way[:, 0]])
            seen_as = [alpha * colour + (1 - alpha) * np.array(one) for one in under]
            unseen = sum(n for n, one, line_there in zip(counts, under, seen_as, strict=True) if contrast(line_there, one) < 3)
            if unseen >= counts.sum() / 4:
                found.append(f"{line.get_label()}, {line.get_color()}: {unseen / counts.sum():.0%} of it")
    return found


def legibility(text, ground):
    """The contrast of a text with what it stands on, but for the quarter of it where that is least: grid lines.
    ground: of its figure, `without_words`."""
    box, height = text.get_window_extent(), len(ground)
    rows = slice(max(int(height - box.y1), 0), max(int(np.ceil(height - box.y0)), 1))
    several, counts = shades(ground[rows, max(int(box.x0), 0) : max(int(np.ceil(box.x1)), 1)])
    if not several:  # a tick beyond the figure
        return np.inf
    opacity, colour = 1 if text.get_alpha() is None else text.get_alpha(), np.array(to_rgb(text.get_color()))
    ratios = np.array([contrast(opacity * colour + (1 - opacity) * np.array(one), one) for one in several])
    order = np.argsort(ratios)
    return float(ratios[order][np.searchsorted(np.cumsum(counts[order]), counts.sum() / 4)])


def faint(figure):
    """What has too little contrast. Decoration need not be seen; a band goes with the line that it surrounds."""
    found, ground = [], without_words(figure)
    others = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        for artist in dict.fromkeys((*artists(ax), *(ax.findobj(Text) if ax.axison else []), *others)):
            if isinstance(artist, Text):
                if not artist.get_visible() or not artist.get_text().strip():
                    continue
                if (ratio := legibility(artist, ground)) < 4.5:
                    found.append(f"text {artist.get_text()!r}: {ratio:.2f}")
            elif not isinstance(artist, PolyCollection):
                for colour, alpha in colours_of(artist):
                    blended = tuple(alpha * np.array(to_rgb(colour)) + 1 - alpha)
                    if colour not in DECORATION and contrast(blended) < 3:
                        found.append(f"{artist}, {colour} at {alpha}: {contrast(blended):.2f}")
    return found
