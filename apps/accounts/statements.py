"""The three reads of every request, with their SQL compiled once.

Composing and compiling a query through the ORM costs several times what the database
needs to answer it, and these run with every request. The SQL is the ORM's own, for
whichever database is in use; only the parameters change. Nothing of an answer is kept here:
a revoked token or role ends with the next request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.contrib.auth.models import Permission
from django.db import connection, models
from django.db.models import Q

from apps.accounts.models import ApiToken, User

Row = Sequence[Any]
Converter = Callable[[Any, Any, Any], Any]
AnyModel = TypeVar("AnyModel", bound=models.Model)
PLACE = "0"
"""Stands for the parameter while the SQL is compiled."""


def tokens_by_key(key: str) -> list[ApiToken]:
    """The tokens whose first characters are `key`, each with its user. One query."""
    columns = len(ApiToken._meta.concrete_fields)
    tokens = []
    for row in _rows(_tokens_sql(), [key]):
        token = _instance(ApiToken, row[:columns])
        token.user = _instance(User, row[columns:])
        tokens.append(token)
    return tokens


def user_by_pk(pk: Any) -> User | None:
    """One query."""
    rows = _rows(_user_sql(), [pk])
    return _instance(User, rows[0]) if rows else None


def permission_rows(user_pk: Any) -> list[Row]:
    """(app label, codename) of the user's own permissions and the groups'. One query."""
    return _rows(_permissions_sql(), [user_pk, user_pk])


def _rows(sql: str, parameters: list[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def _instance(model: type[AnyModel], row: Row) -> AnyModel:
    names, converters = _plan(model)
    values = list(row)
    for position, expression, converter in converters:
        values[position] = converter(values[position], expression, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _plan(model: type[models.Model]) -> tuple[list[str], list[tuple[int, Any, Converter]]]:
    """Names of the columns, and what turns the database's values into Python's."""
    fields = model._meta.concrete_fields
    converters = []
    for position, field in enumerate(fields):
        expression = field.get_col(model._meta.db_table)
        for converter in [
            *connection.ops.get_db_converters(expression),
            *expression.get_db_converters(connection),
        ]:
            converters.append((position, expression, converter))
    return [field.attname for field in fields], converters


def _compiled(query: models.QuerySet[Any, Any], parameters: int) -> str:
    sql, places = query.query.get_compiler(connection=connection).as_sql()
    if len(places) != parameters:
        raise AssertionError(f"{len(places)} parameters in {sql}")
    return str(sql)


@cache
def _tokens_sql() -> str:
    query = ApiToken.objects.filter(token_key=PLACE).select_related("user")
    return _compiled(query, 1)


@cache
def _user_sql() -> str:
    return _compiled(User.objects.filter(pk=PLACE), 1)


@cache
def _permissions_sql() -> str:
    query = Permission.objects.filter(Q(user=PLACE) | Q(group__user=PLACE)).order_by().distinct()
    return _compiled(query.values_list("content_type__app_label", "codename"), 2)
