"""What happens to a playbook on this machine in every case a user can meet?"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from orchestrator.ansible import listening
from orchestrator.ansible.executor import AnsibleExecutor
from orchestrator.model.definitions import Cause
from orchestrator.model.errors import DefinitionError
from orchestrator.model.events import HostSummary, LogLine, StageEvent, TaskResult
from orchestrator.model.runs import Changes, RowCertainty, Status
from orchestrator.model.values import Secret
from orchestrator.procs import marked
from tests.ansible.projects import TWO, Site

pytestmark = pytest.mark.slow

FOUR = "all:\n  vars: {ansible_connection: local}\n  children: {web: {hosts: {'h[1:4]': {}}}}\n"


def test_rescued_and_ignored_failures_are_no_failures(site: Site) -> None:
    """A task that failed and was rescued or ignored says so, and the stage succeeds."""
    site.tasks(
        """
- {name: a, command: "false", ignore_errors: true}
- block:
    - {name: b, command: "false"}
  rescue:
    - {name: c, debug: {msg: rescued it}}
"""
    )
    outcome = site.apply()
    assert outcome.status is Status.SUCCEEDED
    assert outcome.failures == ()
    states = [(result.task, result.state) for result in site.told.results()]
    assert sorted(states) == [("a", "ignored"), ("b", "rescued"), ("c", "ok")]
    assert site.told.results("ok")[0].message == "rescued it"


def test_a_failure_names_cause_task_file_and_host(site: Site) -> None:
    """The first failure comes first, with its role, file and line, and what the program printed."""
    site.write("roles/app/tasks/main.yml", "- name: start\n  command: ls /not-there\n")
    site.write("play.yml", "- hosts: all\n  gather_facts: false\n  roles: [app]\n")
    site.hosts(TWO)
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert outcome.cause is Cause.FAILED
    failure = outcome.failures[0]
    assert (failure.task, failure.file) == ("app : start", "roles/app/tasks/main.yml:1")
    assert "exit code 2" in failure.what
    assert "/not-there" in failure.what
    assert outcome.hosts == {"h1": "failed", "h2": "failed"}


def test_an_always_section_rescues_nothing(site: Site) -> None:
    """A failure whose block only has `always` stays a failure, though its host went on."""
    site.tasks(
        """
- block:
    - {name: a, command: "false"}
  always:
    - debug:
    - debug:
"""
    )
    outcome = site.apply()
    assert [failure.task for failure in outcome.failures] == ["a"]
    assert site.told.results("failed")[0].task == "a"


def test_hosts_a_batch_never_reached_are_named(site: Site) -> None:
    """Where the first batch fails, the hosts of the others are not_reached."""
    site.hosts(FOUR)
    site.write(
        "play.yml",
        "- hosts: web\n  serial: 2\n  gather_facts: false\n  tasks: [{command: 'false'}]\n",
    )
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    states = {"h1": "failed", "h2": "failed", "h3": "not_reached", "h4": "not_reached"}
    assert outcome.hosts == states
    told = [event for event in site.told.events if isinstance(event, HostSummary)]
    assert {event.host: event.state for event in told} == states


def test_a_retry_reaches_only_the_hosts_asked_for(site: Site) -> None:
    """only_hosts runs the playbook on just these."""
    site.hosts(FOUR)
    site.tasks("- debug: {msg: hi}")
    assert site.apply(only_hosts=("h2", "h4")).hosts == {"h2": "ok", "h4": "ok"}


def test_no_matching_host_is_an_error(site: Site) -> None:
    """A pattern that matches nothing fails, and says what there is."""
    site.hosts(FOUR)
    site.tasks("- debug:", hosts="databse")
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert "no host matched 'databse'" in outcome.failures[0].what
    assert "groups: web" in outcome.failures[0].what
    assert "h1, h2, h3, h4" in outcome.failures[0].what


def test_an_empty_inventory_is_an_error(site: Site) -> None:
    """Without any host nothing ran, and that is a failure."""
    site.hosts("all: {}\n")
    site.tasks("- debug:")
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert "no host matched 'all'" in outcome.failures[0].what
    assert "hosts: none" in outcome.failures[0].what


def test_a_broken_inventory_is_an_error(site: Site) -> None:
    """An inventory file that Ansible cannot read fails the stage; it is not left out."""
    site.hosts("all: {hosts: [a\n")
    site.write("more.yml", "all: {hosts: {h9: {ansible_connection: local}}}\n")
    site.tasks("- debug:")
    outcome = site.apply(spec={"inventory": ("more.yml",)})
    assert outcome.status is Status.FAILED
    assert "hosts.yaml" in outcome.failures[0].what


def test_a_limit_that_leaves_nobody_is_an_error(site: Site) -> None:
    """A limit without a host fails and says so."""
    site.tasks("- debug:")
    outcome = site.apply(spec={"limit": "nobody"})
    assert outcome.status is Status.FAILED
    assert "no hosts to target" in outcome.failures[0].what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- hosts: all\n  tasks:\n    - nosuchmodule: {}\n", "nosuchmodule"),
        ("- hosts: all\n  tasks:\n    - debug: {msg: 'x\n", "YAML parsing failed"),
    ],
)
def test_a_syntax_error_names_its_line(site: Site, text: str, what: str) -> None:
    """A playbook that does not load fails with file and line; a plan of it is a wrong file."""
    site.write("play.yml", text)
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert outcome.cause is Cause.FAILED
    assert what in outcome.failures[0].what
    assert outcome.failures[0].file.startswith("play.yml:")
    with pytest.raises(DefinitionError, match=r"\(play\.yml:"):
        site.plan()


def test_a_plan_has_rows_and_changes_nothing(site: Site) -> None:
    """Changes are predicted with their diff, commands are opaque, what is skipped is no row."""
    out = site.root / "out"
    site.tasks(
        f"""
- {{name: write, copy: {{content: hi, dest: {out}}}}}
- {{name: run, command: touch {out}}}
- {{name: never, command: "false", when: false}}
"""
    )
    plan = site.plan(outputs={"url": "string"})
    assert not out.exists()
    rows = [(row.address, row.operation, row.certainty) for row in plan.rows]
    assert rows == [
        ("here: write", "change", RowCertainty.PREDICTED),
        ("here: run", "run", RowCertainty.OPAQUE),
    ]
    assert "+hi" in plan.rows[0].detail
    assert plan.unknown == ("url",)
    assert not plan.deferred


def test_a_plan_that_cannot_run_is_deferred(site: Site) -> None:
    """A check that fails, or finds no host, defers the stage with its reason."""
    site.tasks("- slurp: {src: /not-there}")
    assert "/not-there" in site.plan().deferred
    site.hosts("all: {}\n")
    assert "no host" in site.plan().deferred


def test_loops_are_told_by_item_and_counted_once(site: Site) -> None:
    """Each item of a loop is told; the task is one change of its host."""
    site.tasks(
        f"- copy: {{content: '{{{{ item }}}}', dest: '{site.root}/x-{{{{ item }}}}'}}\n"
        "  loop: [a, b]\n  diff: true"
    )
    outcome = site.apply()
    assert outcome.changes == Changes(update=1)
    told = [(r.item, r.state, "+a" in r.diff or "+b" in r.diff) for r in site.told.results()]
    assert told == [("a", "changed", True), ("b", "changed", True), ("", "changed", False)]


def test_a_failed_item_is_the_cause(site: Site) -> None:
    """Of a loop, the item that failed is named."""
    site.tasks("- command: '{{ item }}'\n  loop: ['true', 'ls /not-there']")
    outcome = site.apply()
    assert outcome.failures[0].what.startswith("item ls /not-there: ")


def test_missing_and_mistyped_outputs_fail_the_stage(site: Site) -> None:
    """A declared output that does not come, or is of another type, fails its own stage."""
    site.tasks("- set_stats: {data: {usr: x, port: eighty}}")
    outcome = site.apply(outputs={"url": "string", "port": "int"})
    assert outcome.status is Status.FAILED
    texts = [failure.what for failure in outcome.failures]
    assert "did you mean 'usr'?" in texts[0]
    assert "output 'port' must be an int" in texts[1]


def test_a_question_to_a_person_fails_at_once(site: Site) -> None:
    """vars_prompt would wait for ever; it fails and says which variable to give."""
    site.write(
        "play.yml",
        "- hosts: all\n  vars_prompt: [{name: colour, prompt: which}]\n  tasks: [{debug: {}}]\n",
    )
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert "vars: { colour: … }" in outcome.failures[0].what


def test_a_cancel_leaves_no_process(site: Site) -> None:
    """After a cancel nothing that Ansible started is alive, and what was changed is told."""
    done = site.root / "done"
    site.tasks(
        f"""
- copy: {{content: x, dest: {site.root / "first"}}}
- {{name: slow, shell: "sleep 300; touch {done}"}}
"""
    )
    work = site.work()

    def ask(event: StageEvent) -> None:
        site.told(event)
        if isinstance(event, TaskResult):
            threading.Timer(1.0, work.cancel.ask).start()

    outcome = AnsibleExecutor().apply(work, ask)
    assert outcome.status is Status.CANCELLED
    assert outcome.changes.update == 1
    assert outcome.hosts == {"here": "changed"}
    assert marked(work.mark) == ()
    assert not done.exists()


def test_a_timeout_is_a_failure_that_a_retry_may_mend(site: Site) -> None:
    """A stop for time is FAILED with cause TIMEOUT, and leaves nothing."""
    site.tasks("- command: sleep 300")
    work = site.work()
    timer = threading.Timer(3.0, work.cancel.ask, ["timeout"])
    timer.start()
    outcome = site.apply(work)
    timer.cancel()
    assert outcome.status is Status.FAILED
    assert outcome.cause is Cause.TIMEOUT
    assert marked(work.mark) == ()


def test_nothing_of_an_attempt_is_kept(site: Site) -> None:
    """Folders, artifacts and secrets are gone afterwards, and the next attempt sees nothing."""
    site.tasks("- debug: {msg: '{{ token | default(\"none\") }}'}\n  no_log: true")
    first = site.work(spec={"vars": {"token": Secret("s3cr3t-value")}}, data_vars=("token",))
    site.apply(first)
    assert list(first.folder.iterdir()) == []
    assert not _files_with(site.root, b"s3cr3t-value")
    site.tasks("- debug: {msg: '{{ token | default(\"none\") }}'}")
    site.apply(site.work(folder=first.folder))
    assert site.told.results("ok")[-1].message == "none"


def test_secrets_are_in_no_argv_and_no_environment(site: Site) -> None:
    """While it runs, a secret variable stands in no command line and no environment."""
    seen = site.root / "seen"
    site.tasks(
        f"""
- shell: "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ > {seen} 2>/dev/null || true"
- assert: {{that: "token == 's3cr3t-' ~ 'value'"}}
"""
    )
    outcome = site.apply(
        spec={
            "vars": {"token": Secret("s3cr3t-value")},
            "vault": {"main": Secret("v4ult-s3cr3t")},
            "ssh_key": Secret("k3y-s3cr3t"),
        },
        data_vars=("token",),
    )
    assert not outcome.failures
    told = seen.read_bytes()
    assert b"ansible-playbook" in told
    assert not any(text in told for text in (b"s3cr3t-value", b"v4ult-s3cr3t", b"k3y-s3cr3t"))


def test_only_the_allow_list_is_seen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment a playbook sees the stage's credentials and nothing else of value."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hush")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    monkeypatch.setenv("ANSIBLE_CONFIG", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    seen = site.root / "seen"
    site.tasks(f"- shell: env > {seen}")
    site.apply(credentials={"CLOUD_TOKEN": "given"})
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "CLOUD_TOKEN" in names
    assert not names & {"PULUMI_CONFIG_PASSPHRASE", "LD_PRELOAD", "PYTEST_CURRENT_TEST"}


def test_vaults_open_and_a_missing_one_is_told(site: Site, tmp_path: Path) -> None:
    """A vault's password reaches Ansible; without it the stage fails at once."""
    import subprocess
    import sys

    password = tmp_path / "pw"
    password.write_text("open-sesame\n")
    group_vars = site.inventories / "group_vars"
    group_vars.mkdir()
    secret = group_vars / "all.yml"
    secret.write_text("hidden: treasure\n")
    program = Path(sys.executable).with_name("ansible-vault")
    argv = [str(program), "encrypt", "--vault-id", f"main@{password}", str(secret)]
    subprocess.run(argv, check=True, capture_output=True)
    site.tasks("- debug: {msg: 'got {{ hidden }}'}")
    outcome = site.apply(spec={"vault": {"main": Secret("open-sesame")}})
    assert not outcome.failures
    assert site.told.results("ok")[0].message == "got treasure"
    outcome = site.apply()
    assert outcome.status is Status.FAILED
    assert "vault" in outcome.failures[0].what.lower()


def test_a_vault_opens_for_the_questions_after_a_failure(site: Site) -> None:
    """The list of expected hosts is asked with the vault's password as well."""
    site.hosts(FOUR)
    site.write(
        "play.yml",
        "- hosts: web\n  serial: 1\n  gather_facts: false\n  tasks: [{command: 'false'}]\n",
    )
    outcome = site.apply(spec={"vault": {"main": Secret("open-sesame")}})
    assert list(outcome.hosts.values()).count("not_reached") == 3


def test_warnings_and_errors_are_lines(site: Site) -> None:
    """What Ansible prints outside of tasks is told as lines with their severity."""
    site.tasks("- debug:", hosts="nobody:all")
    site.apply()
    lines = [event for event in site.told.events if isinstance(event, LogLine)]
    assert any(line.severity == "warning" and "nobody" in line.text for line in lines)


def _files_with(root: Path, text: bytes) -> list[Path]:
    files = (path for path in root.rglob("*") if path.is_file())
    return [path for path in files if text in path.read_bytes()]


def test_a_cancel_in_the_recap_comes_too_late(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was done: the stage succeeds, and says what it changed."""
    site.tasks("- {name: touch, command: echo done}")
    site.hosts(TWO)
    work = site.work()
    heard = listening._ACTIONS["playbook_on_stats"]

    def cancelled(listener: listening.Listener, name: str, data: listening.Event) -> None:
        heard(listener, name, data)
        work.cancel.ask()
        time.sleep(0.5)  # it is seen before Ansible ends

    monkeypatch.setitem(listening._ACTIONS, "playbook_on_stats", cancelled)
    outcome = AnsibleExecutor().apply(work, site.told)
    assert outcome.status is Status.SUCCEEDED, outcome.failures
    assert outcome.hosts == {"h1": "changed", "h2": "changed"}


def test_a_cancel_says_in_which_task_each_host_was(site: Site) -> None:
    """One host waits in a task; the other one had ended it."""
    site.tasks(
        """
- name: wait for it
  command: sleep 600
  when: inventory_hostname == 'h1'
"""
    )
    site.hosts(TWO)
    work = site.work()

    def ask(event: StageEvent) -> None:
        if isinstance(event, TaskResult) and event.host == "h2":
            work.cancel.ask()

    outcome = AnsibleExecutor().apply(work, ask)
    assert outcome.status is Status.CANCELLED
    assert outcome.notes == ("h1 was in task 'wait for it'",)
