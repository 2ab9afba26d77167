"""Is it told where two stages, or two environments, would change one stack?"""

from pathlib import Path

import pytest

from orchestrator.files.definitions import validate
from tests.files.projects import FILES, HEADER, write

PROJECT = "apiVersion: orchestrator/v1\nkind: Project\nid: p-1\n---\n"
SAME = "stage 'b' would share stack 'network/dev' with stage 'a' in dev"


def _told(root: Path, *stages: str, prod: str = "") -> list[str]:
    text = PROJECT + HEADER + "stages:\n" + "".join(f"  {stage}\n" for stage in stages)
    prod = f"apiVersion: orchestrator/v1\nkind: Environment\nname: prod\n{prod}"
    dev = "apiVersion: orchestrator/v1\nkind: Environment\nname: dev\n"
    files = {name: body for name, body in FILES.items() if name.startswith("stacks/")}
    files |= {"orchestrator.yaml": text, "stacks/again/Pulumi.yaml": "name: network\n"}
    files |= {"inventories/dev/environment.yaml": dev, "inventories/prod/environment.yaml": prod}
    return [problem.message for problem in validate(write(root, files))]


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (["a: { pulumi: { project: stacks/network } }"], []),
        (
            [
                "a: { pulumi: { project: stacks/network } }",
                "b: { pulumi: { project: stacks/network } }",
            ],
            [SAME],
        ),
        (
            [
                "a: { pulumi: { project: stacks/network } }",
                "b: { pulumi: { project: stacks/again } }",
            ],
            [SAME],
        ),
        (
            [
                "a: { pulumi: { project: stacks/network } }",
                'b: { pulumi: { project: stacks/network, stack: "${{ env.name }}-b" } }',
            ],
            [],
        ),
        (
            ["a: { pulumi: { project: stacks/network, stack: one } }"],
            ["stage 'a' would share stack 'network/one' with itself in prod and dev"],
        ),
    ],
)
def test_a_stack_has_one_stage(tmp_path: Path, stages: list[str], told: list[str]) -> None:
    """The second user of a stack is told who the first is; names of a run's own are let be."""
    assert _told(tmp_path, *stages) == told


def test_another_backend_is_another_stack(tmp_path: Path) -> None:
    """The same name in another place is not the same stack."""
    stage = "a: { pulumi: { project: stacks/network, stack: one } }"
    assert _told(tmp_path, stage, prod="state: s3://states\n") == []
