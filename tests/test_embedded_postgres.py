"""Promises of the embedded PostgreSQL: mended after any crash, shared, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 20.0
USER = """
import sys
from pathlib import Path
from app.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def new_folder() -> Generator[Path]:
    """A deep data folder with spaces, still to be made, below one that only its owner may pass."""
    closed = Path(tempfile.mkdtemp(prefix="closed to others "))
    yield closed / ("deep " * 20) / ("deeper " * 15) / "data"
    shutil.rmtree(closed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that has served: copying one is quicker than making one."""
    folder = tmp_path_factory.mktemp("embedded")
    with EmbeddedPostgres(folder, durable=False):
        return folder


@pytest.fixture
def folder(new_folder: Path, made: Path) -> Path:
    """Such a folder with a database in it."""
    new_folder.parent.mkdir(parents=True)
    subprocess.run(["cp", "--archive", made, new_folder], check=True)
    return new_folder


@pytest.fixture
def server(folder: Path) -> Generator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, durable=False) as started:
        yield started


class OtherProcess:
    """Another process that uses the folder's server until told or killed."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def dsn(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=PATIENCE_SECONDS)


async def answer(dsn: str, question: str = "select 1") -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def postmaster(folder: Path) -> int:
    return int((folder / "postgres/postmaster.pid").read_text().split("\n")[0])


def processes_of(folder: Path) -> list[int]:
    """Every living process that works in the database or was started with the folder's name."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            named = str(folder).encode() in (entry / "cmdline").read_bytes()
            if named or (entry / "cwd").readlink() == folder / "postgres":
                found.append(int(entry.name))
    return found


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("*.new*"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


async def test_it_answers_from_a_deep_folder_with_spaces_that_others_may_not_pass(
    new_folder: Path,
) -> None:
    with EmbeddedPostgres(new_folder, durable=False) as server:
        assert await answer(server.dsn, "select version()")
        assert await answer(server.dsn, "show server_encoding") == "UTF8"
        assert (
            await answer(
                server.dsn, "select datcollate from pg_database where datname = current_database()"
            )
            == "C.UTF-8"
        )
        assert stat.S_IMODE(new_folder.parents[2].stat().st_mode) == 0o700


async def test_by_default_what_is_acknowledged_is_durable(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await answer(server.dsn, f"show {name}") == "on"


async def test_only_the_owner_reads_the_password_and_nobody_enters_without(
    server: EmbeddedPostgres, folder: Path
) -> None:
    assert stat.S_IMODE((folder / "postgres.url").stat().st_mode) == 0o600
    password = server.dsn.split(":")[2].split("@")[0]
    assert len(password) >= 32
    with pytest.raises(asyncpg.InvalidPasswordError):
        await answer(server.dsn.replace(password, "guess"))


async def test_stop_leaves_no_process_and_the_next_start_finds_the_data_at_the_same_address(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        first = server.dsn
        await answer(first, "create table kept as select 42 as value")
    assert processes_of(folder) == []
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.dsn == first
        assert await answer(first, "select value from kept") == 42
    assert processes_of(folder) == []


async def test_two_starts_at_once_share_one_server(new_folder: Path) -> None:
    servers = [EmbeddedPostgres(new_folder, durable=False) for _ in range(4)]
    with ThreadPoolExecutor(len(servers)) as pool:
        addresses = set(pool.map(EmbeddedPostgres.start, servers))
    assert len(addresses) == 1
    pid = postmaster(new_folder)
    for server in servers[1:]:
        server.stop()
    assert await answer(servers[0].dsn)
    assert postmaster(new_folder) == pid
    servers[0].stop()
    assert processes_of(new_folder) == []


async def test_the_server_stays_for_whoever_still_uses_it(folder: Path) -> None:
    with OtherProcess(folder) as other:
        dsn = other.dsn()
        with EmbeddedPostgres(folder, durable=False) as server:
            assert server.dsn == dsn
            other.process.communicate(timeout=PATIENCE_SECONDS)
            assert await answer(dsn)
    assert processes_of(folder) == []


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_killed_user_leaves_no_process_and_no_harm(folder: Path, at_once: bool) -> None:
    with OtherProcess(folder) as other:
        dsn = other.dsn()
        await answer(dsn, "create table kept as select 42 as value")
        other.process.kill()
    if not at_once:
        wait_until(lambda: not processes_of(folder), "the server outlived its killed user")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert await answer(server.dsn, "select value from kept") == 42


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    with OtherProcess(folder) as other:
        other.dsn()
        server = set(processes_of(folder)) - {other.process.pid}
        groups = {os.getpgid(pid) for pid in server}
        assert len(server) >= 2
        assert os.getpgid(other.process.pid) not in groups


async def test_a_killed_postmaster_comes_back_with_the_data_at_the_same_address(
    server: EmbeddedPostgres, folder: Path
) -> None:
    await answer(server.dsn, "create table kept as select 42 as value")
    killed = postmaster(folder)
    os.kill(killed, signal.SIGKILL)

    def back() -> bool:
        lines = (folder / "postgres/postmaster.pid").read_text().split("\n")
        return lines[0] != str(killed) and "".join(lines[7:8]).strip() == "ready"

    wait_until(back, "the server did not come back")
    assert await answer(server.dsn, "select value from kept") == 42


async def test_all_killed_at_once_the_next_start_mends(folder: Path) -> None:
    with OtherProcess(folder) as other:
        await answer(other.dsn(), "create table kept as select 42 as value")
        for pid in processes_of(folder):
            os.kill(pid, signal.SIGKILL)
    assert (folder / "postgres/postmaster.pid").exists()
    with EmbeddedPostgres(folder, durable=False) as server:
        assert await answer(server.dsn, "select value from kept") == 42


async def test_a_stale_process_id_that_is_now_somebody_elses_hinders_no_start(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False):
        pid_file = folder / "postgres/postmaster.pid"
        lines = pid_file.read_text().split("\n")
    owner = pid_file.parent.stat()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    with EmbeddedPostgres(folder, durable=False) as server:
        assert await answer(server.dsn)


async def test_a_start_killed_at_any_moment_leaves_nothing_that_the_next_does_not_mend(
    new_folder: Path,
) -> None:
    for delay_seconds in (0.05, 0.15, 0.3, 0.45):
        with OtherProcess(new_folder) as other:
            await asyncio.sleep(delay_seconds)
            for pid in processes_of(new_folder):
                os.kill(pid, signal.SIGKILL)
            other.process.kill()
    with EmbeddedPostgres(new_folder, durable=False) as server:
        assert await answer(server.dsn)
        assert not leftovers(new_folder)


async def test_a_taken_port_is_exchanged_for_another(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        first = server.dsn
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first.rsplit(":", 1)[1].split("/")[0])))
        taken.listen()
        with EmbeddedPostgres(folder, durable=False) as server:
            assert server.dsn != first
            assert await answer(server.dsn)


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres(folder, durable=False, settings={"no_such_setting": "1"}).start()
    assert processes_of(folder) == []


def test_a_database_of_another_major_version_is_refused_with_advice(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False):
        pass
    (folder / "postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17 and this is 18"):
        EmbeddedPostgres(folder, durable=False).start()


def test_a_folder_that_cannot_be_one_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="cannot be used"):
        EmbeddedPostgres(tmp_path / "file", durable=False).start()


async def test_the_log_does_not_grow_for_ever(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False):
        pass
    with (folder / "postgres.log").open("ab") as log:
        log.truncate(6_000_000)
    with EmbeddedPostgres(folder, durable=False):
        pass
    assert (folder / "postgres.log").stat().st_size < 100_000
    assert (folder / "postgres.log.1").stat().st_size == 6_000_000


def test_a_start_from_a_thread_that_ends_leaves_the_server_running(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert len(processes_of(folder)) >= 2
    server.stop()
    assert processes_of(folder) == []
