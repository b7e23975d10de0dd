"""What a reader takes home: her guesses, answers and codecs in one file to read and one for the teacher's table.

`fl.report()` writes fedlab_report.md and fedlab_report.json beside the notebook. Its codecs are trained again with a seed that
no checker has used: what was chosen by one training is told by another.
"""

from __future__ import annotations

import html
import json
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..language import percent, say
from ..measuring.names import codec_named
from .chapters import MODULES
from .exercises.asking import Guess, Question, number, shown
from .exercises.base import Exercise
from .exercises.designing import Design
from .exercises.journal import Entry, entries, minutes
from .exercises.memory import finished, guesses
from .exercises.overview import Report, about, guesses_of, label, label_of_app, not_begun, of_chapter, title
from .exercises.places import PLACES

FORMAT = 1
WORDS = {
    "right": ("right", "正确"),
    "written": ("written", "已写"),
    "wrong": ("not yet right", "还不对"),
    "tried": ("answered", "已作答"),
    "open": ("open", "未做"),
}
KINDS: dict[type, str] = {Guess: "guess", Question: "question", Design: "design", Exercise: "exercise"}
SEED = 97  # of the training that no checker has seen
CODECS = "mathematics.codec_for_a_budget", "practice.both_ways"  # exercises whose answer is one codec, or one each way


def report(path: str | Path = "fedlab_report.md", student: str = "", codecs: bool = True) -> Report:
    """Write what you have done as Markdown, and beside it as JSON for the teacher; returns where they are.

    path: of the Markdown file, which is overwritten. student: a name to put on it. codecs: train the codecs of exercises 4.6
    and 5.4 once more, with a seed of their own (some seconds each). Time is what lies between answers, pauses of more than half
    an hour left out. OSError where the files cannot be written; ValueError for a path that does not end in .md.
    """
    target = Path(path)
    if target.suffix != ".md":
        raise ValueError(f"path must end in .md, got {str(path)!r}: the report is Markdown")
    held = collect(student, codecs)
    beside = target.with_suffix(".json")
    target.write_text(as_markdown(held), encoding="utf8")
    beside.write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n", encoding="utf8")
    done = say(
        f"Written: {target} to read, {beside} for your teacher.", f"已写好：{target} 供阅读，{beside} 交给老师。"
    )
    done = say(" ", "").join((done, *_totals(held)))
    return Report(done, f"<b>{html.escape(done)}</b>")


def _totals(held: dict[str, Any]) -> tuple[str, str]:
    """What was done, and about how long it took."""
    right, more, of_all, spent = held["finished"], held["answered"], held["items"], f"{held['minutes']:.0f}"
    return (
        say(f"{right} right or written, {more} more answered, of {of_all}.",
            f"{of_all} 项中，{right} 项做对或写完，另有 {more} 项已作答。"),
        say(f"About {spent} minutes of work (the gaps between answers, added up).",
            f"作答用时约 {spent} 分钟（相邻两次作答的间隔之和）。"),
    )  # fmt: skip


def collect(student: str = "", codecs: bool = True) -> dict[str, Any]:
    """All that a report holds, as JSON takes it."""
    tried = entries()
    done = set(finished())
    chapters = [_chapter(module, tried, done) for module in MODULES]
    items = [item for chapter in chapters for item in chapter["items"] if item["kind"] != "guess"]
    right = {entry.name: entry.answer for entry in tried if entry.state == "right"}
    return {
        "fedlab_report": FORMAT,
        "student": student,
        "written": date.today().isoformat(),
        "language": say("en", "zh"),
        "version": version("fedlab-utils"),
        "finished": sum(item["state"] == "right" for item in items),
        "answered": sum(item["state"] in ("wrong", "tried") for item in items),
        "items": len(items),
        "minutes": round(minutes([entry.at for entry in tried]), 1),
        "chapters": chapters,
        "codecs": [_played(name, right[name]) for name in CODECS if name in right] if codecs else [],
    }


def _chapter(module: str, tried: list[Entry], done: set[str]) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for item in (*of_chapter(module), *guesses_of(module)):
        every = [entry for entry in tried if entry.name == item.name]
        own = _counted(item, every)
        kept = guesses().get(item.name) if isinstance(item, (Guess, Question)) else None  # by an earlier version of the book
        wrong = sum(entry.state == "wrong" for entry in own)
        state = "right" if item.name in done else "wrong" if wrong else "tried" if own or kept is not None else "open"
        told: dict[str, Any] = {
            "name": item.name, "label": label(item), "asks": about(item), "kind": KINDS[type(item)], "state": state,
            "tries": len(own),
        }  # fmt: skip
        if own or kept is not None:
            last = own if isinstance(item, Question) else every  # of an exercise the last that is right
            answer = next((entry.answer for entry in reversed(last) if entry.state == "right"), last[-1].answer if own else kept)
            if isinstance(item, Question):
                answer = _choice(item, str(answer))
                told["chosen"] = [place for place in range(len(item.choices)) for entry in own if number(entry.answer) == place]
            if isinstance(item, Guess):
                told["guessed"] = number(str(answer))
            told["answer"] = _number(str(answer), say(*item.unit)) if isinstance(item, Guess) else answer
        if isinstance(item, Design) and own:
            told["criteria"] = [{"text": say(*text), "met": met} for text, met in zip(item.criteria, item.ticked(), strict=True)]
        if isinstance(item, Guess):
            told["truth"] = f"{shown(item.truth)}{say(*item.unit)}"
        items.append(told)
    items += _of_apps(module, tried)
    chapter = MODULES[module]
    return {"number": chapter.number + (chapter.note and f" ({chapter.note})"), "title": say(*chapter.title), "items": items}


def _counted(item: Any, own: list[Entry]) -> list[Entry]:
    """The answers to an item up to the first that is right, or written; later ones are no tries."""
    for place, entry in enumerate(own):
        chosen = isinstance(item, Question) and entry.state == "guess" and number(entry.answer) == item.right
        if entry.state in ("right", "text") or chosen:
            return own[: place + 1]
    return own


def _of_apps(module: str, tried: list[Entry]) -> list[dict[str, Any]]:
    """The guesses made in the apps of a chapter; of those that asked nothing yet, nothing."""
    items = []
    for name, (where, *_) in PLACES.items():
        if where != module or not name.startswith("widgets."):
            continue
        own = [entry.answer for entry in tried if entry.name == name]
        if (answer := own[-1] if own else guesses().get(name)) is None:
            continue
        items.append(
            {"name": name, "label": label_of_app(name), "asks": title(name), "kind": "guess", "state": "tried", "tries": len(own),
             "guessed": number(str(answer)), "answer": _number(str(answer))}
        )  # fmt: skip
    return items


def _number(answer: str, unit: str = "") -> str:
    """A guess as numbers are shown elsewhere: "49,151", not "49151.0"."""
    value = number(answer)
    return answer if value is None else f"{shown(value)}{unit}"


def _choice(question: Question, answer: str) -> str:
    """The words of the choice that was answered; of a book that had more choices, its number."""
    place = number(answer)
    return say(*question.choices[int(place)][:2]) if place is not None and place in range(len(question.choices)) else answer


def _played(name: str, answer: str) -> dict[str, Any]:
    """A codec, or one each way, in the training of its exercise with another seed: bytes and accuracy."""
    from ..codecs import Identity
    from .exercises.sending import message_of, trained

    told: dict[str, Any] = {"name": name, "answer": answer}
    try:
        pair = [codec_named(line) for line in answer.splitlines()]
        uplink, downlink = pair if name == CODECS[1] else (*pair, Identity())
        history = trained(uplink, downlink, seed=SEED)
    except Exception as error:  # a codec of the reader's own class, or one that fails with this seed
        return told | {"why_not": str(error)}
    return told | {
        "message_bytes": len(message_of(uplink)),
        "total_bytes": sum(history.uplink_bytes) + sum(history.downlink_bytes),
        "accuracy": round(history.accuracy[-1], 4),
        "seed": SEED,
    }


def as_markdown(held: dict[str, Any]) -> str:
    """The report to read."""
    head = say("My work on communication-efficient federated learning", "我的联邦学习通信压缩练习")
    lines = [f"# {head}", "", f"{held['student']} · {held['written']}".lstrip(" ·"), "", say(" ", "").join(_totals(held)), ""]
    for codec in held["codecs"]:
        lines += [f"- {_of_codec(codec)}"]
    for chapter, entry in zip(held["chapters"], MODULES.values(), strict=True):
        if all(item["state"] == "open" for item in chapter["items"]):
            lines += ["", not_begun(entry)]
            continue
        lines += ["", f"## {chapter['number']} {chapter['title']}", ""]
        for item in chapter["items"]:
            written = item["kind"] == "design" and item["state"] == "right"
            state = say(*WORDS["written" if written else item["state"]])
            tries = say(f", {item['tries']} tries", f"，{item['tries']} 次") if item["tries"] > 1 else ""
            known = "truth" in item and "answer" in item
            truth = say(f"; it is {item['truth']}", f"；答案是 {item['truth']}") if known else ""
            answer = item.get("answer", "")
            short = answer and "\n" not in answer and item["kind"] not in ("exercise", "design")
            inline = f"{say(': ', '：')}{answer}" if short else ""
            asks = f" · {item['asks']}" if item["asks"] else ""
            lines.append(f"- **{item['label']}**{asks}{say(f' ({state}{tries})', f'（{state}{tries}）')}{inline}{truth}")
            if answer and not inline:
                mark = "  > " if item["kind"] == "design" else "      "  # what she wrote, as a quotation; code
                lines += ["", *(f"{mark}{line}" for line in answer.splitlines()), ""]
            for criterion in item.get("criteria", ()):
                lines.append(f"  - [{'x' if criterion['met'] else ' '}] {criterion['text']}")
    return "\n".join(lines).rstrip() + "\n"


def _of_codec(codec: dict[str, Any]) -> str:
    answer = " · ".join(f"`{line}`" for line in codec["answer"].splitlines()[:2])
    if "why_not" in codec:
        return say(f"{answer}: not trained again, {codec['why_not']}", f"{answer}：没有重新训练，{codec['why_not']}")
    message, total, accuracy = (
        f"{codec['message_bytes']:,}",
        f"{codec['total_bytes'] / 1e6:.2f} MB",
        percent(codec["accuracy"], 1),
    )
    return say(
        f"{answer}: {message} bytes a message, {total} in all; test accuracy {accuracy} with a seed that no checker uses.",
        f"{answer}：每条消息 {message} 字节，合计 {total}；换成检查器没用过的种子，测试准确率 {accuracy}。",
    )
