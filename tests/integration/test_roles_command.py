"""`session-store roles`: from an empty database to logins with their own rights and passwords."""

from base64 import b64decode
from pathlib import Path
from secrets import token_hex

import asyncpg
import pytest
from yarl import URL

from sql.logins import LOGINS, MIGRATOR, WORKER
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica
from worker.store.roles import verifier_of

OWNERS = (
    "SELECT DISTINCT relowner::regrole::text FROM pg_class"
    " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"
)


@pytest.fixture
def passwords(tmp_path: Path) -> dict[str, str]:
    """Return a new password for each login; the files are in `tmp_path`."""
    made = {name: token_hex(12) for name in LOGINS}
    for name, password in made.items():
        (tmp_path / name).write_text(password + "\n")
    return made


def login_of(url: str, role: str, passwords: dict[str, str]) -> str:
    """Return the URL for another role."""
    return str(URL(url).with_user(role).with_password(passwords[role]))


async def test_each_login_is_made_with_its_rights_and_password(
    empty_database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    superuser = {"DATABASE_URL": empty_database_url}
    urls = {name: login_of(empty_database_url, name, passwords) for name in LOGINS}
    first = run_command("roles", "--passwords", str(tmp_path), variables=superuser)
    assert (first.returncode, "rights given" in first.stdout) == (0, False)
    assert "run session-store migrate as session_store_migrator" in first.stderr
    migrated = run_command("migrate", variables={"DATABASE_URL": urls["session_store_migrator"]})
    assert migrated.returncode == 0, migrated.stderr
    second = run_command("roles", "--passwords", str(tmp_path), variables=superuser)
    assert second.stdout.splitlines() == [*(f"password set: {name}" for name in LOGINS), "rights given"]
    connection = await asyncpg.connect(empty_database_url)
    assert [tuple(row) for row in await connection.fetch(OWNERS)] == [("session_store_owner",)]
    await connection.close()
    for name, url in urls.items():
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT session_user") == name
        await connection.close()
    assert not [word for word in passwords.values() if word in first.stdout + second.stdout]


async def test_no_other_login_may_create_tables_before_the_migrations(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")  # as before PostgreSQL 15
    given = run_command("roles", variables={"DATABASE_URL": empty_database_url})
    assert given.returncode == 0, given.stderr
    may_create = "SELECT has_schema_privilege(oid, 'public', 'CREATE') FROM pg_roles WHERE rolname = $1"
    assert await connection.fetchval(may_create, "session_store_migrator")  # as a member of the owner
    assert not await connection.fetchval(may_create, "pg_monitor")
    await connection.close()


def test_the_database_is_given_no_password_that_its_log_could_show() -> None:
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")  # the example of RFC 7677, section 3
    assert verifier_of("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("session_store_worker", "", "must hold a password of ASCII characters"),
        ("session_store_worker", "pass wörd", "must hold a password of ASCII characters"),
        ("session_store_wroker", "secret", "is not named as a login; the logins are session_store_migrator"),
    ],
)
def test_a_file_that_is_no_password_of_a_login_stops_it(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    done = run_command(
        *("roles", "--passwords", str(tmp_path)), variables={"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}
    )
    assert done.returncode == 78
    assert said in done.stderr
    assert str(tmp_path / name) in done.stderr


@pytest.mark.parametrize("place", ["", "absent"])
def test_a_directory_without_passwords_stops_it(tmp_path: Path, place: str) -> None:
    done = run_command(
        *("roles", "--passwords", str(tmp_path / place)),
        variables={"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"},
    )
    assert done.returncode == 78
    assert str(tmp_path / place) in done.stderr


def test_a_login_that_may_not_make_roles_is_told_so(
    empty_database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    run_command("roles", "--passwords", str(tmp_path), variables={"DATABASE_URL": empty_database_url})
    migrator = login_of(empty_database_url, "session_store_migrator", passwords)
    done = run_command("roles", variables={"DATABASE_URL": migrator})
    assert (done.returncode, "log in as a superuser" in done.stderr) == (78, True)


def test_a_login_that_may_not_migrate_is_told_whose_that_is(
    database_url: str, empty_database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    for url in (database_url, empty_database_url):
        run_command("roles", "--passwords", str(tmp_path), variables={"DATABASE_URL": url})
    done, refused = (
        run_command("migrate", variables={"DATABASE_URL": login_of(url, "session_store_worker", passwords)})
        for url in (database_url, empty_database_url)
    )
    assert (done.returncode, done.stdout) == (0, "up to date\n")
    assert refused.returncode == 78
    assert "permission denied" in refused.stderr
    assert "log in as session_store_migrator" in refused.stderr


@pytest.mark.parametrize("login", ["session_store_janitor", "session_store_reader"])
async def test_a_worker_with_a_login_that_may_not_store_does_not_start(
    installation: Variables, tmp_path: Path, passwords: dict[str, str], login: str
) -> None:
    run_command("roles", "--passwords", str(tmp_path), variables=installation)
    url = login_of(installation["DATABASE_URL"], login, passwords)
    replica = await Replica.start({**installation, "DATABASE_URL": url})
    assert await replica.ended() == 78
    [said] = replica.said
    assert "EXECUTE on apply_session_events" in said
    assert "log in as session_store_worker" in said


async def test_a_long_transaction_in_its_way_is_named(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE session_totals IN ACCESS SHARE MODE")
        done = run_command("roles", variables={"DATABASE_URL": database_url})
        assert done.returncode == 75
        assert f"pid {connection.get_server_pid()}" in done.stderr
    await connection.close()
    assert run_command("roles", variables={"DATABASE_URL": database_url}).returncode == 0


def test_passwords_come_on_standard_input_for_a_user_who_may_read_no_file(empty_database_url: str) -> None:
    done = run_command(
        *("roles", "--passwords", "-"),
        variables={"DATABASE_URL": empty_database_url},
        stdin=f"{MIGRATOR} {token_hex(12)}\n{WORKER} {token_hex(12)}\n",
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == f"password set: {MIGRATOR}"
    # The worker's role is created once there is a schema; on a shared server another test may have done so.
    assert said[1:] in ([], [f"password set: {WORKER}"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "standard input has no password for any of"),
        ("session_store_nobody x\n", "standard input, session_store_nobody is not named as a login"),
        (f"{WORKER}\n", f"standard input, {WORKER} must hold a password"),
    ],
)
def test_lines_that_are_no_logins_stop_it(lines: str, said: str) -> None:
    variables = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}
    done = run_command("roles", "--passwords", "-", variables=variables, stdin=lines)
    assert done.returncode == 78
    assert said in done.stderr
