"""Does a playbook on this machine do what its outcome says?"""

from __future__ import annotations

import pytest

from orchestrator.model.runs import Changes, Status
from orchestrator.model.values import Secret
from tests.ansible.projects import Site

pytestmark = pytest.mark.slow


def test_a_playbook_is_run_and_told(site: Site) -> None:
    """A playbook's changes, hosts and outputs come back, and its tasks are told."""
    out = site.root / "out"
    site.tasks(
        f"""
- name: write
  copy: {{content: hi, dest: {out}}}
- name: keep
  copy: {{content: hi, dest: {out}}}
- set_stats: {{data: {{url: "http://x.example"}}}}
"""
    )
    outcome = site.apply(outputs={"url": "url"})
    assert outcome.status is Status.SUCCEEDED, outcome
    assert outcome.changes == Changes(update=1, same=2)
    assert outcome.outputs == {"url": "http://x.example"}
    assert outcome.hosts == {"here": "changed"}
    assert out.read_text() == "hi"
    written = site.told.results("changed")[0]
    assert (written.host, written.task, written.file) == ("here", "write", "play.yml:4")


def test_a_secret_output_needs_no_log(site: Site) -> None:
    """A declared secret comes as a Secret from a no_log task, and fails the stage from another."""
    site.tasks("- set_stats: {data: {dsn: hush-hush}}\n  no_log: true")
    outcome = site.apply(outputs={"dsn": "secret(string)"})
    assert outcome.outputs == {"dsn": Secret("hush-hush")}
    assert "hush" not in repr(site.told.events)
    site.tasks("- set_stats: {data: {dsn: hush-hush}}")
    outcome = site.apply(outputs={"dsn": "secret(string)"})
    assert outcome.status is Status.FAILED
    assert "no_log: true" in outcome.failures[0].what
    assert outcome.outputs == {}


def test_a_hidden_change_is_a_change(site: Site) -> None:
    """A task under no_log that changed something counts as changed, and so does a hidden loop."""
    copy = "copy: {content: hush-hush, dest: '{{ playbook_dir }}/%s'}\n  no_log: true"
    loop = f"{copy % '{{ item }}'}\n  loop: [one, two]"
    site.tasks(f"- {copy % 'one'}\n- {copy % 'one'}\n- {loop}\n- {loop}")
    plan = site.plan()
    assert plan.changes.update == 4, plan  # nothing is there yet, for each of them
    outcome = site.apply()
    assert outcome.changes == Changes(update=2, same=2)
    told = [result.state for result in site.told.results() if result.item]
    assert told[-4:] == ["ok", "changed", "ok", "ok"]
    assert "hush" not in repr(site.told.events)
