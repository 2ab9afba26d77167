"""How do roles and collections from elsewhere get into a stage?"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from orchestrator.ansible.galaxy import GalaxyUnreachable, failure_to_install
from orchestrator.model.errors import DefinitionError, ToolError
from orchestrator.model.events import Progress
from tests.ansible.projects import Site

SAID = [
    "[WARNING]: Skipping Galaxy server http://127.0.0.1:9/. Got an unexpected error\n"
    "ERROR! Unknown error when attempting to call Galaxy at 'http://127.0.0.1:9/api/'",
    "[WARNING]: - geerlingguy.nginx was NOT installed successfully: Failed to download the file\n"
    "ERROR! - you can use --ignore-errors to skip failed roles and finish processing the list.",
    "ERROR! Requirements conflict: a.b:1.0",
]


@pytest.mark.parametrize("said", SAID)
def test_nobody_answering_is_one_text(said: str) -> None:
    """The three answers of an unreachable Galaxy are one message with what to do."""
    error = failure_to_install("requirements.yml", said)
    assert isinstance(error, GalaxyUnreachable)
    assert "galaxy unreachable" in str(error)
    assert "Vendor a tarball" in error.next


def test_another_failure_keeps_its_words() -> None:
    """What is no network trouble is told in the tool's words."""
    error = failure_to_install("requirements.yml", "ERROR! the file is odd")
    assert not isinstance(error, GalaxyUnreachable)
    assert "the file is odd" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["collections: [a.b]", "- src: geerlingguy.nginx"])
def test_an_unreachable_galaxy_starts_nothing(site: Site, text: str) -> None:
    """Where Galaxy does not answer, the playbook is not started and the text says what to do."""
    site.write("ansible.cfg", "[galaxy]\nserver = http://127.0.0.1:9/\nserver_timeout = 2\n")
    site.write("requirements.yml", f"{text}\n")
    site.tasks("- debug:")
    with pytest.raises(GalaxyUnreachable):
        site.apply(spec={"requirements": "requirements.yml"})
    assert not site.told.results()
    assert not [path for path in (site.cache / "galaxy").iterdir() if path.name.startswith("new-")]


@pytest.mark.slow
def test_a_role_is_installed_once(site: Site) -> None:
    """A role of the requirements is found, and the second attempt takes it from the cache."""
    archive = _role_archive(site)
    site.write("requirements.yml", f"roles:\n  - {{src: 'file://{archive}', name: greet}}\n")
    site.write("play.yml", "- hosts: all\n  gather_facts: false\n  roles: [greet]\n")
    for _ in range(2):
        outcome = site.apply(spec={"requirements": "requirements.yml"})
        assert not outcome.failures
    assert [result.message for result in site.told.results("ok")] == ["from elsewhere"] * 2
    told = [event.text for event in site.told.events if isinstance(event, Progress)]
    assert told.count("installing requirements.yml") == 1


@pytest.mark.slow
def test_another_archive_under_the_same_name_is_installed(site: Site) -> None:
    """What lies in the project may change while requirements.yml says the same."""
    site.write("requirements.yml", "roles: [{src: greet.tar.gz, name: greet}]\n")
    site.write("play.yml", "- hosts: all\n  gather_facts: false\n  roles: [greet]\n")
    for text in ("from elsewhere", "from another day"):
        _role_archive(site, text).replace(site.project / "greet.tar.gz")
        assert not site.apply(spec={"requirements": "requirements.yml"}).failures
        assert site.told.results("ok")[-1].message == text


@pytest.mark.slow
def test_a_collection_from_a_tarball_is_found(site: Site) -> None:
    """A vendored collection needs no network; its role is called by its full name."""
    root = site.root / "made"
    role = root / "roles/greet/tasks/main.yml"
    role.parent.mkdir(parents=True)
    role.write_text("- debug: {msg: from a collection}\n")
    (root / "README.md").write_text("x\n")
    (root / "galaxy.yml").write_text(
        "namespace: own\nname: made\nversion: 1.0.0\nauthors: [me]\nreadme: README.md\n"
    )
    program = str(Path(sys.executable).with_name("ansible-galaxy"))
    argv = [program, "collection", "build", str(root), "--output-path", str(site.project)]
    subprocess.run(argv, check=True, capture_output=True)
    site.write("requirements.yml", "collections: [{name: ./own-made-1.0.0.tar.gz, type: file}]\n")
    site.write("play.yml", "- hosts: all\n  gather_facts: false\n  roles: [own.made.greet]\n")
    outcome = site.apply(spec={"requirements": "requirements.yml"})
    assert not outcome.failures
    assert site.told.results("ok")[0].message == "from a collection"
    assert site.told.results("ok")[0].role == "own.made.greet"


def test_requirements_that_are_none_are_refused(site: Site) -> None:
    """A broken requirements file is a wrong definition."""
    site.write("requirements.yml", "roles: [\n")
    site.tasks("- debug:")
    with pytest.raises(DefinitionError, match=r"requirements\.yml"):
        site.apply(spec={"requirements": "requirements.yml"})


def test_a_virtualenv_without_ansible_is_told(site: Site) -> None:
    """A stage's virtualenv that has no ansible-playbook starts nothing, and says how to make it."""
    site.tasks("- debug:")
    with pytest.raises(ToolError, match="pip install ansible-core"):
        site.apply(spec={"venv": "env"})


@pytest.mark.slow
def test_a_stages_own_virtualenv_runs_it(site: Site) -> None:
    """ansible-playbook of the stage's virtualenv is the one that runs."""
    folder = site.project / "env"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    packages = next(folder.glob("lib/python3*/site-packages"))
    ours = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text(f"{ours}\n")  # the same Ansible, another interpreter
    for name in ("ansible-playbook", "ansible-inventory"):
        script = folder / "bin" / name
        text = Path(sys.executable).with_name(name).read_text().split("\n", 1)[1]
        script.write_text(f"#!{folder}/bin/python\n{text}")
        script.chmod(0o755)
    site.tasks("- debug: {msg: '{{ ansible_playbook_python }}'}")
    outcome = site.apply(spec={"venv": "env"})
    assert not outcome.failures
    assert site.told.results("ok")[0].message == f"{folder}/bin/python"


def _role_archive(site: Site, text: str = "from elsewhere") -> Path:
    import tarfile

    tasks = site.root / "greet/tasks/main.yml"
    tasks.parent.mkdir(parents=True, exist_ok=True)
    tasks.write_text(f"- debug: {{msg: {text}}}\n")
    meta = site.root / "greet/meta/main.yml"
    meta.parent.mkdir(exist_ok=True)
    meta.write_text("galaxy_info: {author: me, description: x, license: MIT}\n")
    archive = site.root / "greet.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(site.root / "greet", "greet")
    return archive
