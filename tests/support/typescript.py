"""Types of Python written as types of TypeScript: as msgspec writes their values to JSON, or takes them from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_origin

from msgspec import inspect

_ATOMS: Final[dict[type[inspect.Type], str]] = {
    inspect.AnyType: "unknown",
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
}
_Object = inspect.StructType | inspect.TypedDictType


@dataclass(frozen=True)
class TypeScript:
    """Writes types: of what is sent to a client, or (`is_taken`) of what may come from it.

    `stand_ins` are written in the place of Python types that say less than the JSON holds ("Raw": of raw JSON).
    """

    is_taken: bool = False
    stand_ins: Mapping[object, str] = field(default_factory=dict)

    def of(self, python: object) -> str:
        """Write a type."""
        return self._write(inspect.type_info(python))

    def without(self, python: object, *names: str) -> str:
        """Write an object without some of its fields."""
        return self._object([each for each in _object(python).fields if each.name not in names], _object(python))

    def always_with(self, python: object, *names: str) -> str:
        """Write an object of which some fields are never left out."""
        whole = _object(python)
        is_there = [each for each in whole.fields if each.name in names]
        rest = [each for each in whole.fields if each.name not in names]
        members = [f"{each.encode_name}: {self._write(each.type)}" for each in is_there]
        return "{ " + "; ".join([*members, *self._members(rest, whole)]) + " }"

    def _write(self, info: inspect.Type) -> str:  # noqa: PLR0911 - one for each kind
        match info:
            case inspect.Metadata():
                return self._write(info.type)
            case inspect.RawType():
                return self.stand_ins["Raw"]
            case inspect.CustomType() | inspect.StructType() | inspect.TypedDictType() if info.cls in self.stand_ins:
                return self.stand_ins[info.cls]
            case inspect.StructType() | inspect.TypedDictType():
                return self._object(info.fields, info)
            case inspect.UnionType():
                return " | ".join(map(self._write, info.types))
            case inspect.LiteralType():
                return " | ".join(map(json.dumps, info.values))
            case inspect.ListType() | inspect.VarTupleType():
                return f"{'readonly ' if self.is_taken else ''}({self._write(info.item_type)})[]"
            case inspect.DictType():
                return f"Record<{self._write(info.key_type)}, {self._write(info.value_type)}>"
            case _:
                return _ATOMS[type(info)]

    def _object(self, fields: Sequence[inspect.Field], whole: _Object) -> str:
        return "{ " + "; ".join(self._members(fields, whole)) + " }"

    def _members(self, fields: Sequence[inspect.Field], whole: _Object) -> list[str]:
        tag = []
        if isinstance(whole, inspect.StructType) and whole.tag_field is not None:
            tag = [f"{whole.tag_field}: {json.dumps(whole.tag)}"]
        return tag + [self._member(each, whole) for each in fields]

    def _member(self, each: inspect.Field, whole: _Object) -> str:
        written, is_optional = self._write(each.type), not each.required
        if isinstance(whole, inspect.StructType) and not self.is_taken:
            cls = get_origin(whole.cls) or whole.cls
            is_optional = is_optional and cls.__struct_config__.omit_defaults
            if is_optional and each.default is None:  # then it is left out
                written = written.removesuffix(" | null")
        return f"{each.encode_name}{'?' if is_optional else ''}: {written}"


def _object(python: object) -> _Object:
    info = inspect.type_info(python)
    assert isinstance(info, inspect.StructType | inspect.TypedDictType), python
    return info
