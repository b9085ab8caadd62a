"""Templates in a folder of their own, for the tests of this folder."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from comfypipe._types import JSONObject
from comfypipe.template import Limits, Rendered, render

MAIN = "main.json.j2"

ANY_JSON = st.recursive(
    st.one_of(st.text(), st.text(alphabet='"\\/{}[]:,nu0'), st.integers(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


class Templates:
    """A folder of templates; the main one is shown below ``workflows/``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str, **others: str) -> "Templates":
        """Write the main template, and others: ``parts_lora`` becomes ``parts/lora.j2``."""
        for name, content in {
            MAIN: text,
            **{f"{key.replace('_', '/')}.j2": each for key, each in others.items()},
        }.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return self

    def rendered(self, limits: Limits | None = None, /, **values: Any) -> Rendered:
        """Render the main template."""
        shown = f"workflows/{MAIN}"
        return render(self.root / MAIN, values, root=self.root, shown=shown, limits=limits or Limits())

    def document(self, **values: Any) -> JSONObject:
        """Return the document that the main template gives."""
        return self.rendered(**values).document
