"""The engine's classes together with those that it stands in for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from comfypipe.engine.registry import NodeClass, Registry, Result
from comfypipe.engine.simulation.behaviours import behaviour_of
from comfypipe.engine.simulation.call import Call, SimulationContext
from comfypipe.engine.simulation.costs import Costs
from comfypipe.engine.simulation.declarations import Declaration, catalog_declaration, core_declarations
from comfypipe.engine.simulation.models import check_names
from comfypipe.prompt.object_info import ObjectInfo


def simulating_registry(
    real: Mapping[str, NodeClass], catalogs: Iterable[ObjectInfo] = (), costs: Costs | None = None
) -> Registry:
    """
    Return a registry that has every class of *real* as it is, and stand-ins for all others that are known of.

    Args:
        catalogs: What servers offer; the first that has a class counts, before what this package knows of it.
    """
    charged = costs or Costs()
    declared: dict[str, Declaration] = {}
    for catalog in catalogs:
        for class_type in catalog:
            if class_type not in real and class_type not in declared:
                declared[class_type] = catalog_declaration(catalog[class_type])
    for each in core_declarations():
        declared.setdefault(each.class_type, each)
    stand_ins = [stand_in_class(each, charged) for name, each in declared.items() if name not in real]
    return Registry([*(_open_to_all(each) for each in real.values()), *stand_ins])


def _open_to_all(node_class: NodeClass) -> NodeClass:
    """Let a sampler have any name: servers know other ones with each release, and nothing is sampled here."""
    if node_class.class_type != "KSamplerSelect":
        return node_class
    inputs = {
        name: replace(spec, type="COMBO", options={**spec.options, "options": list(spec.type)})
        for name, spec in node_class.inputs.items()
    }
    return replace(node_class, inputs=inputs)


def stand_in_class(declaration: Declaration, costs: Costs) -> NodeClass:
    """Return a node class that stands in for the one that is declared."""

    def function(context: SimulationContext, **inputs: Any) -> tuple[Any, ...] | Result:
        call = Call(declaration, inputs, context, costs)
        check_names(call)
        return behaviour_of(call)(call)

    return NodeClass(
        declaration.class_type,
        function,
        declaration.inputs,
        declaration.outputs,
        output_node=declaration.output_node,
        input_is_list=declaration.input_is_list,
        category=declaration.category,
        description="Simulated: a typed stand-in for a node that needs a model.",
        module="comfypipe.engine.simulation",
        simulated=True,
        declared=declaration.info,
    )
