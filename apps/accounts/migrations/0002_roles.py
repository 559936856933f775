"""The three roles as groups, with their permissions.

Permissions are normally made after all migrations have run, which is too late for a
fresh database; so this makes those it needs, as that step would.
"""

from django.db import migrations

NAMES = {
    "view_live": "Can see nodes, workers, block devices, pools and their history",
    "view_config": "Can see the cluster's configuration",
    "view_jobs": "Can see control jobs and their output",
    "operate_nodes": "Can shut down, start and restart nodes",
    "view_audit": "Can see and export the audit trail",
    "manage_people": "Can manage people, roles and tokens",
    "manage_settings": "Can change the portal's settings",
}
VIEWER = ["view_live", "view_config", "view_jobs"]
OPERATOR = [*VIEWER, "operate_nodes"]
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "administrator": list(NAMES)}


def make_roles(apps, schema_editor):
    database = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    groups = apps.get_model("auth", "Group").objects.using(database)
    user_type, _ = content_types.get_or_create(app_label="accounts", model="user")
    made = {
        codename: permissions.get_or_create(
            content_type=user_type, codename=codename, defaults={"name": name}
        )[0]
        for codename, name in NAMES.items()
    }
    for role, codenames in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        group.permissions.set([made[codename] for codename in codenames])


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
