"""Writes to people and their tokens, each on the record."""

from apps.accounts.services.accounts import (
    COMMAND_LINE,
    account_access_set,
    account_create,
    account_names_set,
    account_password_link,
    account_password_set,
    account_preferences_set,
    account_role_set,
    account_save,
    account_sign_out,
    account_unlock,
    first_administrator_ensure,
    password_generate,
)
from apps.accounts.services.tokens import token_create, token_replace, token_revoke

__all__ = [
    "COMMAND_LINE",
    "account_access_set",
    "account_create",
    "account_names_set",
    "account_password_link",
    "account_password_set",
    "account_preferences_set",
    "account_role_set",
    "account_save",
    "account_sign_out",
    "account_unlock",
    "first_administrator_ensure",
    "password_generate",
    "token_create",
    "token_replace",
    "token_revoke",
]
