"""What apps do off the main thread: the newest is done, older ones are passed over, the last one always."""

import threading
import time

import pytest

from fedlab_utils.book.widgets.worker import Newest


def test_what_it_did_not_get_to_is_passed_over_and_the_last_is_done():
    done, gate = [], threading.Event()
    newest = Newest(lambda item: (gate.wait(30), done.append(item)))
    newest.put(0)
    for item in range(1, 10):
        newest.put(item)
    gate.set()
    newest.finish()
    assert len(done) <= 2 and done[-1] == 9


def test_the_first_is_done_at_once_and_who_waits_ends_the_pause():
    done = []
    newest = Newest(lambda item: done.append((item, time.perf_counter())), pause=30)
    begun = time.perf_counter()
    newest.put("first")
    while not done:
        assert time.perf_counter() - begun < 10
        time.sleep(0.001)
    newest.put("second")
    newest.put("third")
    newest.finish()
    assert [item for item, _ in done] == ["first", "third"] and time.perf_counter() - begun < 10


def test_it_can_be_used_again_after_it_has_finished():
    done = []
    newest = Newest(done.append)
    for item in (1, 2):
        newest.put(item)
        newest.finish()
    assert done == [1, 2]


def test_an_error_is_raised_by_who_waits_and_only_once():
    newest = Newest(lambda item: 1 / item)
    newest.put(0)
    with pytest.raises(ZeroDivisionError):
        newest.finish()
    newest.finish()
    newest.put(1)
    newest.finish()
