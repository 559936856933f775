"""People, for administrators: who there is, what each may do, and keeping somebody out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.errors import AccountInvalid, AccountUnknown
from apps.accounts.forms import NamesForm, PersonForm
from apps.accounts.models import User
from apps.accounts.roles import MATRIX, Role
from apps.accounts.selectors import STATES, people, person_rows, tokens_of
from apps.accounts.services import (
    account_access_set,
    account_create,
    account_names_set,
    account_password_link,
    account_role_set,
    account_sign_out,
    account_unlock,
)
from apps.accounts.services.sso import roles_are_mapped
from apps.accounts.sessions import fresh_sign_in
from apps.audit.services import Actor
from apps.common.errors import PortalError

PER_PAGE = 50
TEXT_LENGTH = 150
FILTERS = ("q", "role", "state")


@portal_permission("manage_people")
@require_safe
def people_page(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    given = {name: request.GET.get(name, "").replace("\x00", "")[:TEXT_LENGTH] for name in FILTERS}
    found = people(text=given["q"], role=given["role"], state=given["state"], at=at)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "at": at,
        "section": "people",
        "given": given,
        "roles": list(Role),
        "states": STATES,
        "page": page,
        "rows": person_rows(page.object_list, at=at),
        "is_filtered": any(given.values()),
        "filter_query": urlencode({name: value for name, value in given.items() if value}),
    }
    return render(request, "accounts/people.html", context)


@portal_permission("manage_people")
@require_safe
def roles_page(request: HttpRequest) -> HttpResponse:
    """The one table of who may do what."""
    rows = [
        {"row": row, "held": [row.held_by(role) for role in Role], "anonymous": row.anonymous}
        for row in MATRIX
    ]
    context = {
        "at": timezone.now(),
        "section": "people",
        "roles": list(Role),
        "rows": rows,
        "anonymous_on": settings.PORTAL_ANONYMOUS_READ,
    }
    return render(request, "accounts/roles.html", context)


@portal_permission("manage_people")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_sign_in
def person_new_page(request: HttpRequest) -> HttpResponse:
    """An account without a password; a person gets a link to set one."""
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        service = values["kind"] == "service"
        actor, at = Actor.of(request.user), timezone.now()
        try:
            user = account_create(
                username=values["username"],
                role=Role(values["role"]),
                actor=actor,
                at=at,
                names=values,
                service=service,
            )
        except AccountInvalid as error:
            form.add_error("username", error.message)
        else:
            if service:
                messages.success(request, f"{user} exists now; make its first token here.")
                return redirect("service-tokens", user.pk)
            link = _password_link(request, user, actor=actor, at=at)
            return _person_page(request, user, link=link, is_new=True)
    context = {
        "at": timezone.now(),
        "section": "people",
        "form": form,
        "given": request.POST,
        "roles": list(Role),
    }
    status = 400 if form.errors else 200
    return render(request, "accounts/person_new.html", context, status=status)


@portal_permission("manage_people")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_sign_in
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One account, and what can be done about it: each form names its `act`."""
    user = person_get(pk)
    if request.method != "POST":
        return _person_page(request, user)
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        raise AccountInvalid("The form does not say what to do.")
    try:
        return act(request, user, Actor.of(request.user), timezone.now())
    except PortalError as error:
        return _person_page(request, person_get(pk), problem=error)


def person_get(pk: int) -> User:
    user = User.objects.filter(pk=pk).first() if pk < 2**63 else None
    if user is None:
        raise AccountUnknown
    return user


def _person_page(
    request: HttpRequest,
    user: User,
    *,
    link: str = "",
    is_new: bool = False,
    problem: PortalError | None = None,
) -> HttpResponse:
    at = timezone.now()
    (row,) = person_rows([user], at=at)
    more = [group.name for group in user.groups.all() if group.name not in list(Role)]
    context = {
        "at": at,
        "section": "people",
        "row": row,
        "person": user,
        "itself": user.pk == request.user.pk,
        "roles": list(Role),
        "more_groups": more,
        "link": link,
        "link_hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        "is_new": is_new,
        "problem": problem,
        "role_is_mapped": not user.is_local and roles_are_mapped(),
        "tokens": [
            {"token": one, "status": one.status(at=at)} for one in tokens_of(user).live(at=at)
        ],
    }
    return render(
        request, "accounts/person.html", context, status=problem.status if problem else 200
    )


def _password_link(request: HttpRequest, user: User, *, actor: Actor, at: datetime) -> str:
    key, proof = account_password_link(user, actor=actor, at=at)
    return request.build_absolute_uri(reverse("set-password", args=[key, proof]))


def _names(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    form = NamesForm(request.POST)
    if not form.is_valid():
        raise AccountInvalid(
            " ".join(str(text) for texts in form.errors.values() for text in texts)
        )
    account_names_set(user, names=form.cleaned_data, actor=actor, at=at)
    return _said(request, user, f"{user}: saved.")


def _role(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    wanted = request.POST.get("role", "")
    if wanted not in (*Role, "none"):
        raise AccountInvalid("There is no such role.")
    if not user.is_local and roles_are_mapped():
        raise AccountInvalid("The role of this account comes from its groups at each sign-in.")
    role = None if wanted == "none" else Role(wanted)
    account_role_set(user, role=role, actor=actor, at=at)
    words = f"is {role.value} now" if role else "has no role now"
    return _said(request, user, f"{user} {words}, with the next request.")


def _deactivate(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    reason = request.POST.get("reason", "").replace("\x00", "").strip()[:2000]
    account_access_set(user, active=False, actor=actor, at=at, reason=reason)
    return _said(request, user, f"{user} is kept out now; sessions and tokens have ended.")


def _activate(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    account_access_set(user, active=True, actor=actor, at=at)
    return _said(request, user, f"{user} may sign in again.")


def _sign_out(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    account_sign_out(user, actor=actor, at=at)
    return _said(request, user, f"{user} is signed out everywhere.")


def _unlock(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    account_unlock(user, actor=actor, at=at)
    return _said(request, user, f"{user} may try to sign in again at once.")


def _link(request: HttpRequest, user: User, actor: Actor, at: datetime) -> HttpResponse:
    return _person_page(request, user, link=_password_link(request, user, actor=actor, at=at))


def _said(request: HttpRequest, user: User, words: str) -> HttpResponse:
    messages.success(request, words)
    return redirect("person", user.pk)


ACTS: dict[str, Callable[[HttpRequest, User, Actor, datetime], HttpResponse]] = {
    "names": _names,
    "role": _role,
    "deactivate": _deactivate,
    "activate": _activate,
    "sign_out": _sign_out,
    "unlock": _unlock,
    "link": _link,
}
