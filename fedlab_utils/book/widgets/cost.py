"""Cost calculator (document, 1.3): from weights, clients, rounds and lines to megabytes and seconds. An estimate, not a cost.

Everywhere else in the book a cost is len(payload). Here nothing is encoded and nothing sent: headers, places of a sparse
vector, latency, lost packets, waiting for the slowest client and the time to compute are all left out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import ipywidgets as w
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from ...language import say
from ...validation import require_choice, require_integer, require_number
from ..colours import DOWNLINK, EXACT, GUIDE, INK, MUTED, TOTAL, UPLINK
from ..exercises.asking import Prediction, compare
from ..plotting import Still, new_figure, styled
from .base import CONTROL, LABEL, Explorer
from .units import bytes_text, in_formula, seconds_text, weights_text

# Round numbers in Mbit/s (up, down), as examples only: real lines differ widely by place, tariff and hour.
LINES = {"4G": (10, 40), "5G": (50, 250), "home": (20, 100)}
OWN = "own"
SPEEDS = (1, 2, 5, 10, 20, 40, 50, 100, 250, 500, 1000)
WEIGHTS = (101_770, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
BITS = (0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32)
CLIENTS = (1, 10, 30, 100, 300, 1000)
ROUNDS = (1, 10, 30, 100, 300, 1000)
SECONDS, MEGABYTES = (1e-6, 1e9), (1e-3, 1e10)  # limits of the logarithmic axes
ASKED = {"n_weights": 10_000_000, "uplink_bits": 32, "uplink_mbit": 10}  # by the question


class CostData(NamedTuple):
    """What the calculator finds. *_bytes of one message, of a round (all clients), of the training; seconds per client."""

    line: str
    n_weights: int
    uplink_bits: float
    downlink_bits: float
    clients: int
    rounds: int
    uplink_mbit: float
    downlink_mbit: float
    uplink_bytes: float
    downlink_bytes: float
    round_bytes: float
    total_bytes: float
    uplink_seconds: float
    downlink_seconds: float
    round_seconds: float
    total_seconds: float
    float32_seconds: float
    seconds_by_line: dict[str, float]


@lru_cache(maxsize=256)
def estimate_cost(
    n_weights: int = 10_000_000,
    uplink_bits: float = 32,
    downlink_bits: float = 32,
    clients: int = 10,
    rounds: int = 100,
    uplink_mbit: float = 10,
    downlink_mbit: float = 40,
    line: str = OWN,
) -> CostData:
    """Megabytes and seconds by the formula: message = weights · bits / 8 bytes, time = 8 · bytes / (Mbit/s · 10⁶).

    *_bits: bits per weight; *_mbit: speed of one client's line in Mbit/s. clients: per round, each on a line of its own, all
    at once, so that a round takes as long as one client: down, then up. line: only names the speeds. ValueError or
    TypeError out of range. Theory: no header, no latency, no computing time.
    """
    n_weights = require_integer("n_weights", n_weights, 1)
    clients, rounds = require_integer("clients", clients, 1), require_integer("rounds", rounds, 1)
    uplink_bits = require_number("uplink_bits", uplink_bits, 0, 64)
    downlink_bits = require_number("downlink_bits", downlink_bits, 0, 64)
    uplink_mbit, downlink_mbit = require_number("uplink_mbit", uplink_mbit, 0), require_number("downlink_mbit", downlink_mbit, 0)
    require_choice("line", line, (*LINES, OWN))

    def seconds(bits_up, bits_down, up, down):  # 1 Mbit/s is 10^6 bits, not bytes, a second
        return n_weights * bits_up / (up * 1e6), n_weights * bits_down / (down * 1e6)

    up_bytes, down_bytes = n_weights * uplink_bits / 8, n_weights * downlink_bits / 8
    up, down = seconds(uplink_bits, downlink_bits, uplink_mbit, downlink_mbit)
    by_line = {name: rounds * sum(seconds(uplink_bits, downlink_bits, *speeds)) for name, speeds in LINES.items()}
    round_bytes = clients * (up_bytes + down_bytes)
    return CostData(
        line, n_weights, uplink_bits, downlink_bits, clients, rounds, uplink_mbit, downlink_mbit, up_bytes, down_bytes,
        round_bytes, rounds * round_bytes, up, down, up + down, rounds * (up + down),
        sum(seconds(32, 32, uplink_mbit, downlink_mbit)), by_line,
    )  # fmt: skip


def line_name(line: str) -> str:
    return {"4G": "4G", "5G": "5G", "home": say("home line", "家庭宽带"), OWN: say("other", "其他")}[line]


class CostPicture:
    """Bytes, seconds of a round, seconds of the training by line. Dots and bars are hollow: theory, nothing was sent."""

    def __init__(self):
        self.guess: float | None = None
        self.figure, (self.size, self.time, self.lines) = new_figure(3, width=10.2, height=3.3)
        with styled():
            rows = (
                say("one uplink", "一次上行"),
                say("one downlink", "一次下行"),
                say("one round", "一轮"),
                say("training", "整个训练"),
            )
            self._sizes, self._size_texts = self._dots(self.size, rows, (UPLINK, DOWNLINK, TOTAL, TOTAL), MEGABYTES)
            self.size.set_title(say("Estimated data (log axis)", "数据量估算（对数轴）"))
            rows = (*rows[:3], say("in float32", "用 float32"))
            # A linear axis: which direction takes how much of a round is to be seen.
            self._times, self._time_texts = self._bars(self.time, rows, (UPLINK, DOWNLINK, TOTAL, EXACT))
            self.time.set_title(say("Estimated seconds, a client", "每个客户端用时估算（秒）"))
            self.time.set_ylim(-0.5, 3.9)
            (self._guess,) = self.time.plot([], [], "D", ms=7, mfc="none", mec=EXACT, zorder=6)
            self._guess_word = self.time.text(0, 3.55, "", va="center", fontsize=8, color=EXACT)
            lines = (*map(line_name, LINES), say("speeds set here", "当前速率"))
            self._lines, self._line_texts = self._dots(self.lines, lines, (GUIDE, GUIDE, GUIDE, EXACT), SECONDS)
            self.lines.set_title(say("Estimated seconds in all (log)", "整个训练用时估算（秒，对数轴）"))

    @staticmethod
    def _rows(ax, rows):
        """The rows of a panel."""
        places = np.arange(len(rows))[::-1]
        ax.set(yticks=places, yticklabels=rows)
        ax.tick_params(axis="x", labelsize=8)
        return places

    def _bars(self, ax, rows, colours):
        places = self._rows(ax, rows)
        texts = [ax.text(1, place, "", va="center", fontsize=9) for place in places]
        bars = ax.barh(places, np.ones(len(rows)), 0.55, fill=False, edgecolor=colours, ls="--", lw=1.6)
        for bar, colour in zip(bars, colours, strict=True):
            bar.set_hatch("//")
            bar.set_edgecolor(colour)
        ax.grid(False, axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.9g}"))
        return bars, texts

    def _dots(self, ax, rows, colours, limits):
        """On a logarithmic axis a bar's length would say nothing: it has no zero to begin at."""
        places = self._rows(ax, rows)
        texts = [ax.annotate("", (1, y), (9, 0), textcoords="offset points", va="center", fontsize=9) for y in places]
        look = {"marker": "o", "ls": "none", "ms": 8, "mfc": "none", "mew": 1.8, "clip_on": False}  # whole at the axis ends
        dots = [ax.plot(1, y, mec=c, **look)[0] for y, c in zip(places, colours, strict=True)]
        ax.set(xscale="log", xlim=limits, ylim=(-0.5, len(rows) - 0.5))
        ax.set_xticks(10.0 ** np.arange(np.log10(limits[0]), np.log10(limits[1]) + 0.5, 3))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: bytes_text(x * 1e6) if limits == MEGABYTES else _power(x)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        return dots, texts

    @staticmethod
    def _set(dots, texts, values, words, limits) -> None:
        for dot, text, value, word in zip(dots, texts, values, words, strict=True):
            dot.set_xdata([value])
            full = value > 1e-4 * limits[1]  # no room on the right
            text.xy, text.xyann = (value, text.xy[1]), (-9 if full else 9, 0)
            text.set(ha="right" if full else "left", text=word)

    def draw(self, data: CostData) -> None:
        sizes = (data.uplink_bytes, data.downlink_bytes, data.round_bytes, data.total_bytes)
        self._set(self._sizes, self._size_texts, [s / 1e6 for s in sizes], map(bytes_text, sizes), MEGABYTES)
        times = (data.uplink_seconds, data.downlink_seconds, data.round_seconds, data.float32_seconds)
        widest = 1.5 * max(times)
        self.time.set_xlim(0, widest)
        for bar, text, value in zip(self._times, self._time_texts, times, strict=True):
            bar.set_width(value)
            text.set(text=seconds_text(value), x=value + 0.02 * widest)
        lines = (*data.seconds_by_line.values(), data.total_seconds)
        self._set(self._lines, self._line_texts, lines, map(seconds_text, lines), SECONDS)
        for label, line in zip(self.lines.get_yticklabels(), (*LINES, OWN), strict=True):
            label.set_color(INK if line == data.line else MUTED)
        guess = self.guess or 0.0
        asked = guess > 0 and all(getattr(data, name) == value for name, value in ASKED.items())
        self._guess.set_data([min(guess, 0.95 * widest)] if asked else [], [3.55] if asked else [])
        self._guess_word.set_text(say("your guess", "你的猜测") if asked else "")
        if asked:
            right = guess > 0.5 * widest
            self._guess_word.set_position((min(guess, 0.95 * widest) + (-0.04 if right else 0.04) * widest, 3.55))
            self._guess_word.set_ha("right" if right else "left")

    def alt(self, data: CostData) -> str:
        up, down, total = map(bytes_text, (data.uplink_bytes, data.downlink_bytes, data.total_bytes))
        up_time, down_time, time = map(seconds_text, (data.uplink_seconds, data.downlink_seconds, data.total_seconds))
        return say(
            f"Estimate: {data.n_weights:,} weights, {data.uplink_bits:g} bits a weight up, {data.downlink_bits:g} down. "
            f"A message up is {up} and takes {up_time} at {data.uplink_mbit:g} Mbit/s, one down {down} and {down_time} at "
            f"{data.downlink_mbit:g} Mbit/s. Training ({data.clients} clients a round, {data.rounds} rounds): {total}, {time}.",
            f"估算：{data.n_weights:,} 个权重，上行每个权重 {data.uplink_bits:g} 位，下行 {data.downlink_bits:g} 位。"
            f"一次上行 {up}，速率 {data.uplink_mbit:g} Mbit/s 时需 {up_time}；"
            f"一次下行 {down}，速率 {data.downlink_mbit:g} Mbit/s 时需 {down_time}。"
            f"整个训练（每轮 {data.clients} 个客户端，{data.rounds} 轮）：{total}，{time}。",
        )


def _power(value: float) -> str:
    """A power of ten for an axis: 1, 10³, 10⁻⁶."""
    exponent = str(round(float(np.log10(value))))
    return "1" if exponent == "0" else "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def formula(data: CostData) -> str:
    weights = in_formula(data.n_weights)
    up = (
        rf"t_\uparrow=\frac{{{weights}\cdot{data.uplink_bits:g}}}{{{data.uplink_mbit:g}\cdot10^6}}"
        rf"={in_formula(data.uplink_seconds)}"
    )
    down = (
        rf"t_\downarrow=\frac{{{weights}\cdot{data.downlink_bits:g}}}{{{data.downlink_mbit:g}\cdot10^6}}"
        rf"={in_formula(data.downlink_seconds)}"
    )
    total = (
        rf"{data.rounds}\cdot{data.clients}\cdot\frac{{{weights}\cdot({data.uplink_bits:g}+{data.downlink_bits:g})}}{{8}}"
        rf"={in_formula(data.total_bytes)}"
    )
    seconds, count = say("seconds", "秒"), say("bytes in all", "字节（总计）")
    return rf"$${up}\ \text{{{seconds}}}$$ $${down}\ \text{{{seconds}}}$$ $${total}$$ {count}"


def cost_calculator(predict: bool = True) -> Explorer:
    """The app. A line sets both speeds; moving a speed makes the line your own. predict: ask for a guess first."""

    def slider(stops, value, en, zh, show):
        options = [(show(stop), stop) for stop in stops]
        return w.SelectionSlider(options=options, value=value, description=say(en, zh), layout=CONTROL, style=LABEL)

    up, down = LINES["4G"]
    controls = {
        # While the question is open, another model is shown: the picture must not give the answer away.
        "n_weights": slider(WEIGHTS, WEIGHTS[0] if predict else ASKED["n_weights"], "weights", "权重个数", weights_text),
        "clients": slider(CLIENTS, 10, "clients a round", "每轮客户端数", str),
        "uplink_bits": slider(BITS, 32, "bits up", "上行位数", lambda bits: f"{bits:g}"),
        "downlink_bits": slider(BITS, 32, "bits down", "下行位数", lambda bits: f"{bits:g}"),
        "rounds": slider(ROUNDS, 100, "rounds", "轮数", str),
        "line": w.Dropdown(
            options=[(line_name(line), line) for line in (*LINES, OWN)], value="4G",
            description=say("line", "线路"), layout=CONTROL, style=LABEL,
        ),
        "uplink_mbit": slider(SPEEDS, up, "Mbit/s up", "上行 Mbit/s", str),
        "downlink_mbit": slider(SPEEDS, down, "Mbit/s down", "下行 Mbit/s", str),
    }

    following: list[bool] = []  # not empty while one control moves another

    def follow_line(change) -> None:
        if not following and change["new"] != OWN:
            following.append(True)
            controls["uplink_mbit"].value, controls["downlink_mbit"].value = LINES[change["new"]]
            following.clear()

    def follow_speed(_change) -> None:
        if not following:
            following.append(True)
            speeds = (controls["uplink_mbit"].value, controls["downlink_mbit"].value)
            controls["line"].value = next((line for line, of_line in LINES.items() if of_line == speeds), OWN)
            following.clear()

    controls["line"].observe(follow_line, "value")
    controls["uplink_mbit"].observe(follow_speed, "value")
    controls["downlink_mbit"].observe(follow_speed, "value")
    question = None
    if predict:
        truth = estimate_cost(**ASKED).uplink_seconds
        text = say(
            "A model of ten million weights, float32, over a line of 10 Mbit/s up: how many seconds does one upload take?",
            "一个有一千万个权重的模型，float32，上行速率 10 Mbit/s：上传一次要多少秒？",
        )
        question = Prediction(text, lambda guess: compare(guess, truth, say(" s", " 秒")), name="widgets.cost_calculator")
        question.on_answer(lambda guess: setattr(controls["n_weights"], "value", ASKED["n_weights"]))
    groups = {
        "model": ("n_weights",),
        "codec": ("uplink_bits", "downlink_bits"),
        "training": ("clients", "rounds"),
        "line": ("line", "uplink_mbit", "downlink_mbit"),
    }
    return Explorer(controls, estimate_cost, CostPicture(), formula, groups, question)


def cost_still(**parameters: Any) -> Still:
    """The app's picture for readers without a kernel. parameters: those of `estimate_cost`; a named line sets the speeds."""
    if (line := parameters.get("line", OWN)) in LINES:
        parameters["uplink_mbit"], parameters["downlink_mbit"] = LINES[line]
    picture = CostPicture()
    data = estimate_cost(**parameters)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
