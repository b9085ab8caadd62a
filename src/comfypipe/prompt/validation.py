"""What validation found: errors by node in ComfyUI's own shape, and what can run all the same."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct, field

from comfypipe._types import JSONObject
from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.errors import PromptInvalid

Locate: TypeAlias = Callable[[str, str | None], Source | None]
"""Where a node, or one of its inputs, was written; `comfypipe.template.Rendered.source` is one."""

MISSING_CLASS = "missing_node_type"


class NodeError(Struct, frozen=True):
    """
    One thing that is wrong with one node.

    Attributes:
        type: ComfyUI's own name for it, such as ``value_not_in_list``.
        details: The input, mostly, and what is wrong with it.
        extra_info: As ComfyUI gives it: ``input_name``, ``input_config``, ``received_value``, …
        hint: What to do, where something helpful can be said.
    """

    node_id: str
    class_type: str
    type: str
    message: str
    details: str
    extra_info: JSONObject = field(default_factory=dict)
    hint: str | None = None

    def __str__(self) -> str:
        if self.type == MISSING_CLASS:
            return f"node {self.node_id}: there is no class {self.class_type}"
        return f"node {self.node_id} ({self.class_type}): {self.message}: {self.details}"

    @property
    def input_name(self) -> str | None:
        """Name of the input that it is about, if it is about one."""
        if self.type == "exception_during_inner_validation":
            return None  # ComfyUI names the input of the node that reads this one
        name = self.extra_info.get("input_name")
        return name if isinstance(name, str) else None

    def to_json(self) -> JSONObject:
        """Return it as one of ComfyUI's ``errors``."""
        return {"type": self.type, "message": self.message, "details": self.details, "extra_info": self.extra_info}

    def to_diagnostic(self, locate: Locate | None = None) -> Diagnostic:
        """Return it as a finding, with its place where *locate* knows it."""
        source = locate(self.node_id, self.input_name) if locate else None
        return Diagnostic(self.type.replace("_", "-"), str(self), source, self.hint)


class Validation(Struct, frozen=True):
    """
    The result of checking a prompt.

    Attributes:
        errors: All that was found, by node in the order of the prompt; nodes of a missing class are among them.
        outputs: Ids of the output nodes that can run.
        unchecked: Class types that nothing is known of, where those are skipped; sorted.
        error: ComfyUI's top-level error, when nothing can run; else None.
        dependents: By node id, the output nodes that cannot run because of it.
    """

    errors: tuple[NodeError, ...]
    outputs: tuple[str, ...]
    unchecked: tuple[str, ...] = ()
    error: JSONObject | None = None
    dependents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def node_errors(self) -> JSONObject:
        """
        Return ComfyUI's ``node_errors``.

        Empty where a class is missing: ComfyUI looks no further then.
        """
        if any(each.type == MISSING_CLASS for each in self.errors):
            return {}
        found: JSONObject = {}
        for each in self.errors:
            entry = found.setdefault(
                each.node_id,
                {
                    "errors": [],
                    "dependent_outputs": list(self.dependents.get(each.node_id, ())),
                    "class_type": each.class_type,
                },
            )
            entry["errors"].append(each.to_json())
        return found

    def diagnostics(self, locate: Locate | None = None) -> tuple[Diagnostic, ...]:
        """Return everything as findings; a top-level error that no node is to blame for comes alone."""
        if self.error is not None and not self.errors:
            return (Diagnostic(self.error["type"].replace("_", "-"), self.error["message"], hint=_hint(self.error)),)
        return tuple(each.to_diagnostic(locate) for each in self.errors)

    def raise_if_invalid(self, locate: Locate | None = None) -> None:
        """
        Return, if nothing was found.

        Raises:
            PromptInvalid: With all that was found. A prompt of which only a part could run is invalid too: ComfyUI
                would drop the other outputs silently.
        """
        if self.error is None and not self.errors:
            return
        found = self.diagnostics(locate)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PromptInvalid(
            f"{found[0].message}{more}",
            error=self.error or outputs_failed(""),
            node_errors=self.node_errors(),
            diagnostics=found,
            hint=found[0].hint,
            source=found[0].source,
        )


def outputs_failed(details: str) -> JSONObject:
    """Return the top-level error for output nodes that do not validate."""
    message = "Prompt outputs failed validation"
    return {
        "type": "prompt_outputs_failed_validation",
        "message": message,
        "details": details,
        "extra_info": {},
    }


def _hint(error: JSONObject) -> str | None:
    if error["type"] == "prompt_no_outputs":
        return "a prompt needs a node that saves or shows something, such as SaveImage"
    return None
