"""Node classes as the editor sees them: what is asked of ``object_info`` again and again, kept."""

from comfypipe.errors import ImportFailed
from comfypipe.importing.layout import Layout, class_layout
from comfypipe.prompt.object_info import NodeInfo, ObjectInfo


class NodeCatalog:
    """
    Layouts and output types by class, each worked out once.

    Args:
        object_info: What the server offers whose editor is followed.
    """

    def __init__(self, object_info: ObjectInfo) -> None:
        self._object_info = object_info
        self._layouts: dict[str, Layout] = {}
        self._outputs: dict[str, tuple[str, ...]] = {}

    def __contains__(self, class_type: str) -> bool:
        return class_type in self._object_info

    def info(self, class_type: str) -> NodeInfo:
        """
        Return what the server says of a class that is known.

        Raises:
            ImportFailed: When it says nothing that can be read.
        """
        try:
            return self._object_info[class_type]
        except (AttributeError, TypeError, ValueError) as error:
            raise ImportFailed(
                f"the catalog's entry of {class_type} is damaged: {error}",
                hint="pull the catalog again: `comfypipe catalog pull --backend URL`",
            ) from error

    def layout(self, class_type: str) -> Layout:
        """Return the layout of a class that is known."""
        if class_type not in self._layouts:
            self._layouts[class_type] = class_layout(self.info(class_type))
        return self._layouts[class_type]

    def outputs(self, class_type: str) -> tuple[str, ...]:
        """Return the types of the output slots of a class that is known."""
        if class_type not in self._outputs:
            self._outputs[class_type] = tuple(each.type for each in self.info(class_type).outputs)
        return self._outputs[class_type]

    def title(self, class_type: str) -> str:
        """Return the title that the editor gives to a new node of this class."""
        return self.info(class_type).display_name if class_type in self else class_type
