"""Field types for the sections of params.yaml; each rejects other values with a message of one line."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from autoencoders.arms import Share
from autoencoders.blocks import BY_COLUMN
from autoencoders.sentences import FILLED_IN
from autoencoders.vocabulary import ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS
from tasks.frame.errors import Undeclared

STATEMENT = re.compile(r"\S+ [<>] \S+( and \S+ [<>] \S+)*")


def nearest(name: Any, names: Iterable[str]) -> str:
    """Return the name most similar to a misspelt one; empty if none is similar."""
    return "".join(difflib.get_close_matches(str(name).lower(), names, n=1))


def shown(value: Any) -> str:
    """Return a value as params.yaml would show it, on one line."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def check_keys(given: Any, known: Iterable[str], what: str) -> None:
    """Raise ValueError if a mapping has missing or unknown keys."""
    if not isinstance(given, dict):
        raise ValueError(f"expected the keys {', '.join(known)}, received {shown(given)}")
    for name in given:
        if name not in known:
            near = nearest(name, known)
            raise ValueError(
                f"unknown {what} {name}, " + (f"did you mean {near}?" if near else f"expected {', '.join(known)}")
            )
    for name in known:
        if name not in given:
            raise ValueError(f"missing {what}: {name}")


def one_of(names: tuple[str, ...]) -> BeforeValidator:
    """Return a check that a value is one of some names; its message suggests the most similar one."""

    def check(value: Any) -> Any:
        if value not in names:
            expected = f"expected one of {', '.join(names)}, received {shown(value)}"
            near = nearest(value, names)
            raise ValueError(f"unknown name {shown(value)}, did you mean {near}?" if near else expected)
        return value

    return BeforeValidator(check, json_schema_input_type=Literal[names])  # for docs/reference.md


def _statement(value: Any) -> Any:
    if not STATEMENT.fullmatch(str(value)):
        raise ValueError(
            f"expected `metric < number` or `metric > metric`, several with `and`, received {shown(value)}"
        )
    return value


def _sentence(value: Any) -> Any:
    if set(FILLED_IN.sub("", str(value))) & set("{}"):
        raise ValueError(f"expected metrics as {{stage.metric:.2f}} or {{stage.metric:.2p}}, received {shown(value)}")
    return value


def _sha256(value: Any) -> Any:
    if not re.fullmatch("[0-9a-f]{64}", str(value)):
        raise ValueError(f"expected 64 digits out of 0-9 and a-f, received {shown(value)}")
    return value


def _marker(value: Any) -> Any:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"expected text or a whole number, received {shown(value)}")
    return value


def _value(value: Any) -> Any:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"expected text or a number, received {shown(value)}")
    return value


def _column(value: Any) -> Any:
    """Return a column's name; 17 is the name "17", as in a table without a header."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _loss_of_rows(value: Any) -> Any:
    if value == BY_COLUMN:
        raise ValueError(f"expected one of Keras' losses, received '{BY_COLUMN}', which only label_curve.network takes")
    return value


def check_settings(given: Any, known: Mapping[str, Mapping[str, type]], what: str) -> Any:
    """Return settings, {name: {setting: number}}, `1` as 1.0 where a number need not be whole.

    Raises:
        ValueError: One is missing, unknown, or out of range.
    """
    check_keys(given, known, what)
    for name, settings in known.items():
        check_keys(given[name], settings, f"setting of {name}")
        for setting, kind in settings.items():
            value, below = given[name][setting], 1 if kind is Share else math.inf
            if not _is_number(value, kind) or not 0 < value < below:
                wanted = "a whole number > 0" if kind is int else "a number > 0" + (" and < 1" if kind is Share else "")
                raise ValueError(f"{name}.{setting}: expected {wanted}, received {shown(value)}")
    return {
        name: {setting: given[name][setting] * (1 if kind is int else 1.0) for setting, kind in settings.items()}
        for name, settings in known.items()
    }


def check_range(ends: Any, kind: type, where: str) -> None:
    """Raise ValueError if `ends` are not two numbers above 0, ascending; a Share's are below 1, an int's whole."""
    most = 1 if kind is Share else math.inf
    right = isinstance(ends, list) and len(ends) == 2 and all(_is_number(end, kind) and end < most for end in ends)
    if not right or not 0 < ends[0] <= ends[1]:
        raise ValueError(f"{where}: expected [least, greatest], numbers above 0, received {shown(ends)}")


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, int | float if kind is not int else int) and not isinstance(value, bool)


Activation = Annotated[str, one_of(ACTIVATIONS)]
Initializer = Annotated[str, one_of(INITIALIZERS)]
Optimizer = Annotated[str, one_of(OPTIMIZERS)]
Loss = Annotated[str, one_of(LOSSES), BeforeValidator(_loss_of_rows)]
StudyLoss = Annotated[str, one_of((*LOSSES, BY_COLUMN))]
Positive = Annotated[int, Field(ge=1, lt=2**31)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Statement = Annotated[str, BeforeValidator(_statement)]
Sentence = Annotated[str, BeforeValidator(_sentence)]
Marker = Annotated[str | int, BeforeValidator(_marker)]
Value = Annotated[str | int | float, BeforeValidator(_value)]
Column = Annotated[str, BeforeValidator(_column)]
Sha256 = Annotated[str, BeforeValidator(_sha256)]


class Section(BaseModel):
    """A frozen part of params.yaml that rejects unknown keys; a stage sees only the keys that it declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).model_fields:
            section = "" if type(self).__name__ == "Params" else f"a {type(self).__name__}'s "
            raise Undeclared(f"dvc.yaml: a stage reads {section}{name}: expected it among the stage's params")
        raise AttributeError(f"{type(self).__name__} has no key {name}")
