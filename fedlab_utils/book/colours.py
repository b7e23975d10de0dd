"""What each colour of the book means, named once. Figures, apps and replies take their colours from here by these names.

A role's colour stands for that role and nothing else; what is none of the roles (codecs that are compared, clients, layers)
takes from `SERIES`. All of them but EARLIER may be text: at least 4.5 to 1 against white (WCAG 2.2, 1.4.3), and all are at
least 3 to 1 (1.4.11). `tests/book` computes this, looks for the roles in every figure and app, and lets
colours that a colour-blind reader confuses meet in one panel only where their marks differ as well.
"""

from __future__ import annotations

# The roles. What was there before compression; what compression has changed; who sends; both ways; what the reader did before.
EXACT, LOSSY, UPLINK, DOWNLINK, TOTAL, EARLIER = "#404040", "#C85000", "#0070B8", "#007F5C", "#9A2F78", "#8D939C"

# Whatever else is compared, in this order. Hues and lightnesses that are none of the roles'.
SERIES = ("#4F2A8C", "#6E5000", "#0B7887", "#7A1631", "#56701C", "#1B2A66")
VIOLET, BROWN, TEAL, MAROON, OLIVE, NAVY = SERIES

# The same in several places of the book.
ROUNDING_COLOURS = {"floor": BROWN, "nearest": VIOLET, "stochastic": TEAL}
KIND_COLOURS = {"global": VIOLET, "layer": BROWN, "node": TEAL, "gradual": MAROON}  # of pruning
FEDERATED, ALONE = VIOLET, BROWN  # who trains
SIGNS = (VIOLET, "#FFFFFF", BROWN)  # a weight that shrinks, stays, grows

# What has no meaning of its own.
INK, MUTED, PAPER = "#1A1A1A", "#6B7280", "#FFFFFF"  # words; words that step back; what they stand on
GUIDE = "#808080"  # axes, and lines that only lead the eye
FRAME, GRID, FAINT, BLANK = "#C8CCD2", "#E7E9EC", "#F4F5F7", "#D9DCE0"  # decoration, which nobody needs to see

ALERT = "#D32F2F"  # beside an error message
VERDICTS = {"right": "#009E73", "wrong": "#D55E00", "not attempted": "#808080", "hint": "#0072B2", "solution": "#0072B2"}
