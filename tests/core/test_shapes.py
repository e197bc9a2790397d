"""The shape of a tool's input: what survives a harmless release, and what does not."""

import pytest

from paste_mcp.core.shapes import shape_of

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "title": "readArguments",
    "properties": {
        "path": {"type": "string", "description": "Where", "minLength": 1},
        "mode": {"enum": ["text", "bytes"], "default": "text"},
        "title": {"type": "string"},
        "first": {"type": "integer", "minimum": 0},
    },
    "required": ["path", "mode"],
    "additionalProperties": False,
}


def changed(**properties):
    return {**SCHEMA, "properties": {**SCHEMA["properties"], **properties}}


@pytest.mark.parametrize(
    "schema",
    [
        {**SCHEMA, "title": "other", "description": "new", "additionalProperties": True},
        {**SCHEMA, "required": ["mode", "path"]},
        changed(path={"type": "string", "description": "Which file", "maxLength": 9}),
        changed(mode={"enum": ["bytes", "text"]}),
        changed(first={"type": "integer", "exclusiveMinimum": -1, "default": 3}),
        dict(reversed(SCHEMA.items())),
    ],
)
def test_words_bounds_and_order_are_no_part_of_a_shape(schema):
    assert shape_of("read", schema) == shape_of("read", SCHEMA)


@pytest.mark.parametrize(
    "schema",
    [
        {**SCHEMA, "required": ["path"]},
        changed(mode={"enum": ["text", "bytes", "delete"]}),
        changed(path={"type": ["string", "null"]}),
        changed(output={"type": "string"}),
        changed(title={"type": "number"}),
        {},
        None,
    ],
)
def test_arguments_types_and_choices_are(schema):
    assert shape_of("read", schema) != shape_of("read", SCHEMA)


def test_the_name_is_part_of_a_shape():
    assert shape_of("read", SCHEMA) != shape_of("write", SCHEMA)


def test_the_shape_of_a_known_schema_stays_what_it_is():
    """Catalogues that people keep hold these digits."""
    schema = {"type": "object", "properties": {"path": {"type": "string", "format": "uri"}}, "required": ["path"]}
    assert shape_of("read", schema) == "9b0022050a3eb580"


def test_what_cannot_be_read_has_no_shape():
    deep: dict = {}
    for _ in range(200):
        deep = {"items": deep}
    assert shape_of("read", deep) == shape_of("read", {"default": 1, "const": {1: object()}}) == ""
