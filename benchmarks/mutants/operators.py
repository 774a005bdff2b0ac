"""Small changes of a source file, one at a time: those of cosmic-ray and mutmut, and two of this project's own.

A change replaces a stretch of text, so that the rest of the file stays as it is. Left out are places where a change is
no defect, or none that a test should notice: docstrings, annotations, decorators, what is printed or logged, f-strings,
assertions (`zip(strict=True)` is one), the block below `if __name__ == "__main__"`, keywords that repeat a default, and
one second more of patience.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", ("<=", ">=")), ast.LtE: ("<=", ("<", ">")), ast.Gt: (">", (">=", "<=")), ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)), ast.NotEq: ("!=", ("==",)), ast.Is: ("is", ("is not",)), ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)), ast.NotIn: ("not in", ("in",)),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"), ast.BitXor: ("^", "&"),
    ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
}  # fmt: skip
PATIENCE = re.compile(r"^[A-Z_]+ = [\d.]+  # seconds")
SPLITS = {"train": "test", "valid": "train", "test": "valid"}
SHOWING = {"print", "say", "echo", "warn", "warning", "info", "debug"}  # functions whose arguments a person reads
# Where the machine's text is UTF-8 the first changes nothing; the second repeats the default; the last asserts.
NO_DEFECT = {("encoding", "'utf-8'"), ("check", "False"), ("strict", "True")}


@dataclass(frozen=True)
class Change:
    """A stretch of a file's text, [start, end) in characters, and what stands there instead."""

    operator: str
    line: int
    start: int
    end: int
    after: str
    scope: str  # the outermost function or method that it stands in: `Trainer.fit`; "" at the top

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        return text[: self.start] + self.after + text[self.end :]


def changes(text: str) -> list[Change]:
    """Return the changes of a source file's text; a few of them are no Python, or the same program."""
    return [*_Finder(text).find(ast.parse(text))]


def is_another_program(before: str, after: str) -> bool:
    """Return whether a text is Python, and not but for spaces and brackets what another is."""
    try:
        return ast.dump(ast.parse(after)) != ast.dump(ast.parse(before))
    except SyntaxError:
        return False


def scopes(text: str) -> dict[str, range]:
    """Return the outermost functions and methods, and the lines of their bodies."""
    found = {}
    for node in ast.parse(text).body:
        for part in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(part, ast.FunctionDef):
                name = part.name if part is node else f"{node.name}.{part.name}"
                found[name] = range(part.body[0].lineno, (part.end_lineno or 0) + 1)
    return found


class _Finder:
    """Walks a tree and yields changes; `scope` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text, self.scope = text, ""
        self.starts = [0]
        self.lines = text.splitlines(keepends=True)
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def find(self, node: ast.AST) -> Iterator[Change]:
        if _left_out(node):
            return
        outer = self.scope
        if isinstance(node, ast.ClassDef) and not outer:
            self.scope = f"{node.name}."
        elif isinstance(node, ast.FunctionDef) and (not outer or outer.endswith(".")):
            self.scope = outer + node.name
        if isinstance(node, ast.expr | ast.stmt):
            yield from self._of(node)
        for child in _children(node):
            yield from self.find(child)
        self.scope = outer

    def _of(self, node: ast.expr | ast.stmt) -> Iterator[Change]:
        match node:
            case ast.Compare(ops=[op]):
                sign, others = COMPARISONS[type(op)]
                for other in others:
                    yield from self._between(node, node.left, node.comparators[0], sign, other, "comparison")
            case ast.BinOp(op=op) if type(op) in ARITHMETIC:
                yield from self._between(node, node.left, node.right, *ARITHMETIC[type(op)], "arithmetic")
            case ast.AugAssign(op=op) if type(op) in ARITHMETIC:
                sign, other = ARITHMETIC[type(op)]
                yield from self._between(node, node.target, node.value, f"{sign}=", f"{other}=", "arithmetic")
            case ast.BoolOp(op=op, values=[first, second, *_]):
                signs = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                yield from self._between(node, first, second, *signs, "and/or")
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                yield self._instead(node, self._source(operand), "not or minus removed")
            case ast.Constant():
                yield from self._constant(node)
            case ast.Break() | ast.Continue():
                yield self._instead(node, "continue" if isinstance(node, ast.Break) else "break", "break/continue")
            case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
                yield self._instead(node, "return None", "returns None")
            case ast.Expr(value=ast.Call()):
                yield self._instead(node, "pass", "call deleted")
            case ast.Call():
                yield from self._keywords(node)
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield self._instead(test, f"(not ({self._source(test)}))", "condition negated")
            case ast.FunctionDef(args=arguments):
                for default in [*arguments.defaults, *filter(None, arguments.kw_defaults)]:
                    if not isinstance(default, ast.Constant) or default.value:  # else None may well be the same
                        yield self._instead(default, "None", "default argument")

    def _constant(self, node: ast.Constant) -> Iterator[Change]:
        value = node.value
        if isinstance(value, bool):
            yield self._instead(node, str(not value), "boolean")
        elif isinstance(value, int | float) and not PATIENCE.search(self.lines[node.lineno - 1]):
            yield self._instead(node, repr(value + 1), "number")
        elif isinstance(value, str) and node.end_lineno == node.lineno:
            yield self._instead(node, repr(f"XX{value}XX"), "string")
            if re.search(r"\b(train|valid|test)\b", value):
                swapped = re.sub(r"\b(train|valid|test)\b", lambda found: SPLITS[found[0]], value)
                yield self._instead(node, repr(swapped), "split")

    def _keywords(self, node: ast.Call) -> Iterator[Change]:
        parts = sorted([*node.args, *node.keywords], key=lambda part: self._span(part))
        for k, part in enumerate(parts):
            if isinstance(part, ast.keyword) and part.arg and not _no_defect(part):
                start, end = self._span(part)
                if k:
                    start = self._span(parts[k - 1])[1]
                elif len(parts) > 1:
                    end = self._span(parts[1])[0]
                yield self._change("keyword dropped", part.lineno, start, end, "")

    def _between(
        self, node: ast.AST, left: ast.expr, right: ast.expr, sign: str, other: str, operator: str
    ) -> Iterator[Change]:
        """Yield the change of an operator's sign, which stands between two operands, alone but for brackets."""
        start, end = self._span(left)[1], self._span(right)[0]
        pattern = r"\s+".join(map(re.escape, sign.split()))
        if found := re.search(rf"(?<![\w=<>!]){pattern}(?![\w=])" if sign.isalpha() else pattern, self.text[start:end]):
            where = start + found.start()
            line = left.end_lineno or 0
            yield self._change(operator, line, where, start + found.end(), other)

    def _instead(self, node: ast.expr | ast.stmt, after: str, operator: str) -> Change:
        return self._change(operator, node.lineno, *self._span(node), after)

    def _change(self, operator: str, line: int, start: int, end: int, after: str) -> Change:
        return Change(operator, line, start, end, after, self.scope.rstrip("."))

    def _source(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self.text[start:end]

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno or 0, node.end_col_offset or 0)

    def _at(self, line: int, column: int) -> int:
        """Return the character at a line, from 1, and a column, which Python counts in bytes."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())


def _children(node: ast.AST) -> Iterator[ast.AST]:
    skipped = {"annotation", "returns", "decorator_list", "type_params"}
    for name, value in ast.iter_fields(node):
        if name not in skipped:
            yield from (
                child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)
            )


def _left_out(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in SHOWING
        case ast.Expr(value=ast.Call() as call):
            return _left_out(call)
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__")) | ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.ClassDef(bases=bases):
            return any(ast.unparse(base) == "Protocol" for base in bases)
        case ast.keyword():
            return _no_defect(node)
    return False


def _no_defect(node: ast.keyword) -> bool:
    return (node.arg, ast.unparse(node.value)) in NO_DEFECT
