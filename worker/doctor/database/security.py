"""Whether the database restricts this login to the rights of a worker."""

from typing import Final

from worker.doctor.commands import MAKE_ROLES, psql
from worker.doctor.finding import Finding, error, ok, warning
from worker.settings.endpoint import TLS_SETTINGS
from worker.store.examination.database import ExaminedDatabase

RESTORE_GUARDS: Final = (
    "psql -v ON_ERROR_STOP=1 -1 -f sql/migrations/0001_session_store.sql  # as the owner of the tables; "
    "ALTER TABLE … ENABLE TRIGGER revisions_only_rise where it is switched off"
)


async def check_role(database: ExaminedDatabase) -> Finding:
    """Find a login that is more than a login: a superuser, an owner, a member of another role."""
    role = await database.role()
    if role.is_privileged:
        return error("the role is a superuser, or may make roles or databases or replicate", MAKE_ROLES)
    if role.owned:
        return error(f"the role owns {role.owned} objects: it may change and drop them", MAKE_ROLES)
    if role.member_of:
        revokes = (f'REVOKE "{group}" FROM "{role.role}"' for group in role.member_of)
        message = f"the role is a member of {', '.join(role.member_of)}, and has their rights"
        return warning(message, psql(*revokes, run_as="a superuser"))
    return ok("the role is a login and nothing more")


async def check_excess(database: ExaminedDatabase) -> Finding:
    """Find rights that no worker needs."""
    excess = await database.excess_rights()
    if not excess:
        return ok("no right that a worker does not need")
    names = ", ".join(right.name for right in excess)
    fix = psql(*(right.statement for right in excess), run_as="a superuser")
    return error(f"more than a worker needs: {names}", fix)


async def check_limits(database: ExaminedDatabase) -> Finding:
    """Find a role whose sessions have no time limits."""
    role = await database.role()
    if role.unlimited:
        return error(f"the role has no {', '.join(role.unlimited)}", MAKE_ROLES)
    return ok("statements, locks and idle transactions have time limits")


async def check_guards(database: ExaminedDatabase) -> Finding:
    """Find protections of the schema that are missing or switched off."""
    missing = [guard.missing for guard in await database.missing_guards()]
    if missing:
        return error("; ".join(missing), RESTORE_GUARDS)
    return ok("a lower revision is refused, and functions use their owner's tables only")


async def check_tls(database: ExaminedDatabase) -> Finding:
    """Find a connection in plain text that leaves this host."""
    encryption = await database.encryption()
    if encryption.is_encrypted:
        return ok(f"{encryption.version} is in use")
    if encryption.is_local:
        return ok("the connection does not leave this host")
    return error("the connection is in plain text", TLS_SETTINGS["DATABASE_URL"])
