"""What does `policy` say, to whom all is well and to whom it is not?"""

import json
from pathlib import Path

from tests.cli.conftest import Looked
from tests.e2e.projects import Tiny, command, made
from tests.rego.samples import DELETES, given, row

TESTS = """package gate.x_test
denied := {{"delete": {denied}}}
allowed := {{"update": {allowed}}}
"""


def _project(tmp_path: Path, rules: str = DELETES, update: str = "update") -> Tiny:
    tiny = made(tmp_path, command(tmp_path / "world", "one", "true"))
    folder = tiny.root / "policies"
    folder.mkdir()
    (folder / "x.rego").write_text(rules.lstrip())
    inputs = {"denied": given(row(op="delete")), "allowed": given(row(op=update))}
    texts = {name: json.dumps(input) for name, input in inputs.items()}
    (folder / "x_test.rego").write_text(TESTS.format(**texts))
    return tiny


def test_good_rules_are_said_to_be_good(tmp_path: Path) -> None:
    """check and test end with 0 and a line each."""
    tiny = _project(tmp_path)
    checked, tested = tiny.ask("policy", "check"), tiny.ask("policy", "test")
    assert (checked.code, tested.code) == (0, 0), checked.all + tested.all
    assert "nothing is wrong" in checked.out
    assert "all hold" in tested.out


def test_bad_rules_are_said_with_their_place(tmp_path: Path) -> None:
    """check ends with 2, and JSON has file and line."""
    tiny = _project(tmp_path, 'package gate.x\ndeny contains "a" if input.chagnes\n')
    checked = tiny.ask("policy", "check")
    assert checked.code == 2
    assert "no input has input.chagnes" in checked.err
    asked = tiny.ask("--json", "policy", "check")
    assert (asked.last["file"], asked.last["line"]) == ("policies/x.rego", 2)


def test_rules_that_let_pass_what_they_should_not_fail_their_tests(tmp_path: Path) -> None:
    """test ends with 1 and names the input."""
    tiny = _project(tmp_path, update="delete")
    tested = tiny.ask("policy", "test")
    assert tested.code == 1
    assert "gate.x_test.allowed.update" in tested.err


def test_explain_says_why_and_where(tmp_path: Path) -> None:
    """10 for what is refused, 0 for what is not; the rows it takes."""
    tiny = _project(tmp_path)
    file = tmp_path / "input.json"
    file.write_text(json.dumps(given(row(), row(op="delete"))))
    explained = tiny.ask("policy", "explain", "--input", str(file))
    assert explained.code == 10
    assert "gate.x: deny" in explained.out
    assert "without changes.rows.1 it would pass" in explained.out
    file.write_text(json.dumps(given(row())))
    assert tiny.ask("policy", "explain", "gate.x", "--input", str(file)).code == 0


def test_an_environment_is_planned_for_it(tmp_path: Path) -> None:
    """input prints what explain --env judges."""
    tiny = _project(tmp_path)
    told = tiny.ask("policy", "input", "dev")
    assert told.code == 0, told.err
    assert json.loads(told.out)["env"]["name"] == "dev"
    assert tiny.ask("policy", "explain", "--env", "dev").code == 0


def test_what_cannot_be_explained_is_refused_in_words(tmp_path: Path) -> None:
    """No input, both, no such file, no JSON, no input of ours, no such package."""
    tiny = _project(tmp_path)
    broken, other = tmp_path / "broken.json", tmp_path / "other.json"
    broken.write_text("{")
    other.write_text("{}")
    for words, code, says in (
        ((), 2, "say of what"),
        (("--env", "dev", "--input", str(other)), 2, "say of what"),
        (("--input", str(tmp_path / "none")), 2, "cannot be read"),
        (("--input", str(broken)), 2, "is no JSON"),
        (("--input", str(other)), 10, "the input is not one of gate-input/v1"),
        (("gate.y", "--input", str(other)), 10, "holds the package 'gate.y'"),
    ):
        said = tiny.ask("policy", "explain", *words)
        assert (said.code, says in said.all) == (code, True), said.all
        assert "Traceback" not in said.all


def test_a_project_without_rules_says_so(looked: Looked) -> None:
    """Nothing to check is no success."""
    said = looked.tiny.ask("policy", "check")
    assert said.code == 2
    assert "there are no rules" in said.err
