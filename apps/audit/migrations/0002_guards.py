"""The first head of the chain, and the databases' refusal to change the trail."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from apps.audit.chain import GENESIS_HASH
from apps.audit.triggers import triggers_install, triggers_remove


def guards_on(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("audit", "AuditHead").objects.create(pk=1, number=0, hash=GENESIS_HASH)
    triggers_install(schema_editor.connection)


def guards_off(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    triggers_remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunPython(guards_on, guards_off)]
