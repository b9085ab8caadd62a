"""What templates are called: by Jinja, by the user, and on the disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path


class TemplateNames(Mapping[str, tuple[str, Path]]):
    """
    What templates are called: within Jinja by their path below *root*, to the user by the path as shown.

    Attributes:
        main: Name of the template that is rendered; its absolute path, where it lies elsewhere.
    """

    def __init__(self, template: Path, root: Path, shown: str) -> None:
        self.root = root.absolute()
        self.main = template.absolute().as_posix()
        self._shown = shown
        self._prefix = ""
        below = self.root.as_posix().rstrip("/") + "/"
        if self.main.startswith(below):
            self.main = self.main.removeprefix(below)
            self._prefix = shown.removesuffix(self.main) if shown.endswith(self.main) else ""

    def __getitem__(self, name: str) -> tuple[str, Path]:
        return (self._shown if name == self.main else self._prefix + name), self.root / name

    def __iter__(self) -> Iterator[str]:
        yield self.main

    def __len__(self) -> int:
        return 1
