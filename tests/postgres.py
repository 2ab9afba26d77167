"""How do tests get a real PostgreSQL server of their own?

    @needs_postgres
    def test_...(postgres: Postgres) -> None:
        url = postgres.new_database()      # postgresql+psycopg://…, empty, the test's own

It listens on a Unix socket in a temporary folder only: no port is taken, nobody else can meet it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

START_LIMIT_S = 60.0
SWIFT = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)  # nothing here must outlive the tests
QUIET = ("listen_addresses=", "logging_collector=off", "shared_buffers=32MB", "max_connections=100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The two programs of one PostgreSQL installation, of one version."""

    initdb: Path
    postgres: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server; whoever reaches its socket is superuser `postgres`, without a password."""

    socket_folder: Path
    server: "Server"

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of a database on this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def new_database(self) -> str:
        """Makes an empty database and returns its URL."""
        import psycopg

        name = f"t{uuid4().hex}"
        where = f"host={self.socket_folder} user=postgres dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


def postgres_programs() -> Programs | None:
    """The newest installation in Debian's place, else the one on PATH; None if there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of, reverse=True)
    on_path = [Path(found).parent for found in [shutil.which("initdb")] if found]
    for folder in (*debian, *on_path):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return Programs(initdb=folder / "initdb", postgres=folder / "postgres")
    return None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Starts a server in a folder of its own under the temporary folder, and ends it by its pid.

    Raises RuntimeError with the server's own words if it does not come up within START_LIMIT_S.
    """
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError(
            "no initdb and postgres found; bring them with: apt-get install postgresql"
        )
    # A socket's path has room for about 100 bytes: hence a short name.
    with tempfile.TemporaryDirectory(prefix="orc-pg-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)
        _make_cluster(programs, folder)
        server = Server(programs, folder)
        try:
            server.start()
            yield Postgres(socket_folder=folder, server=server)
        finally:
            server.stop()


class Server:
    """A server's process, which may be ended and started again over the same data."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = _start(self._programs, self._folder)
        _wait_until_ready(self._process, self._folder)

    def stop(self) -> None:
        if self._process is not None:
            _stop(self._process)
            self._process = None


def _make_cluster(programs: Programs, folder: Path) -> None:
    user = _server_user()
    if user is not None:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    made = subprocess.run(
        [
            programs.initdb,
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        cwd=folder,
    )
    if made.returncode != 0:
        raise RuntimeError(f"initdb failed: {made.stderr or made.stdout}")


def _start(programs: Programs, folder: Path) -> subprocess.Popen[bytes]:
    user = _server_user()
    options = [part for setting in (*SWIFT, *QUIET) for part in ("-c", setting)]
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [programs.postgres, "-D", folder / "data", "-k", folder, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
            cwd=folder,
            start_new_session=True,  # a Ctrl-C meant for pytest must not end it before its clients
        )


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(
                f"host={folder} user=postgres dbname=postgres", connect_timeout=5
            ).close()
            return
        except psycopg.OperationalError as why:
            if server.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start: {why}\n{said}") from why
            _pause(server)


def _pause(server: subprocess.Popen[bytes]) -> None:
    """Waits a moment for the next try, but not a moment longer than the server lives."""
    try:
        server.wait(timeout=0.02)
    except subprocess.TimeoutExpired:
        return


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # "fast": open connections are cut, then it ends cleanly
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.send_signal(
            signal.SIGQUIT
        )  # "immediate": its children end too, which SIGKILL would leave behind
        server.wait()


def _server_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: the user to become, or None to stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _version_of(folder: Path) -> tuple[int, ...]:
    parts = folder.parent.name.split(".")
    return tuple(int(part) for part in parts if part.isdigit())
