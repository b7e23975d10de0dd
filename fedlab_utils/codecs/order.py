"""Which stages go together, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..language import say


def require_order(stages: Sequence[Any]) -> None:
    """TypeError, in one sentence, where stages of a codec do not go together in this order."""
    for before, after in pairwise(stages):
        if before.ends_in_bytes:
            raise TypeError(say(f"{before} turns all that it is given into bytes: {after} cannot follow it",
                                f"{before} 把收到的数值全部变成了字节，后面不能再接 {after}"))  # fmt: skip
    families = [_family(stage) for stage in stages]
    if twice := [family for family in dict.fromkeys(families) if families.count(family) > 1]:
        codec = " | ".join(map(repr, stages))
        kinds = dict.fromkeys(type(stage).__name__ for stage, family in zip(stages, families, strict=True) if family is twice[0])
        name = say(", ", "、").join(kinds) if twice[0] else say("one that writes nothing", "不写字节的环节")
        own = say("; Eden rotates by itself", "；Eden 自己就会旋转") if name == "Rotate" else ""
        raise TypeError(say(f"{codec} holds a kind of stage twice ({name}), one of each is allowed{own}",
                            f"{codec} 里同一种环节出现了两次（{name}），每种只能有一个{own}"))  # fmt: skip
    for place, stage in enumerate(stages):
        cut = max((at for at in range(place) if stages[at].makes_layout), default=0)
        if stage.follows_layout and (mixes := [before for before in stages[cut:place] if not before.keeps_layout]):
            raise TypeError(say(f"{stage} follows the arrays of a model, which {mixes[0]} does not keep apart",
                                f"{stage} 要逐数组处理，而 {mixes[0]} 之后已分不出各个数组"))  # fmt: skip


def _family(stage: Any) -> type | None:
    """The class whose layers a stage writes; None for one that writes none."""
    return next((cls for cls in type(stage).__mro__ if cls.__dict__.get("tags")), None)
