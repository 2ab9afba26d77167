"""Do stacks move between the store and other backends, and does nothing change by it?"""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, files_with
from tests.e2e.test_builtin_state import a_site
from tests.needs import needs_pulumi

pytestmark = [pytest.mark.slow, needs_pulumi]
WORD = {"WORD": "open sesame"}


def at(tiny: Tiny, state: str) -> None:
    tiny.environment("dev", f"state: {state}\nsecrets: {{ word: 'env://WORD' }}\n")


def up(tiny: Tiny) -> str:
    """What it says at the end. Fails where it does not succeed."""
    answer = tiny.ask("-q", "up", "dev", "--yes", variables=WORD)
    assert answer.code == 0, answer.all
    return answer.out


def test_there_and_back(make: Make, tmp_path: Path) -> None:
    """From files into the store and out again: at each place the next `up` changes nothing."""
    tiny = make()
    a_site(tiny)
    (tmp_path / "first").mkdir()
    first, second = (f"file://{tmp_path}/{name}" for name in ("first", "second"))
    at(tiny, first)
    up(tiny)
    at(tiny, "builtin")
    refused = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert refused.code == 10
    assert f"orchestrator stack import-from {first} dev" in refused.err
    moved = tiny.ask("stack", "import-from", first, "dev", "--yes")
    assert moved.code == 0, moved.all
    assert "dev keeps its stacks in 'builtin' now" in moved.out
    assert "nothing changed" in up(tiny)
    assert tiny.rows("select stack, version from stacks") == [("dev", 2)]
    again = tiny.ask("stack", "import-from", first, "dev", "--yes")
    assert again.code == 10
    assert "which is not overwritten" in again.err
    at(tiny, second)
    refused = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert f"orchestrator stack export-to {second} dev" in refused.err
    moved = tiny.ask("stack", "export-to", second, "dev", "--yes")
    assert moved.code == 0, moved.all
    assert "nothing changed" in up(tiny)
    assert tiny.rows("select removed_at is null from stacks") == [(0,)]
    assert files_with(tmp_path, [b"open sesame"]) == []
    verbs = [verb for (verb,) in tiny.rows("select verb from audit where verb like 'stack.%'")]
    assert verbs == ["stack.moved_in", "stack.moved_out"]
    destroyed = tiny.ask("destroy", "dev", "--yes", variables=WORD)
    assert destroyed.code == 0, destroyed.all


def test_back_to_where_an_older_state_lies(make: Make, tmp_path: Path) -> None:
    """It has the same URNs, and is still no copy of ours: it never counts again by itself."""
    tiny = make()
    a_site(tiny)
    first = f"file://{tmp_path}/first"
    (tmp_path / "first").mkdir()
    at(tiny, first)
    up(tiny)
    at(tiny, "builtin")
    assert tiny.ask("stack", "import-from", first, "dev", "--yes").code == 0
    newer = {"WORD": "changed since"}
    assert tiny.ask("up", "dev", "--yes", variables=newer).code == 0
    refused = tiny.ask("stack", "export-to", first, "dev", "--yes")
    assert refused.code == 10, refused.all
    assert f"{first} has another state of site/dev already" in refused.err
    assert tiny.rows("select backend from backends") == [("builtin",)]
    moved = tiny.ask("stack", "export-to", first, "dev", "--yes", "--replace")
    assert moved.code == 0, moved.all
    at(tiny, first)
    again = tiny.ask("-q", "up", "dev", "--yes", variables=newer)
    assert "nothing changed" in again.out, again.all


def test_a_copy_that_is_there_already_is_left_as_it_is(make: Make, tmp_path: Path) -> None:
    """So a move that was killed after its copies is done again, and ends."""
    tiny = make()
    a_site(tiny)
    folder = tmp_path / "first"
    up(tiny)
    out = ("stack", "export-to", str(folder), "dev", "--yes")
    moved = tiny.ask(*out)
    assert moved.code == 0, moved.all
    copied = (folder / ".pulumi/stacks/site/dev.json").read_bytes()
    assert tiny.ask("stack", "import-from", str(folder), "dev", "--yes").code == 0
    moved = tiny.ask(*out)
    assert moved.code == 0, moved.all
    assert (folder / ".pulumi/stacks/site/dev.json").read_bytes() == copied


def test_what_cannot_be_moved_is_left_alone(make: Make, tmp_path: Path) -> None:
    """Nothing there, a passphrase that is not ours, a state that is broken: each in our words."""
    tiny = make()
    a_site(tiny)
    there = tmp_path / "there"
    there.mkdir()
    url = f"file://{there}"
    nothing = tiny.ask("stack", "import-from", url, "dev", "--yes")
    assert nothing.code == 10
    assert f"{url} has none of site/dev" in nothing.err
    away = tiny.ask("stack", "import-from", f"file://{tmp_path}/not-there", "dev", "--yes")
    assert away.code != 0
    assert "Traceback" not in away.all
    at(tiny, url)
    up(tiny)
    foreign = tiny.ask(
        "stack",
        "import-from",
        url,
        "dev",
        "--yes",
        variables={"PULUMI_CONFIG_PASSPHRASE": "another"},
    )
    assert foreign.code != 0
    assert "incorrect passphrase" in foreign.err
    file = there / ".pulumi/stacks/site/dev.json"
    body = json.loads(file.read_text())
    resources = body["checkpoint"]["latest"]["resources"]
    resources.append({"urn": resources[0]["urn"].replace("::site-dev", "::b"), "type": "a:b:C"})
    resources[-1]["parent"] = "urn:pulumi:dev::site::a:b:C::gone"
    file.write_text(json.dumps(body))
    broken = tiny.ask("stack", "import-from", url, "dev", "--yes")
    assert broken.code != 0
    assert "which is not in it" in broken.err or "refers to" in broken.err, broken.all
    assert tiny.rows("select count(*) from stacks") == [(0,)]
    assert tiny.rows("select count(*) from leases where held") == [(0,)]
    assert tiny.rows("select backend from backends") == [(url,)]


def test_a_stack_that_no_stage_names_is_told(make: Make) -> None:
    """A changed `stack:` leaves the old one behind, which `up`, `status` and `stack list` say."""
    tiny = make()
    a_site(tiny)
    up(tiny)
    before = (tiny.root / "orchestrator.yaml").read_text()
    after = before.replace('"project": ', '"stack": "other", "project": ')
    tiny.write("orchestrator.yaml", after)
    answer = tiny.ask("up", "dev", "--yes", variables=WORD)
    assert answer.code == 0, answer.all
    told = "the stack site/dev (1 resources"
    assert told in answer.err, answer.err
    assert told in tiny.ask("status", "dev").err
    listed = tiny.ask("stack", "list")
    assert "site/dev: no stage names it any more" in listed.err, listed.all
    refused = tiny.ask("stack", "remove", "dev", "site/dev", "--yes")
    assert refused.code == 10, refused.all
    assert "removed, nothing would know of them" in refused.err
    tiny.write("orchestrator.yaml", before)  # as docs/stacks.md says
    up(tiny)
    assert tiny.ask("hold", "dev", "--why", "its stack goes").code == 0
    shell = ("stack", "shell", "dev", "site", "--", "pulumi", "destroy", "--yes")
    emptied = tiny.ask(*shell, variables=WORD)
    assert emptied.code == 0, emptied.all
    assert tiny.ask("hold", "dev", "--release").code == 0
    tiny.write("orchestrator.yaml", after)
    gone = tiny.ask("stack", "remove", "dev", "site/dev", "--yes")
    assert gone.code == 0, gone.all
    assert "no stage names it" not in tiny.ask("status", "dev").all
    assert ("stack.removed",) in tiny.rows("select verb from audit")
    unknown = tiny.ask("stack", "remove", "dev", "site/dev", "--yes")
    assert "there is no such stack; stacks: site/other" in unknown.err, unknown.all


def test_another_project_leaves_a_stack_behind_too(make: Make) -> None:
    """Its name is the same; a stage that is only renamed leaves nothing behind."""
    tiny = make()
    a_site(tiny)
    up(tiny)
    text = (tiny.root / "orchestrator.yaml").read_text()
    tiny.write("orchestrator.yaml", text.replace("site:", "web:", 1))
    assert "no stage names it" not in tiny.ask("status").err
    tiny.write("orchestrator.yaml", text)
    tiny.write("stacks/site/Pulumi.yaml", "name: other\nruntime: python\n")
    assert "the stack site/dev (1 resources" in tiny.ask("status").err
