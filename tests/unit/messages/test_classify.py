from __future__ import annotations

import pytest

from pcd.messages.classify import Wish, classify


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop. ",
        "STOP!!",
        "StopAll",
        "UNSUBSCRIBE",
        "Cancel",
        "end",
        "quit",
        "opt out",
        "please stop",
        "Please stop!",
        "stop texting me",
        "Don't text me again",
        "do not contact me",
        "remove me",
    ],
)
def test_stop_is_heard(text: str) -> None:
    assert classify(text) is Wish.STOP


@pytest.mark.parametrize("text", ["START", "start", "Unstop", " start! "])
def test_start_is_heard(text: str) -> None:
    assert classify(text) is Wish.START


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "Yes please",
        "ok",
        "please stop by tomorrow",
        "the pump stops at night",
        "can we start Monday?",
        "I want to cancel my appointment",
        "when does it end?",
        "don't worry",
    ],
)
def test_conversation_is_left_alone(text: str) -> None:
    assert classify(text) is None
