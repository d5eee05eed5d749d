"""Why a login to the database failed, and the fix."""

from typing import Final

from worker.doctor.commands import MAKE_ROLES, psql
from worker.doctor.finding import Finding, error
from worker.errors import StorageUnavailable
from worker.settings.endpoint import Destination
from worker.store.examination.login import LoginProblem, login_failure
from worker.store.failures import PARAMETERS

RELOAD: Final = "psql -U postgres -c 'SELECT pg_reload_conf()'"


def explain_failure(failed: StorageUnavailable, to: Destination, own_address: str) -> Finding:
    """Return why there is no connection; `own_address` is this host's, as the server sees it."""
    failure = login_failure(failed)
    match failure.problem:
        case LoginProblem.PASSWORD:
            return error(
                f"password refused for role {to.user}, or there is no such role",
                f'set the right password in DATABASE_URL, or a new one: psql -U postgres -c "\\password {to.user}"',
            )
        case LoginProblem.DATABASE:
            create = f'createdb -U postgres --owner="{to.user}" "{to.name}" && session-store migrate'
            return error(f"there is no database {to.name}", create)
        case LoginProblem.NO_RULE:
            return _explain_missing_rule(to, own_address)
        case LoginProblem.SQLSTATE:
            return error(failed.reason, _fix_of_sqlstate(failure.detail, to))
        case LoginProblem.CLOSED if to.is_encrypted:
            return error(
                "the server has no TLS, or closes the connection",
                "set ssl = on in postgresql.conf, or remove sslmode from DATABASE_URL",
            )
    return error(*_explain_other(failure.problem, failure.detail, to))


def _explain_other(problem: LoginProblem, detail: str, to: Destination) -> tuple[str, str]:
    match problem:
        case LoginProblem.ROLE:
            return (
                f"role {to.user} does not exist or may not log in",
                MAKE_ROLES,
            )
        case LoginProblem.TLS:
            return (
                detail,
                "name the authority of the server's certificate in DATABASE_URL: "
                "?sslmode=verify-full&sslrootcert=FILE",
            )
        case LoginProblem.URL:
            return f"DATABASE_URL cannot be used: {detail}", "correct DATABASE_URL"
        case LoginProblem.TIMEOUT:
            return "no answer in time", "read the server's log"
    return f"{detail} while logging in", "read the server's log; is it PostgreSQL that listens there?"


def _explain_missing_rule(to: Destination, own_address: str) -> Finding:
    length = 128 if ":" in own_address else 32
    kind = "hostssl" if to.is_encrypted else "host"
    rule = f"{kind} {to.name} {to.user} {own_address}/{length} scram-sha-256"
    advice = "" if to.is_encrypted else "; where TLS is required: ?sslmode=require in DATABASE_URL"
    return error(
        f"pg_hba.conf does not admit {to.user} from {own_address} to {to.name}",
        f"put '{rule}' into pg_hba.conf, above the rule that rejects it, and: {RELOAD}{advice}",
    )


def _fix_of_sqlstate(state: str, to: Destination) -> str:
    fixes = {
        **dict.fromkeys(
            PARAMETERS, "correct or remove the parameters in DATABASE_URL that libpq does not know"
        ),
        "53300": psql(
            "ALTER SYSTEM SET max_connections = 200", run_as="a superuser; then restart PostgreSQL"
        ),
        "08P01": "give the doctor the server itself: session-store doctor --database-url postgresql://…",
        "57P03": "wait until the server has started; its log shows the progress",
        "42501": f'psql -U postgres -c \'GRANT CONNECT ON DATABASE "{to.name}" TO "{to.user}"\'',
    }
    return fixes.get(state, f"look up SQLSTATE {state}, and read the server's log")
