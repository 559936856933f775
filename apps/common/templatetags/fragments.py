"""Parts of a page that another app makes, rendered with the page itself."""

from __future__ import annotations

import copy
from typing import Any

from django import template
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.context import Context
from django.urls import get_script_prefix, resolve, reverse
from django.utils.safestring import SafeString

from apps.common.errors import PortalError

register = template.Library()


@register.simple_tag(takes_context=True)
def fragment(context: Context, name: str, *args: Any) -> SafeString:
    """What the fragment of that URL name answers now: the very markup that its updates bring.

    So a page is whole as it comes, without JavaScript too, and nothing moves when the first
    update arrives. The view checks its own permission. Empty where it has nothing to show.
    """
    # Behind a sub-path, addresses have it in front; patterns don't.
    path = reverse(name, args=args).removeprefix(get_script_prefix().rstrip("/"))
    view, view_args, view_kwargs = resolve(path)
    # The page's own question (a range of time, say) is not the fragment's.
    request: HttpRequest = copy.copy(context["request"])
    request.GET = QueryDict()
    try:
        answer: HttpResponse = view(request, *view_args, **view_kwargs)
    except PortalError:
        return SafeString("")  # its own update will say what is wrong
    if answer.status_code != 200:
        return SafeString("")
    # A template rendered it, and has escaped what it shows.
    return SafeString(answer.content.decode())  # nosec B703
