"""Apps and prompts carry what names their controls in the browser; what it does there is tested by test_access.py."""

import re

import ipywidgets as w
import pytest
from all_apps import APPS

import fedlab_utils as fl
from fedlab_utils.book import speaking
from fedlab_utils.book.speaking import Fold, Speaking, Spoken

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
    given["fedlab-app"] = Spoken([])
    assert wanted == set(given) and all(name in widget._dom_classes for name, widget in given.items())
