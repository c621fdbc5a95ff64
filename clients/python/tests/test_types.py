"""The types say what the gateway's OpenAPI document says."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any, Union

import httpx
import pytest
import typing_extensions
from conftest import URL

from onetake import Model, Onetake, SubmitParams, Submitted, Task

PATH = "/v1/video/generations"


@pytest.fixture(scope="module")
def document() -> Any:
    return httpx.get(f"{URL}/openapi.json").json()


def schema_of(document: Any, operation: Any) -> Any:
    """What an operation answers with."""
    return resolved(document, operation["responses"]["200"]["content"]["application/json"]["schema"])


def resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        target = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        schema = target
    return schema


def differences(document: Any, schema: Any, hint: Any, where: str) -> list[str]:
    """What a type says otherwise than a schema."""
    schema = resolved(document, schema)
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(schema.get("type"), list):
        options = [{**schema, "type": kind} for kind in schema["type"]]
    hint_options = typing.get_args(hint) if is_union(hint) else (hint,)
    if options:
        return union_differences(document, options, hint_options, where)
    if "const" in schema or "enum" in schema:
        values = {schema["const"]} if "const" in schema else set(schema["enum"])
        same = typing.get_origin(hint) is typing.Literal and set(typing.get_args(hint)) == values
        return [] if same else [f"{where}: {sorted(map(str, values))} is not {hint}"]
    kind = schema.get("type")
    if kind == "array":
        if typing.get_origin(hint) is not list:
            return [f"{where}: an array is not {hint}"]
        return differences(document, schema["items"], typing.get_args(hint)[0], f"{where}[]")
    if kind == "object" and "properties" in schema:
        return object_differences(document, schema, hint, where)
    if kind == "object":
        if typing.get_origin(hint) is not dict:
            return [f"{where}: an object is not {hint}"]
        values = schema.get("additionalProperties", {})
        return differences(document, values, typing.get_args(hint)[1], f"{where}{{}}")
    expected: dict[str | None, Any] = {
        "string": str, "integer": int, "number": float, "boolean": bool, "null": type(None), None: Any,
    }  # fmt: skip
    return [] if hint is expected[kind] else [f"{where}: {kind} is not {hint}"]


def is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def union_differences(document: Any, options: list[Any], hints: tuple[Any, ...], where: str) -> list[str]:
    """Each option has a type, and each type an option."""
    trouble: list[str] = []
    left = list(hints)
    for option in options:
        if "enum" in option and None in option["enum"]:
            option = {**option, "enum": [value for value in option["enum"] if value is not None]}
        found = [hint for hint in left if not differences(document, option, hint, where)]
        if not found:
            trouble.append(f"{where}: {option} is none of {hints}")
        for hint in found:
            left.remove(hint)
    return trouble + [f"{where}: nothing is {hint}" for hint in left]


def object_differences(document: Any, schema: Any, hint: Any, where: str) -> list[str]:
    if not typing_extensions.is_typeddict(hint):
        return [f"{where}: an object is not {hint}"]
    hints = typing_extensions.get_type_hints(hint, include_extras=False)
    trouble = [f"{where}: {name} is only in one of them" for name in set(hints) ^ set(schema["properties"])]
    declared = typing_extensions.get_type_hints(hint, include_extras=True)
    marks: dict[str, Any] = {name: typing.get_origin(declared[name]) for name in declared}
    optional = {
        name
        for name, mark in marks.items()
        if mark is typing_extensions.NotRequired
        or (not hint.__total__ and mark is not typing_extensions.Required)
    }
    if set(hints) - optional != set(schema.get("required", [])):
        trouble.append(f"{where}: required are {schema.get('required', [])}")
    for name in set(hints) & set(schema["properties"]):
        trouble += differences(document, schema["properties"][name], hints[name], f"{where}.{name}")
    return trouble


@pytest.mark.parametrize(
    ("kind", "path", "method"),
    [(Union[Submitted, Task], PATH, "post"), (Task, f"{PATH}/{{task_id}}", "get")],
    ids=["Submitted", "Task"],
)
def test_answers(document: Any, kind: Any, path: str, method: str) -> None:
    assert differences(document, schema_of(document, document["paths"][path][method]), kind, "") == []


def test_models(document: Any) -> None:
    models = schema_of(document, document["paths"]["/v1/models"]["get"])
    assert differences(document, models["properties"]["data"], list[Model], "") == []


def test_parameters(document: Any) -> None:
    body = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert differences(document, body, SubmitParams, "") == []


def test_filters_of_the_list(document: Any) -> None:
    queries = document["paths"][PATH]["get"]["parameters"]
    names = {query["name"] for query in queries if query["in"] == "query"} - {"after"}
    assert set(inspect.signature(Onetake.list).parameters) - {"self"} == names | {"metadata"}
