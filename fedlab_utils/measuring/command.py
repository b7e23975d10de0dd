"""`python -m fedlab_utils measure before.safetensors after.safetensors`: a table of bytes, or one sentence and exit code 2."""

from __future__ import annotations

import argparse
import io
import locale
import os
import sys
from collections.abc import Sequence

from ..language import LANGUAGES, choose, say
from .every_codec import COMMON, measure


def main(arguments: Sequence[str]) -> int:
    """Run the command with its arguments; returns its exit code."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--language")
    speak(first.parse_known_args(arguments)[0].language)
    given = _parser().parse_args(arguments)
    try:
        return _measure(given)
    except (ValueError, OSError, MemoryError) as error:
        print(_sentence(error), file=sys.stderr)
        return 2


def speak(language: str | None = None) -> None:
    """Choose what a command says: a language of the book, or else that of the system. Consoles without it get escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    choose(language if language in LANGUAGES else of_the_system())


def of_the_system() -> str:
    """The language of the environment, by its locale: "zh" or "en"."""
    name = next(filter(None, (os.environ.get(key) for key in ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    return "zh" if (name or locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def _measure(given: argparse.Namespace) -> int:
    if given.csv and any(path and os.path.exists(given.csv) and os.path.samefile(path, given.csv)
                         for path in (given.before, given.after) if path and os.path.exists(path)):  # fmt: skip
        raise ValueError(say(f"--csv {given.csv} would overwrite the model", f"--csv {given.csv} 会覆盖模型文件"))
    table = measure(given.before, given.after, given.codecs, given.seed, progress=sys.stderr.isatty())
    print(table)
    if given.csv:
        table.to_csv(given.csv)
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or say("not enough memory", "内存不够")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m fedlab_utils", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    what = say("how many bytes do your own model's weights, or the change between two checkpoints, cost with each codec?",
               "你自己的模型（或两个检查点之差）用各种编解码器各要多少字节？")  # fmt: skip
    example = say("examples:", "例：") + """
  python -m fedlab_utils measure before.safetensors after.safetensors
  python -m fedlab_utils measure delta.npy --codecs "TopK(0.01) | Quantize(8)" "Sign()" --csv table.csv"""
    default = say("without it: ", "不写时：") + ", ".join(COMMON)
    command = commands.add_parser("measure", help=what, description=what, epilog=example, allow_abbrev=False,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    kinds = ".keras, .weights.h5, .npz, .npy, .safetensors"
    command.add_argument("before", help=say(f"a file ({kinds}); alone, it is coded itself",
                                            f"文件（{kinds}）；只给一个时，编码它本身"))  # fmt: skip
    command.add_argument("after", nargs="?", help=say("another: after minus before is coded", "另一个：编码 after 减 before"))
    command.add_argument("--codecs", nargs="+", metavar="CODEC", help=say("one or several; ", "一个或几个；") + default)
    command.add_argument("--csv", metavar="FILE", help=say("write the table there as well", "同时把表写入该文件"))
    command.add_argument("--seed", type=int, default=0, help=say("of random codecs (0)", "随机编解码器的种子（0）"))
    command.add_argument("--language", choices=LANGUAGES, help=say("by default that of the system", "默认随系统语言"))
    return parser
