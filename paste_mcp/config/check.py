"""Checks an object of the file against a model, and tells what is wrong in the user's words instead of pydantic's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from paste_mcp.config.errors import Place, listed, near

Model = TypeVar("Model", bound=BaseModel)

_WORDS = {
    "missing": "is missing; write it",
    "string_type": "text in double quotes is expected",
    "string_unicode": "text in double quotes is expected",
    "path_type": "text in double quotes is expected",
    "string_too_short": "is empty; write a value or leave it out",
    "bool_type": "true or false is expected, without quotes",
    "int_type": "a whole number is expected, without quotes",
    "float_type": "a number is expected, without quotes",
    "finite_number": "a number is expected, without quotes",
    "tuple_type": "a list is expected: [...]",
    "dict_type": "an object is expected: {...}",
}
_BOUNDS = {
    "greater_than": ("gt", "has to be more than"),
    "greater_than_equal": ("ge", "has to be at least"),
    "less_than_equal": ("le", "has to be at most"),
}


def expect_object(value: Any, place: Place) -> Mapping[str, Any]:
    """The value, if it is an object whose keys are texts."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        place.fail("an object is expected: {...}")
    return value


def refuse_unknown(keys: Iterable[str], known: Iterable[str], place: Place) -> None:
    """Refuse the first key that is not known, with the one that was probably meant or else all there are."""
    names = list(known)
    for key in keys:
        if key not in names:
            meant = near(key, names)
            place.at(key).fail(
                f"unknown key; did you mean '{meant}'?" if meant else f"unknown key; use {listed(names)}"
            )


def check(model: type[Model], values: Mapping[str, Any], place: Place) -> Model:
    """The values as an instance of the model. Raises ConfigError about the first thing that is wrong."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        culprit = place.at(*(key for key in detail["loc"] if key != "[key]"))
        message = _in_words(detail)
    # Raised outside of the handler: pydantic's error holds the values, and a chained traceback would show them.
    raise culprit.error(message)


def choice(value: str, options: Iterable[str]) -> str:
    """What to say of a text that is none of the options. The text itself is not repeated."""
    names = list(options)
    meant = near(value, names, cutoff=0.75)
    return f"did you mean '{meant}'?" if meant else f"has to be one of {listed(names)}"


def _in_words(detail: ErrorDetails) -> str:
    """One of pydantic's findings as a remedy."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind == "literal_error":
        return f"has to be one of {context['expected'].replace(chr(39), '')}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{words} {context[key]:g}" if isinstance(context[key], float) else f"{words} {context[key]}"
    if kind == "value_error":
        return str(context["error"])
    return _WORDS.get(kind, "is not a value that can stand here")
