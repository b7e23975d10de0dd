"""Apps and prompts carry what names their controls in the browser; what it does there is tested by test_access.py."""

import json
import re
import shutil
import subprocess

import ipywidgets as w
import pytest
from all_apps import APPS

import fedlab_utils as fl
from fedlab_utils.book import speaking
from fedlab_utils.book.speaking import Fold, Speaking, Spoken

NODE = shutil.which("node")
PAGE = """
import speaking, { news } from "./speaking.mjs";
const page = { alt: "", busy: false }, spoken = { classList: { add() {} }, setAttribute() {}, textContent: "" };
let changed, act, timers = new Map(), last = 0;
globalThis.MutationObserver = class { constructor(name) { changed = name; } observe() {} };
globalThis.setTimeout = (job) => (timers.set(++last, job), last);
globalThis.clearTimeout = (one) => timers.delete(one);
spoken.closest = () => ({
  querySelector: (which) => which === "img" ? page : page.busy && which === ".fedlab-busy" ? {} : null,
  querySelectorAll: () => [], addEventListener: (kind, listener) => { act = listener; },
});
speaking.render({ el: spoken });
const heard = [];
for (const step of STEPS) {
  if (step === "she acts") act();
  else if (step === "a second later") { const due = [...timers.values()]; timers.clear(); due.forEach((job) => job()); }
  else { Object.assign(page, step); changed(); }
  heard.push(spoken.textContent);
}
console.log(JSON.stringify(heard));
"""

SHIPPED = [entry for entry in APPS.values() if "weights" not in entry.call and not entry.trains]


def inside(widget: w.Widget) -> list[w.Widget]:
    return [widget, *(found for child in getattr(widget, "children", ()) for found in inside(child))]


@pytest.mark.training  # some apps train
@pytest.mark.parametrize("entry", SHIPPED, ids=lambda entry: entry.name)
def test_an_app_and_its_question_speak_and_have_one_fold(entry):
    app = eval(entry.code())
    getattr(app, "wait", lambda: None)()  # a lab builds its graph in a thread, and no process ends well in the midst of that
    found = inside(app)
    spoken = [widget for widget in found if isinstance(widget, Spoken)]
    assert len(spoken) == 1 + entry.asks
    assert all(sum(isinstance(child, Speaking) for child in widget.children) == 1 for widget in spoken)
    assert sum(isinstance(widget, Fold) for widget in found) == 1
    assert not any(isinstance(widget, w.Accordion) for widget in found), "which no keyboard opens"


@pytest.mark.parametrize("name", ["mathematics.three_quarters", "mathematics.which_lines_fall", "practice.your_federation"])
def test_a_prompt_speaks_and_its_reply_is_read_aloud(name):
    chapter, question = name.split(".")
    asked = getattr(getattr(fl.exercises, chapter), question).ask()
    assert isinstance(asked, Spoken) and sum(isinstance(child, Speaking) for child in asked.children) == 1
    assert "fedlab-said" in asked.reply._dom_classes
    assert set(asked._repr_mimebundle_()) >= {"text/html", "application/vnd.jupyter.widget-view+json"}


def test_nothing_of_it_comes_from_a_network():
    script, style = Speaking._esm, Speaking._css
    assert "export default" in str(script) and ".fedlab-fold" in str(style)
    assert not re.search(r"https?:|\bimport\b|url\(", f"{script}{style}")


def test_every_class_that_the_browser_looks_for_is_given_here():
    wanted = set(re.findall(r"fedlab-\w+", f"{Speaking._esm}{Speaking._css}")) - {"fedlab-speaking"}  # which it gives itself
    given = {"fedlab-fold": Fold(w.HTMLMath()), "fedlab-said": speaking.said(), "fedlab-group": speaking.grouped("", [])}
    given["fedlab-app"], given["fedlab-busy"] = Spoken([]), w.HBox()
    speaking.busy(given["fedlab-busy"], True)
    assert wanted == set(given) and all(name in widget._dom_classes for name, widget in given.items())


def heard(folder, *steps):
    """What the browser's part has said after each step, on a page that is played: pictures' words, whether one trains, time."""
    shutil.copy(str(speaking.HERE / "speaking.js"), folder / "speaking.mjs")
    (folder / "page.mjs").write_text(PAGE.replace("STEPS", json.dumps(steps)), "utf-8")
    done = subprocess.run([NODE, "page.mjs"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js on this machine")
LATER, ACTS = "a second later", "she acts"


@needs_node
def test_a_training_is_told_once_it_has_ended_and_one_that_was_stopped_too(tmp_path):
    rounds = [{"alt": "Ten clients.", "busy": True}, LATER, {"alt": "Ten clients. Stopped."}, LATER, {"busy": False}, LATER]
    assert heard(tmp_path, ACTS, *rounds) == ["", "", "", "", "", "", "Ten clients. Stopped."]
    again = [{"busy": True}, LATER, {"busy": False}, LATER]  # the same once more, to the same words
    assert heard(tmp_path, ACTS, *rounds, *again)[-1] == "Ten clients. Stopped."
    assert heard(tmp_path, *rounds)[-1] == "", "she has done nothing"


@needs_node
def test_what_is_told_begins_with_what_is_new(tmp_path):
    long = "A codec of 1.5 bits makes 7 bytes of 9,000, and this sentence is " + "very " * 20 + "long."
    first, second, third = f"{long} Shown: tags.", f"{long} Shown: places, 3 bytes! More.", "第一句。第二句，3.14！"
    shown = first, second, second, third, "第一句。第三句。"
    told = heard(tmp_path, ACTS, *(step for alt in shown for step in ({"alt": alt}, LATER)))
    assert told[2] == long and told[4] == "Shown: places, 3 bytes! More." == told[6]
    assert told[8] == third and told[10] == "第三句。"
