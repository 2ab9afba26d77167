"""What a release is, and what cannot become one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.files import snapshots, tree
from orchestrator.files.snapshots import Snapshot, materialise, store_release
from orchestrator.files.working_tree import LEFT_OUT
from orchestrator.model.errors import ReleaseError
from orchestrator.store.opening import memory_store
from orchestrator.store.store import DatabaseStore
from tests.files.repositories import PROJECT, commit, git, write

AT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


def take(root: Path, cache: Path | None = None, **artifacts: str) -> Snapshot:
    return snapshots.take(root, versions={"pulumi": "3.259.0"}, artifacts=artifacts, cache=cache)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    commit(tmp_path / "p", PROJECT)
    return tmp_path / "p"


@pytest.fixture
def store() -> Iterator[DatabaseStore]:
    opened = memory_store()
    yield opened
    opened.close()


def test_a_clean_release(root: Path) -> None:
    """It holds all tracked files but inventories and policies, and names its commit."""
    snapshot = take(root)
    assert set(snapshot.files) == {
        "orchestrator.yaml", "app/main.py", "app/static/logo", "playbooks/site.yml",
    }  # fmt: skip
    assert (snapshot.dirty, snapshot.why_dirty) == (False, "")
    assert snapshot.commit == git(root, "rev-parse", "HEAD")


def test_the_digest_is_that_of_the_content(root: Path, tmp_path: Path) -> None:
    """A clone has the same digest; another content, mode, name or version has another."""
    first = take(root).digest
    git(tmp_path, "clone", "-q", str(root), "clone")
    assert take(tmp_path / "clone").digest == first
    assert snapshots.take(root, versions={}, artifacts={}).digest != first
    digests = {first}
    (root / "app/main.py").chmod(0o755)
    commit(root)
    digests.add(take(root).digest)
    commit(root, {"app/main.py": "other"})
    digests.add(take(root).digest)
    git(root, "mv", "app/main.py", "app/other.py")
    commit(root)
    digests.add(take(root).digest)
    assert len(digests) == 4


def test_inventories_and_policies_change_no_release(root: Path) -> None:
    """They are not part of it, nor do they make it dirty."""
    first = take(root)
    write(root, {"inventories/dev/environment.yaml": "changed", "policies/new.yaml": "n"})
    assert take(root) == first


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("app/main.py", "changed", "app/main.py differs from the commit"),
        ("app/new.py", "new", "app/new.py is not tracked by git"),
    ],
)
def test_what_the_user_sees_is_what_runs(root: Path, path: str, text: str, why: str) -> None:
    """Changed and new files are in the release, which is dirty; committed, it is another."""
    write(root, {path: text})
    dirty = take(root)
    assert (dirty.dirty, dirty.why_dirty) == (True, why)
    assert dirty.files[path].size == len(text)
    commit(root)
    clean = take(root)
    assert clean.files == dirty.files
    assert not clean.dirty
    assert clean.digest != dirty.digest


def test_deleted_and_hidden_changes(root: Path) -> None:
    """A deleted file is not in it; a file hidden from git status makes it dirty."""
    (root / "app/static/logo").unlink()
    git(root, "update-index", "--assume-unchanged", "app/main.py")
    snapshot = take(root)
    assert "app/static/logo" not in snapshot.files
    assert snapshot.why_dirty == (
        "app/static/logo differs from the commit; app/main.py is hidden from git status"
    )


def test_ignored_files_are_not_in_it(root: Path) -> None:
    """Neither what git ignores nor a virtualenv that somebody forgot to ignore."""
    commit(root, {".gitignore": "*.log\n"})
    before = take(root)
    write(root, {"x.log": "x", ".venv/bin/python": "p", "app/__pycache__/main.pyc": "c"})
    assert take(root) == before


def test_tracked_files_count_whatever_their_name(root: Path) -> None:
    """What somebody committed on purpose is in it: vendored modules as well."""
    write(root, {"app/node_modules/x/index.js": "x"})
    git(root, "add", "-f", "app/node_modules")
    commit(root)
    assert "app/node_modules/x/index.js" in take(root).files


def test_no_secret_is_frozen(root: Path, tmp_path: Path) -> None:
    """A file that a secret is read from must not be in a release, by whichever path it is named."""
    write(root, {"keys/smtp": "hunter2"})
    (tmp_path / "outside").write_text("hunter3")
    named = [root / "keys/smtp", root / "app/../keys/smtp", tmp_path / "outside", root / "none"]
    with pytest.raises(ReleaseError, match="keys/smtp holds a secret") as caught:
        snapshots.take(root, versions={}, artifacts={}, secret_files=named)
    assert str(caught.value).count("holds a secret") == 1
    write(root, {".gitignore": "keys/"})
    assert snapshots.take(root, versions={}, artifacts={}, secret_files=named)


@pytest.mark.parametrize("with_git", [False, True])
def test_a_virtualenv_that_nobody_ignores(tmp_path: Path, with_git: bool) -> None:
    """It is in no release and makes none dirty, whatever it is called."""
    write(tmp_path, PROJECT)
    if with_git:
        commit(tmp_path)
    before = take(tmp_path)
    write(tmp_path, {"env/pyvenv.cfg": "home = /usr/bin", "env/bin/python": "-> /usr/bin/python3"})
    assert take(tmp_path) == before


@pytest.mark.parametrize("with_git", [False, True])
def test_before_the_first_commit(tmp_path: Path, with_git: bool) -> None:
    """Without git, or without a commit, everything there is makes a dirty release."""
    write(tmp_path, PROJECT | {"node_modules/x/y": "y"})
    if with_git:
        git(tmp_path, "init", "-q")
    snapshot = take(tmp_path)
    assert set(snapshot.files) == {p for p in PROJECT if not p.startswith(LEFT_OUT)}
    assert snapshot.dirty
    assert snapshot.commit == ""
    assert ("no git" in snapshot.why_dirty) is not with_git


def test_a_project_that_an_outer_repository_ignores(tmp_path: Path) -> None:
    """It counts as one without git."""
    commit(tmp_path, {".gitignore": "project\n"})
    write(tmp_path / "project", PROJECT)
    assert take(tmp_path / "project").why_dirty == "no git"


def test_submodules_are_part_of_it(root: Path, tmp_path: Path) -> None:
    """Their files are in the release; one that is not checked out is an error that helps."""
    commit(tmp_path / "lib", {"tasks/main.yml": "[]"})
    git(root, "submodule", "-q", "add", str(tmp_path / "lib"), "roles/lib")
    commit(root)
    snapshot = take(root)
    assert "roles/lib/tasks/main.yml" in snapshot.files
    assert not snapshot.dirty
    write(root, {"roles/lib/tasks/main.yml": "[changed]"})
    assert take(root).why_dirty == "roles/lib differs from the commit"
    git(root, "submodule", "-q", "deinit", "-f", "--all")
    with pytest.raises(ReleaseError, match="git submodule update --init"):
        take(root)


def test_all_problems_at_once(root: Path, tmp_path: Path) -> None:
    """Links that leave, special files, unpinned plugins, missing artifacts: one error names all."""
    write(tmp_path, {"outside": "secret"})
    links = {
        "leaves": "-> ../outside",
        "absolute": "-> /etc/passwd",
        "app/up": "-> ../../outside",
        "hop": "-> app/static/../../../outside",
        "vars": "-> inventories/dev/environment.yaml",
        "fine": "-> app/main.py",
        "folder": "-> app/static",
        "loop": "-> loop",
        "dangling": "-> app/nothing",
    }
    write(root, links)
    write(root, {"stacks/a/Pulumi.yaml": "plugins: {providers: [{name: random}]}"})
    os.mkfifo(root / "app/pipe")
    (root / os.fsdecode(b"bad\xff")).write_text("x")
    with pytest.raises(ReleaseError) as caught:
        take(root, app="app", built="dist/app.tar")
    problems = [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]
    # git lists no named pipes, so neither does a release
    assert sorted(problem.split(":")[0] for problem in problems) == [
        "absolute is a link that leaves the project",
        "app/up is a link that leaves the project",
        "artifact 'built' (dist/app.tar)",
        "bad\ufffd has a name that is not UTF-8",
        "hop is a link that leaves the project",
        "leaves is a link that leaves the project",
        "stacks/a/Pulumi.yaml",
        "vars is a link to inventories/dev/environment.yaml, which is not part of a release",
    ]


def test_special_files_without_git(tmp_path: Path) -> None:
    """Where git does not choose, a named pipe is an error, and nobody waits for it."""
    write(tmp_path, {"a": "a"})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReleaseError, match="pipe is a named pipe"):
        take(tmp_path)


def test_a_folder_that_became_a_link(root: Path, tmp_path: Path) -> None:
    """Nothing behind a link is taken in, though git still tracks names there."""
    write(tmp_path / "elsewhere", {"logo": "secret"})
    (root / "app/static/logo").unlink()
    (root / "app/static").rmdir()
    (root / "app/static").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseError, match="app/static is a link that leaves the project"):
        take(root)


def test_unreadable_files(root: Path) -> None:
    """A file without read permission is named."""
    (root / "app/main.py").chmod(0)
    if os.access(root / "app/main.py", os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(ReleaseError, match=r"app/main\.py cannot be read: Permission denied"):
        take(root)


def test_artifacts(root: Path) -> None:
    """Their digest covers their own files, wherever they lie, and nothing else."""
    first = take(root, app="app", one="app/main.py").artifacts
    assert first["app"].path == "app"
    commit(root, {"playbooks/site.yml": "changed"})
    assert take(root, app="app", one="app/main.py").artifacts == first
    git(root, "mv", "app", "moved")
    commit(root)
    assert take(root, app="./moved/").artifacts["app"].digest == first["app"].digest
    commit(root, {"moved/static/logo": "new"})
    assert take(root, app="moved").artifacts["app"].digest != first["app"].digest


def test_known_hashes_are_not_made_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look reads no settled file, and still sees a change that keeps size and mtime."""
    monkeypatch.setattr(tree, "_SETTLED", -(10**12))  # all files count as settled
    cache = tmp_path / "cache"
    first = take(root, cache)
    read: list[str] = []
    real = tree.read_file

    def counted(root: Path, path: str) -> bytes:
        read.append(path)
        return real(root, path)

    monkeypatch.setattr(tree, "read_file", counted)
    assert take(root, cache) == first
    assert read == []
    before = (root / "app/main.py").stat()
    write(root, {"app/main.py": "print('ho')\n"})
    os.utime(root / "app/main.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert take(root, cache).files["app/main.py"] != first.files["app/main.py"]
    assert read == ["app/main.py"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"app/main.py": 1}', "\x00"])
def test_a_damaged_cache_is_no_cache(
    root: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the cache file, the release is the same."""
    monkeypatch.setattr(tree, "_SETTLED", -(10**12))
    first = take(root, tmp_path / "cache")
    for file in (tmp_path / "cache").iterdir():
        file.write_text(text)
    assert take(root, tmp_path / "cache") == first


def test_names_count_the_day(root: Path, store: DatabaseStore) -> None:
    """n counts a label's releases of the day (UTC); a known digest keeps its name."""
    names = []
    for number in range(3):
        commit(root, {"app/main.py": str(number)})
        with store.write() as transaction:
            names.append(store_release(take(root), root, transaction, label="guestbook", at=AT))
    with store.write() as transaction:
        again = store_release(take(root), root, transaction, label="guestbook", at=AT)
    commit(root, {"app/main.py": "next day"})
    with store.write() as transaction:
        later = AT.replace(day=25)
        names.append(store_release(take(root), root, transaction, label="guestbook", at=later))
    assert again == names[2]
    assert names == [
        "guestbook@2026.11.24-1",
        "guestbook@2026.11.24-2",
        "guestbook@2026.11.24-3",
        "guestbook@2026.11.25-1",
    ]


def test_what_is_recorded(root: Path, store: DatabaseStore) -> None:
    """The stored body tells commit, versions, artifacts and files."""
    snapshot = take(root, app="app")
    with store.write() as transaction:
        name = store_release(snapshot, root, transaction, label="g", at=AT)
        digest, _, at, body = transaction.release(name)
    assert (digest, at) == (snapshot.digest, AT)
    assert body["commit"] == snapshot.commit
    assert body["dirty"] is False
    assert body["versions"] == {"pulumi": "3.259.0"}
    assert body["artifacts"] == {"app": {"path": "app", "digest": snapshot.artifacts["app"].digest}}


@pytest.mark.parametrize("after", ["changed", None])
def test_a_file_that_changes_meanwhile(root: Path, store: DatabaseStore, after: str | None) -> None:
    """A file changed or gone between hashing and storing is noticed, and nothing is stored."""
    snapshot = take(root)
    if after:
        write(root, {"app/main.py": after})
    else:
        (root / "app/main.py").unlink()
    with (
        pytest.raises(ReleaseError, match=r"app/main\.py changed while"),
        store.write() as transaction,
    ):
        store_release(snapshot, root, transaction, label="g", at=AT)
    with store.read() as transaction:
        assert transaction.releases() == ()
        assert not transaction.known_blobs([e.sha256 for e in snapshot.files.values()])


def test_there_and_back(root: Path, store: DatabaseStore, tmp_path: Path) -> None:
    """A materialised release is the tree it was taken from, links and modes included."""
    (root / "app/main.py").chmod(0o755)
    commit(root, {"current": "-> app/static", "empty": "", "ü/é": "x"})
    snapshot = take(root)
    with store.write() as transaction:
        store_release(snapshot, root, transaction, label="g", at=AT)
        count = materialise(transaction, snapshot.digest, tmp_path / "out/dev")
        assert materialise(transaction, snapshot.digest, tmp_path / "out/dev") == 0
    assert count == len(snapshot.files)
    copy = take(tmp_path / "out/dev")
    assert copy.files == snapshot.files
    assert (tmp_path / "out/dev/current").readlink() == Path("app/static")
