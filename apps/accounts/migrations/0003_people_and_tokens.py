"""Where an account comes from, signing out everywhere, and tokens that are revoked, not deleted."""

import uuid

from django.db import migrations, models


def name_tokens(apps, schema_editor):
    tokens = apps.get_model("accounts", "ApiToken").objects.using(schema_editor.connection.alias)
    for digest in tokens.values_list("digest", flat=True).iterator():
        tokens.filter(digest=digest).update(public_id=uuid.uuid4())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_roles")]

    operations = [
        migrations.AlterModelOptions(
            name="apitoken",
            options={"ordering": ("-created",), "verbose_name": "API token"},
        ),
        migrations.AddField(
            model_name="user",
            name="session_epoch",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="source",
            field=models.CharField(
                choices=[
                    ("portal", "the portal itself"),
                    ("ldap", "the directory (LDAP)"),
                    ("oidc", "single sign-on"),
                ],
                default="portal",
                editable=False,
                help_text="Who checks the password. Names of one source never open accounts of another.",
                max_length=8,
                verbose_name="comes from",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="revoked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="refused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="public_id",
            field=models.UUIDField(default=uuid.uuid4, editable=False, null=True),
        ),
        migrations.RunPython(name_tokens, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="apitoken",
            name="public_id",
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
        ),
    ]
