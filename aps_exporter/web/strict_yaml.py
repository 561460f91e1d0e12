"""YAML as the Prometheus family reads it: strict, and scalars stay the text that they are.

Needs PyYAML, which is optional: who imports this module says what is missing.
"""

from __future__ import annotations

from typing import Final

import yaml

__all__ = ["parse_yaml"]

_TYPED: Final = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:merge")


class _Loader(yaml.SafeLoader):
    """Knows null and booleans; a number, a date or a hash is text until somebody wants a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say it
        first: [pair for pair in resolvers if pair[0] in _TYPED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(  # type: ignore[override]  # text keys are all that we let pass
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's
    ) -> dict[str, object]:
        """Refuse keys that are given twice, and take ``yes:`` for the name that it is."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="keys must be text", problem_mark=key.start_mark)
            if key.value in seen:
                problem = f"{key.value} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


def parse_yaml(content: bytes) -> object:
    """Parse one document; nothing at all is ``None``. Raises `ValueError` in one line."""
    loader = None
    try:
        loader = _Loader(content)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # "expected a single document in the stream" "but found another document"
        halves = (error.context, error.problem) if "but " in str(error.problem)[:4] else ()
        raise ValueError(where + (" ".join(map(str, halves)) or str(error.problem))) from error
    except yaml.YAMLError as error:
        raise ValueError("isn't YAML text in UTF-8") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    finally:
        if loader is not None:
            loader.dispose()
