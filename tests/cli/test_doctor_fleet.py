"""``doctor`` on a fleet."""

from pathlib import Path

from tests.cli.conftest import Type


def test_doctor_names_servers_that_are_out(examples: Path, typed: Type) -> None:
    """The fleet works as long as one of its servers does; the others are warned of, with the reason."""
    result = typed("doctor", "--backend", "embedded:,http://127.0.0.1:1", "--json")
    assert 0 == result.status
    (backend,) = (each for each in result.document if each["what"].startswith("backend"))
    assert ("warning", "the other servers do its work") == (backend["state"], backend["hint"])
    assert "node classes; http://127.0.0.1:1 is out: http://127.0.0.1:1 cannot be reached" in backend["detail"]
