"""JSON bodies of requests, as strict as they can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class PortalJsonParser(JSONParser):
    """Whatever a body holds, it is a value that can be stored and sent on, or a 400 that says why.

    How large it may be is decided before (`apps.common.api_middleware.BodyLimitMiddleware`).
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            found = json.loads(stream.read().decode("utf-8"), parse_constant=_no_number)
            # Half of a surrogate pair is no text: neither database would take it.
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except UnicodeEncodeError as error:
            raise ParseError(
                "The body holds half of a surrogate pair, which is no text."
            ) from error
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
