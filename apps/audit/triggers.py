"""The databases' own refusal to change the trail, for whoever comes past the code.

Installed by a migration. Tests that empty whole tables take them off and put
them back with the same two functions.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_SQLITE = (
    """
    CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_auditevent
    BEGIN SELECT RAISE(ABORT, 'audit events can only be added'); END
    """,
    """
    CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_auditevent
    WHEN NOT EXISTS (SELECT 1 FROM audit_removalpermit WHERE up_to_number >= OLD.number)
    BEGIN SELECT RAISE(ABORT, 'audit events can only be added'); END
    """,
    """
    CREATE TRIGGER audit_head_no_return BEFORE UPDATE ON audit_audithead
    WHEN NEW.number <= OLD.number
    BEGIN SELECT RAISE(ABORT, 'the head of the audit trail only moves forward'); END
    """,
    """
    CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_audithead
    BEGIN SELECT RAISE(ABORT, 'the head of the audit trail can not be removed'); END
    """,
)

_SQLITE_OFF = tuple(
    f"DROP TRIGGER IF EXISTS {name}"
    for name in (
        "audit_event_no_update",
        "audit_event_no_delete",
        "audit_head_no_return",
        "audit_head_no_delete",
    )
)

_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION audit_event_guard() RETURNS trigger AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM audit_removalpermit WHERE up_to_number >= OLD.number) THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION 'audit events can only be added' USING ERRCODE = 'restrict_violation';
    END $$ LANGUAGE plpgsql
    """,
    """
    CREATE OR REPLACE FUNCTION audit_head_guard() RETURNS trigger AS $$
    BEGIN
      IF TG_OP = 'UPDATE' THEN
        IF NEW.number > OLD.number THEN RETURN NEW; END IF;
      END IF;
      RAISE EXCEPTION 'the head of the audit trail only moves forward'
        USING ERRCODE = 'restrict_violation';
    END $$ LANGUAGE plpgsql
    """,
    """
    CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_event_guard()
    """,
    """
    CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_event_guard()
    """,
    """
    CREATE TRIGGER audit_head_no_return BEFORE UPDATE OR DELETE ON audit_audithead
    FOR EACH ROW EXECUTE FUNCTION audit_head_guard()
    """,
    """
    CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION audit_head_guard()
    """,
)

_POSTGRESQL_OFF = (
    "DROP TRIGGER IF EXISTS audit_event_no_change ON audit_auditevent",
    "DROP TRIGGER IF EXISTS audit_event_no_truncate ON audit_auditevent",
    "DROP TRIGGER IF EXISTS audit_head_no_return ON audit_audithead",
    "DROP TRIGGER IF EXISTS audit_head_no_truncate ON audit_audithead",
    "DROP FUNCTION IF EXISTS audit_event_guard()",
    "DROP FUNCTION IF EXISTS audit_head_guard()",
)

_ON = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
_OFF = {"sqlite": _SQLITE_OFF, "postgresql": _POSTGRESQL_OFF}


class UnguardedDatabase(Exception):
    """The database in use has no trigger written for it."""


def _run(connection: BaseDatabaseWrapper, statements: dict[str, tuple[str, ...]]) -> None:
    if connection.vendor not in statements:
        raise UnguardedDatabase(
            f"The audit trail can't be guarded on {connection.vendor}: "
            "use PostgreSQL or SQLite (CLIO_PORTAL_DATABASE_URL)."
        )
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)


def triggers_install(connection: BaseDatabaseWrapper) -> None:
    """Put the guards in place. Raises UnguardedDatabase on another database."""
    _run(connection, _ON)


def triggers_remove(connection: BaseDatabaseWrapper) -> None:
    """Take the guards off, for a migration backwards."""
    _run(connection, _OFF)
