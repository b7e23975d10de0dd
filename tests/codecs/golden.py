"""Golden payloads, tests/codecs/golden_v1.npz: bytes of an earlier day, and the vectors that every later day decodes from them.

    python tests/codecs/golden.py

adds payloads of the rows of the table that have none. What is there is never changed: a reader that no longer reads it needs
a new version of the format (wire.FORMAT), and with it a file of its own.
"<codec> of <vector>/payload" is uint8, "…/vector" what is decoded, float32 [n]; "mask of <vector>" is one of `encode_mask`, bool.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from table import CODECS

import fedlab_utils as fl
from fedlab_utils.codecs import FORMAT, decode_mask

FILE = Path(__file__).with_name(f"golden_v{FORMAT}.npz")
VECTORS = "empty", "constant", "few", "heavy"  # those that a new codec gets; what they are, the payloads of Identity say


def load() -> dict[str, np.ndarray]:
    with np.load(FILE, allow_pickle=False) as file:
        return dict(file)


def names(golden: dict) -> list[str]:
    """What stands before "/payload" and "/vector". ValueError where one is without the other."""
    pairs = {name.rpartition("/")[0] for name in golden}
    alone = sorted({f"{name}/{part}" for name in pairs for part in ("payload", "vector")} ^ golden.keys())
    if alone:
        raise ValueError(f"a payload without its vector, or a vector without its payload: {', '.join(alone)}")
    return sorted(pairs)


def is_read(golden: dict, name: str) -> bool:
    """Whether a golden payload decodes to its vector, bit for bit."""
    payload, vector = golden[f"{name}/payload"].tobytes(), golden[f"{name}/vector"]
    decoded = decode_mask(payload) if name.startswith("mask of ") else fl.decode(payload)
    return decoded.dtype == vector.dtype and decoded.shape == vector.shape and decoded.tobytes() == vector.tobytes()


def lacking(golden: dict, codecs: Iterable[fl.Codec]) -> list[fl.Codec]:
    """Those `codecs` of which there is no payload, however they were written down."""
    written = {name.rpartition(" of ")[0] for name in names(golden)} - {"mask"}
    had = {eval(codec, vars(fl)) for codec in written}
    return [codec for codec in codecs if codec not in had]


def in_arrays(x: np.ndarray) -> list[np.ndarray]:
    """x as a table of 16 columns and a vector of the rest, for a codec that goes by the arrays."""
    rows = 3 * x.size // 64
    return [x[: 16 * rows].reshape(rows, 16), x[16 * rows :]]


def extended(golden: dict, codecs: Iterable[fl.Codec]) -> dict[str, np.ndarray]:
    """`golden`, and payloads of those `codecs` that had none."""
    new = {}
    for codec in lacking(golden, codecs):
        for vector in VECTORS:
            x = golden[f"Identity() of {vector}/vector"]
            payload = codec.encode(in_arrays(x) if codec.uses_layout else x, np.random.default_rng(0))
            new[f"{codec} of {vector}/payload"] = np.frombuffer(payload, np.uint8)
            new[f"{codec} of {vector}/vector"] = fl.decode(payload)
    return {**new, **golden}


def main() -> None:
    golden = load()
    missing = lacking(golden, CODECS)
    if missing:
        np.savez_compressed(FILE, **extended(golden, CODECS))
    print(f"{len(missing)} rows of the table got golden payloads", *missing, sep="\n  ")


if __name__ == "__main__":
    main()
