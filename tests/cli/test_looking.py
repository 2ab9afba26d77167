"""What do the commands answer that only look, and how is a run shown?"""

import json
import re

import pytest

from tests.cli.conftest import Looked

pytestmark = pytest.mark.slow


def test_json_is_a_line_per_event(looked: Looked) -> None:
    """Every line is one JSON object with its version; the last one is the run, as in `status`."""
    lines = [json.loads(line) for line in looked.good.out.splitlines()]
    assert all(line["v"] == 1 and line["type"] for line in lines)
    types = [line["type"] for line in lines]
    assert types[0] == "run.started"
    assert types[-2:] == ["run.ended", "run"]
    assert types.count("stage.started") == types.count("stage.finished") == 3
    status = looked.tiny.ask("--json", "status", "dev#1")
    assert json.loads(status.out) == lines[-1]
    assert lines[-1]["status"] == "succeeded"
    assert lines[-1]["stages"][0]["outputs"] == {"url": "http://127.0.0.1:1/", "token": "*****"}


def test_piped_lines_have_a_time_and_the_run(looked: Looked) -> None:
    """One line per event on standard error, without colours or movements; the result last."""
    events = [line for line in looked.bad.err.splitlines() if line.startswith("20")]
    assert all(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ dev#2 ", line) for line in events)
    assert any(line.endswith("dev#2 one | hello") for line in events)  # -v: what tools print
    assert any("two failed" in line for line in events)
    assert any(line.endswith("dev#2 three blocked needs two, which failed") for line in events)
    assert "\x1b" not in looked.bad.all
    assert looked.bad.out == ""


def test_status_of_everything(looked: Looked) -> None:
    """A line per environment: what is in place, the newest run, and what to type next."""
    answer = looked.tiny.ask("status")
    head, dev = answer.out.splitlines()
    assert head.split() == ["ENV", "RELEASE", "SINCE", "STATE", "NEXT"]
    assert re.match(r"dev +tiny@\d{4}\.\d\d\.\d\d-1 .*dev#2 failed +orchestrator retry dev#2", dev)
    assert looked.tiny.ask("status", "dev").out.splitlines()[1].startswith("dev ")


def test_status_of_a_run(looked: Looked) -> None:
    """The stages, their outputs (no secret), the failure, and the next commands."""
    answer = looked.tiny.ask("status", "dev#2")
    assert answer.code == 0
    assert "dev#2  apply  failed" in answer.out
    assert "one.url = http://127.0.0.1:1/" in answer.out
    assert "one.token = *****" in answer.out
    assert "needs two, which failed" in answer.out
    assert "orchestrator retry dev#2" in answer.out


def test_runs_newest_first(looked: Looked) -> None:
    """A line per run; --limit keeps the newest; --json gives the same object as `status`."""
    lines = looked.tiny.ask("runs").out.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "dev#2", "dev#1"]
    assert len(looked.tiny.ask("runs", "--limit", "1").out.splitlines()) == 2
    newest = json.loads(looked.tiny.ask("--json", "runs", "dev", "--limit", "1").out)
    assert newest["run"] == "dev#2"


def test_logs(looked: Looked) -> None:
    """All of a run, one stage, only what failed, or as JSON; -f ends with the run."""
    whole = looked.tiny.ask("logs", "dev#1")
    assert [line.split()[-1] for line in whole.out.splitlines()] == ["hello", "oops"]
    one = looked.tiny.ask("logs", "dev#1", "one", "-f")
    assert re.fullmatch(r"\d\d:\d\d:\d\d hello\n\d\d:\d\d:\d\d oops\n", one.out)
    failed = looked.tiny.ask("logs", "dev#1", "--failed")
    assert failed.out == ""
    assert "dev#1 told nothing for --failed" in failed.err
    rows = looked.tiny.ask("--json", "logs", "dev#1").out.splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["hello", "oops"]


def test_releases(looked: Looked) -> None:
    """The releases by name and digest; one of them with versions and files."""
    listed = looked.tiny.ask("release", "list").out.splitlines()
    assert len(listed) == 2
    name, digest = listed[1].split()[:2]
    for asked in (name, digest):
        shown = looked.tiny.ask("release", "show", asked, "--files")
        assert shown.code == 0, shown.err
        assert name in shown.out
        assert "version   orchestrator" in shown.out
        assert "orchestrator.yaml" in shown.out
    unknown = looked.tiny.ask("release", "show", "nothing@2026.01.01-1")
    assert unknown.code == 1
    assert "Traceback" not in unknown.err


def test_completion(looked: Looked) -> None:
    """The script of a shell names our program; another shell's name is a usage error."""
    answer = looked.tiny.ask("completion", "bash")
    assert answer.code == 0
    assert "_ORCHESTRATOR_COMPLETE=bash_complete" in answer.out
    assert looked.tiny.ask("completion", "tcsh").code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("statsu",), 2, "No such verb 'statsu'. Did you mean 'status'?"),
        (("up",), 2, "Missing argument 'ENVIRONMENT'"),
        (("up", "dve", "--yes"), 1, "there is no environment 'dve'"),
        (("up", "dev", "--yes", "--pipeline", "large"), 1, "there is no pipeline 'large'"),
        (("status", "dve"), 2, "there is no environment 'dve'"),
        (("status", "dev#99"), 1, "dev#99"),
        (("status", "#1"), 1, "Ids read like dev#3"),
        (("logs", "dev"), 1, "'dev' is no run id"),
        (("logs", "dev#1", "onee"), 1, "dev#1 has no stage 'onee'. Stages: one, two, three"),
        (("retry", "dev#99"), 1, "dev#99"),
        (("retry", "dev#2", "--from", "twoo"), 2, "twoo"),
        (("wait", "prod#1"), 1, "prod"),
        (("cancel", "dev#2"), 10, "dev#2 has ended already: failed"),
        (("destroy", "dev", "--confirm", "prod"), 2, "--confirm prod does not name dev"),
        (("up", "dev", "--yes", "--select", "four"), 2, "four"),
        (("-C", "/no/such/folder", "status"), 2, "/no/such/folder"),
    ],
)
def test_mistakes(looked: Looked, words: tuple[str, ...], code: int, said: str) -> None:
    """A mistake of the user's is a sentence with what would be right, never a traceback."""
    answer = looked.tiny.ask(*words)
    assert answer.code == code, answer.all
    assert said in answer.err, answer.err
    assert "Traceback" not in answer.err
    assert looked.tiny.rows("select count(*) from runs") == [(2,)]


def test_wait_for_what_has_ended(looked: Looked) -> None:
    """`wait` of an ended run tells its end again, with its exit code."""
    assert looked.tiny.ask("wait", "dev#1").code == 0
    bad = looked.tiny.ask("wait", "dev#2")
    assert bad.code == 4
    assert "orchestrator retry dev#2" in bad.err


def test_a_reader_that_goes_away(looked: Looked) -> None:
    """`orchestrator logs … | head -0` ends without a word."""
    import subprocess

    from tests.e2e.projects import CLI

    with subprocess.Popen(
        [*CLI, "logs", "dev#1"],
        cwd=looked.tiny.root,
        env=looked.tiny.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
