"""YAML as the runtime's configuration uses it: plain data only, bounded, ids kept as text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import yaml

MAX_VALUES = 100_000
"""Values in a file, aliases counted as often as they are used."""

MAX_DIGITS = 100
POOL_ID_SUFFIX = "pool_id"


class YamlProblem(Exception):
    """Malformed or refused; line and column count from 1 where they are known."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class _Loader(yaml.SafeLoader):
    """Knows null, bool, int, float, str, sequence and mapping, and nothing else.

    A time stamp stays text: nothing in a runtime's configuration is one.
    """

    yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar = {}


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    # YAML 1.1 reads 1:30 as ninety; and JSON has no infinity and no NaN.
    if ":" in text or len(text) > MAX_DIGITS:
        return text
    try:
        if node.tag.endswith(":int"):
            return yaml.SafeLoader.construct_yaml_int(loader, node)
        value = yaml.SafeLoader.construct_yaml_float(loader, node)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    # Puts merged keys first, so that the mapping's own ones replace them.
    loader.flatten_mapping(node)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _at(key_node, "a key must be a name, not a list or a mapping")
        key = str(key_node.value)
        if key.endswith(POOL_ID_SUFFIX) and isinstance(value_node, yaml.ScalarNode):
            # 301.10 as a number is 301.1, which is another pool.
            result[key] = str(value_node.value)
        else:
            result[key] = loader.construct_object(value_node, deep=True)
    return result


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(item, deep=True) for item in node.value]


def _unknown(loader: _Loader, node: yaml.Node) -> Any:
    raise _at(node, f"the tag {str(node.tag)[:60]!r} is not supported")


_CONSTRUCTORS: dict[str | None, Callable[[Any, Any], Any]] = {
    "null": yaml.SafeLoader.construct_yaml_null,
    "bool": yaml.SafeLoader.construct_yaml_bool,
    "int": _number,
    "float": _number,
    "str": yaml.SafeLoader.construct_yaml_str,
    "seq": _sequence,
    "map": _mapping,
}
_Loader.yaml_constructors = {
    f"tag:yaml.org,2002:{name}": build for name, build in _CONSTRUCTORS.items()
} | {None: _unknown}


def yaml_parse(text: str) -> Any:
    """Plain data from YAML text: dict with text keys, list, str, int, float, bool, None.

    Text of any key that ends in ``pool_id`` is kept as written. Raises YamlProblem for
    malformed text, a key given twice, tags, and aliases that refer to themselves or
    multiply into more than 100,000 values.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Checker().check(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "can't be read"
        if mark is None:
            raise YamlProblem(reason) from error
        raise YamlProblem(reason, mark.line + 1, mark.column + 1) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1) + 1
        code = ord(error.character) if isinstance(error.character, str) else error.character
        reason = f"the character U+{code:04X} is not allowed"
        raise YamlProblem(reason, before.count("\n") + 1, column) from error
    except yaml.YAMLError as error:
        raise YamlProblem(str(error)[:200]) from error
    except RecursionError as error:
        raise YamlProblem("it is nested too deeply") from error


class _Checker:
    """Counts what the document becomes when aliases are written out, before anything is built."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def check(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise _at(node, "an alias refers to what contains it")
        self._open.add(id(node))
        size = 1 + sum(self.check(child) for child in self._children(node))
        self._open.discard(id(node))
        if size > MAX_VALUES:
            raise _at(node, f"it holds more than {MAX_VALUES} values")
        self._sizes[id(node)] = size
        return size

    def _children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not isinstance(node, yaml.MappingNode):
            return []
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                continue
            if key_node.value in seen:
                first = seen[key_node.value]
                raise _at(key_node, f"the key {key_node.value[:60]!r} is also on line {first}")
            seen[key_node.value] = key_node.start_mark.line + 1
        return [part for pair in node.value for part in pair]


def _at(node: yaml.Node, reason: str) -> YamlProblem:
    mark = node.start_mark
    return YamlProblem(reason, mark.line + 1, mark.column + 1)
