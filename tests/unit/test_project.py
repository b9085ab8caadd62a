from pathlib import Path

import pytest

from comfypipe.errors import ProjectError, ProjectNotFound
from comfypipe.project import ProjectLayout, Settings


def project(folder: Path, text: str = "[tool.comfypipe]\n") -> Path:
    """Write a project's settings and return its root."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def refused(root: Path, text: str) -> str:
    """Return what is told of settings that cannot be used, without the folder."""
    with pytest.raises(ProjectError) as caught:
        ProjectLayout.find(project(root, text))
    return str(caught.value).replace(f"{root}/", "")


def test_the_root_is_found_from_any_folder_below(tmp_path: Path) -> None:
    """The nearest folder above that holds settings is the root."""
    root = project(tmp_path / "project")
    deep = root / "a" / "b"
    deep.mkdir(parents=True)
    assert ProjectLayout(root) == ProjectLayout.find(deep)


def test_a_pyproject_of_another_tool_is_passed_by(tmp_path: Path) -> None:
    """A ``pyproject.toml`` without our table does not hide the project around it."""
    root = project(tmp_path / "project")
    project(root / "inner", "[tool.ruff]\nline-length = 120\n")
    assert root == ProjectLayout.find(root / "inner").root


def test_a_symlink_is_followed_as_it_is_written(tmp_path: Path) -> None:
    """The root is where the user is, also through a link."""
    root = project(tmp_path / "project")
    (tmp_path / "link").symlink_to(root)
    assert tmp_path / "link" == ProjectLayout.find(tmp_path / "link").root


def test_no_project_is_told_with_what_to_do(tmp_path: Path) -> None:
    """Outside of any project the error names the command that makes one."""
    with pytest.raises(ProjectNotFound) as caught:
        ProjectLayout.find(tmp_path)
    assert (
        f"no pyproject.toml with [tool.comfypipe] in {tmp_path} or above it\n"
        "  hint: run `comfypipe init` here, or go to a project's folder"
    ) == str(caught.value)


def test_settings_are_read(tmp_path: Path) -> None:
    """All settings arrive; backends may be URLs or tables."""
    text = """
[tool.comfypipe]
workflows = "graphs"
manifests = "declared"
backend = "farm"
catalogs = "catalogs"

[tool.comfypipe.backends]
laptop = "http://127.0.0.1:8188"
farm = {url = "http://gpu1:8188,http://gpu2:8188", accelerators = {gpu1 = "L4"}}
"""
    layout = ProjectLayout.find(project(tmp_path, text))
    assert (
        Settings(
            workflows="graphs",
            manifests="declared",
            backend="farm",
            catalogs="catalogs",
            backends={
                "laptop": "http://127.0.0.1:8188",
                "farm": {"url": "http://gpu1:8188,http://gpu2:8188", "accelerators": {"gpu1": "L4"}},
            },
        )
        == layout.settings
    )
    assert (tmp_path / "graphs", tmp_path / "declared", tmp_path / "catalogs") == (
        layout.workflows,
        layout.manifests,
        layout.catalogs,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[tool.comfypipe]\n\nbackend = 'a:'\nmanifest = 'm'\n",
            'pyproject.toml:4:1 [tool.comfypipe] has no setting "manifest"\n  hint: did you mean manifests?',
        ),
        (
            "[tool.comfypipe]\n  xyz = 1\n",
            (
                'pyproject.toml:2:3 [tool.comfypipe] has no setting "xyz"\n'
                "  hint: settings are workflows, manifests, backend, backends, prices, catalogs, downloads"
            ),
        ),
        ("[tool.comfypipe]\nworkflows = 7\n", "pyproject.toml:2:1 workflows takes text"),
        ("[tool.comfypipe]\nbackend = ''\n", "pyproject.toml:2:1 backend takes text"),
        (
            "[tool.comfypipe]\nmanifests = '../other'\n",
            "pyproject.toml:2:1 manifests takes a folder inside the project",
        ),
        (
            "[tool.comfypipe]\nworkflows = '/etc'\n",
            "pyproject.toml:2:1 workflows takes a folder inside the project",
        ),
        (
            "[tool.comfypipe]\n\n[tool.comfypipe.backends]\nfarm = 7\n",
            "pyproject.toml:3:1 backends takes a table: a URL by name, or a table with url by name",
        ),
        (
            "[tool.other]\nbackends = 1\n[tool.comfypipe]\nbackends.farm = {}\n",
            "pyproject.toml:4:1 backends takes a table: a URL by name, or a table with url by name",
        ),
        ("[tool]\ncomfypipe = {backned = 'x'}\n", None),
    ],
)
def test_wrong_settings_are_told_with_their_line(tmp_path: Path, text: str, expected: str | None) -> None:
    """A setting that is unknown or of the wrong type is told, with the line where that can be found."""
    found = refused(tmp_path, text)
    assert (
        expected or 'pyproject.toml:1:1 [tool.comfypipe] has no setting "backned"\n  hint: did you mean backend?'
    ) == found


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    """A broken ``pyproject.toml`` is an error, not a missing project."""
    assert (
        "pyproject.toml is not TOML: Expected '=' after a key in a key/value pair (at line 1, column 6)\n"
        "  hint: mend it, then try again"
    ) == refused(tmp_path, "tool [")


def test_the_state_folder_hides_itself_from_git(tmp_path: Path) -> None:
    """What is kept on disk lies under ``.comfypipe``, made when it is first needed, with a rule that ignores it."""
    layout = ProjectLayout.find(project(tmp_path))
    assert not (tmp_path / ".comfypipe").exists()
    assert tmp_path / ".comfypipe" / "ledger.sqlite3" == layout.ledger
    assert "*\n" == (tmp_path / ".comfypipe" / ".gitignore").read_text("utf-8")
    state = tmp_path / ".comfypipe"
    assert (state / "artifacts", state / "engine", state / "catalogs") == (
        layout.artifacts,
        layout.engine,
        layout.catalogs,
    )


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the place of the folder is an error that says what it is for."""
    layout = ProjectLayout.find(project(tmp_path))
    (tmp_path / ".comfypipe").touch()
    with pytest.raises(ProjectError) as caught:
        _ = layout.ledger
    assert "runs, stored files and catalogs are kept there" == caught.value.hint


def test_paths_are_shown_below_the_root(tmp_path: Path) -> None:
    """Messages name files of the project by their place in it, others whole."""
    layout = ProjectLayout(tmp_path)
    assert ("a/b.yaml", "a/b.yaml", "/etc/x") == (
        layout.show(tmp_path / "a" / "b.yaml"),
        layout.show(Path("a/./c/../b.yaml")),
        layout.show(Path("/etc/x")),
    )


def test_paths_beside_the_root_are_shown_whole(tmp_path: Path) -> None:
    """A folder whose name only begins like the root's is not in it; the root itself is a dot."""
    layout = ProjectLayout(tmp_path / "project")
    beside = tmp_path / "project-2" / "a.yaml"
    assert (beside.as_posix(), (tmp_path / "a").as_posix(), ".", "a") == (
        layout.show(beside),
        layout.show(Path("../a")),
        layout.show(layout.root),
        layout.show(layout.root / "b" / ".." / "a"),
    )


def test_a_file_of_the_project_is_found_and_called_by_its_name(tmp_path: Path) -> None:
    """It is its place on this machine, and its place in the project, as often as one asks."""
    layout = ProjectLayout(tmp_path)
    expected = (tmp_path / "workflows" / "a.json", "workflows/a.json")
    assert (expected, expected) == (layout.file("workflows/a.json"), layout.file("workflows/a.json"))
