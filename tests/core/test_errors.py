"""Does an error read as sentences?"""

import pytest

from orchestrator.model.errors import OrchestratorError


@pytest.mark.parametrize(
    ("what", "read"),
    [
        ("git is not installed", "git is not installed. Run: apt-get install git"),
        ("There is none.", "There is none. Run: apt-get install git"),
    ],
)
def test_what_to_do_begins_a_sentence(what: str, read: str) -> None:
    """What is wrong ends with a full stop before what to do next, and with one only."""
    assert str(OrchestratorError(what, next="Run: apt-get install git")) == read
    assert str(OrchestratorError(what)) == what
