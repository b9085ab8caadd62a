"""What `import comfypipe` offers."""

import subprocess
import sys

import pytest

import comfypipe


def test_the_public_names_are_these() -> None:
    """Adding or removing a public name is a decision: this list says which there are."""
    assert ["ComfypipeError", "Output", "Project", "Run", "__version__", "errors", "flow"] == sorted(comfypipe.__all__)


def test_every_public_name_is_there() -> None:
    """Each name leads to something."""
    assert all(getattr(comfypipe, name) is not None for name in comfypipe.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Other names are missing in the usual way."""
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = comfypipe.nonsense


def test_importing_the_package_loads_nothing() -> None:
    """The package itself brings in no other module of it, and no dependency."""
    program = (
        "import sys; before = set(sys.modules); import comfypipe; dir(comfypipe)\n"
        "print(sorted(name for name in set(sys.modules) - before if '.' not in name or name.startswith('comfypipe.')))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "comfypipe." not in result.stdout
    assert not {"sqlalchemy", "prefect", "numpy", "msgspec"} & set(result.stdout.split("'"))
