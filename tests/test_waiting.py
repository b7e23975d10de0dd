"""A line that counts seconds, while something works that cannot say how far it is."""

import time

import pytest

from fedlab_utils.waiting import waiting


def test_the_seconds_go_by_while_the_work_goes_on_and_end_with_it(capsys):
    with waiting("a long graph"):
        time.sleep(2.4)
    first = capsys.readouterr().err
    assert "a long graph … 00:00" in first and "a long graph … 00:02" in first
    time.sleep(1.2)
    assert capsys.readouterr().err == ""


def test_nothing_is_shown_to_who_did_not_ask(capsys):
    with waiting("a long graph", shown=False):
        pass
    assert capsys.readouterr().err == ""


def test_it_ends_with_an_error_as_well(capsys):
    with pytest.raises(ZeroDivisionError), waiting("a long graph"):
        raise ZeroDivisionError
    capsys.readouterr()
    time.sleep(1.2)
    assert capsys.readouterr().err == ""
