"""SIGKILL at every named point of a command: is all well again afterwards?"""

from collections.abc import Iterator

import pytest

from tests.crash.killing import Grounds, killed
from tests.crash.recording import listed
from tests.needs import needs_pulumi

pytestmark = [pytest.mark.slow, needs_pulumi]
FEWEST = 60
WRITES = ("commit of", "answer to PATCH", "result.json")  # where a machine's end tells most


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    made = Grounds(tmp_path_factory.mktemp("crash"))
    yield made
    for ground in made.values():
        ground.tiny.end()


def test_there_are_enough_points() -> None:
    assert len({point.rpartition(" #")[0] for _, point in listed()}) >= FEWEST


@pytest.mark.parametrize(("scenario", "point"), listed())
def test_one_process_dies(grounds: Grounds, scenario: str, point: str) -> None:
    killed(grounds[scenario], point, everything=False)


@pytest.mark.parametrize(
    ("scenario", "point"),
    [
        (scenario, point)
        for scenario, point in listed()
        if scenario != "init" and any(word in point for word in WRITES)
    ],
)
def test_the_machine_dies(grounds: Grounds, scenario: str, point: str) -> None:
    killed(grounds[scenario], point, everything=True)
