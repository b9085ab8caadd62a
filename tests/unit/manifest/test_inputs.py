import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from comfypipe.errors import ComfypipeError, InputInvalid, InputMissing, UsageError
from comfypipe.manifest.inputs import draw_seed, resolve_inputs, seeds_to_draw
from comfypipe.manifest.schema import (
    ChoiceInput,
    ImageInput,
    InputSpec,
    IntegerInput,
    ListInput,
    SeedInput,
    StringInput,
)
from comfypipe.manifest.values import FileValue, Value

SPECS: Mapping[str, InputSpec] = {
    "subject": StringInput(description="Who or what"),
    "width": IntegerInput(default=1024, multiple_of=8),
    "sampler": ChoiceInput(choices=("euler", "dpmpp_2m"), default="euler"),
    "seed": SeedInput(),
    "reference": ImageInput(required=False),
}
PRESETS: Mapping[str, Mapping[str, Any]] = {"draft": {"width": 512, "sampler": "dpmpp_2m"}}


def resolve(given: Mapping[str, object], preset: str | None = None, base: Path = Path()) -> dict[str, Value]:
    """Resolve with seeds that are always 7."""
    return resolve_inputs(SPECS, given, presets=PRESETS, preset=preset, base=base, draw_seed=lambda: 7)


def refused(
    given: Mapping[str, object], error: type[ComfypipeError], preset: str | None = None, base: Path = Path()
) -> str:
    """Return what is told of inputs that are refused."""
    with pytest.raises(error) as caught:
        resolve(given, preset, base)
    return str(caught.value)


def photo(folder: Path, content: bytes = b"pixels", name: str = "photo.png") -> FileValue:
    """Write a file and return it as a value."""
    (folder / name).write_bytes(content)
    return FileValue(name, "image", folder / name, None, hashlib.sha256(content).hexdigest())


def test_given_goes_before_preset_before_default() -> None:
    """A value given wins over the preset's, which wins over the default; the order is that of the declaration."""
    assert [
        ("subject", "a fox"),
        ("width", 512),
        ("sampler", "euler"),
        ("seed", 7),
        ("reference", None),
    ] == list(resolve({"sampler": "euler", "subject": "a fox"}, "draft").items())


def test_text_is_coerced_by_declared_type() -> None:
    """What comes from a command line is read as the declared type."""
    found = resolve({"subject": "7", "width": "64", "seed": "8"})
    assert ("7", 64, 8) == (found["subject"], found["width"], found["seed"])


def test_none_counts_as_left_out() -> None:
    """Programs may pass None for what they do not set."""
    assert resolve({"subject": "a"}) == resolve({"subject": "a", "width": None, "seed": None, "reference": None})


def test_a_missing_input_is_told_with_what_it_is() -> None:
    """An input without default has to be given."""
    assert "input subject (string) is missing\n  hint: it is who or what" == refused({}, InputMissing)


def test_an_unknown_input_is_told_with_the_closest() -> None:
    """A name that is none gives a suggestion."""
    expected = 'there is no input "widht"\n  hint: did you mean width?'
    assert expected == refused({"subject": "a", "widht": 1}, InputInvalid)


def test_an_unknown_preset_is_told_with_the_closest() -> None:
    """A preset that is none gives a suggestion."""
    expected = 'there is no preset "draught"\n  hint: did you mean draft?'
    assert expected == refused({"subject": "a"}, UsageError, "draught")


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Several wrong inputs come in one message, each with its hint."""
    expected = (
        "3 inputs are wrong:\n"
        '  there is no input "x"\n'
        "    hint: inputs are subject, width, sampler, seed, reference\n"
        "  input subject (string) is missing\n"
        "    hint: it is who or what\n"
        "  input width takes multiples of 8, not 3\n"
        "    hint: try 0"
    )
    assert expected == refused({"x": 1, "width": 3}, InputInvalid)


def test_a_seed_is_drawn_once_for_each_that_nobody_gives() -> None:
    """Seeds are asked for only where they are missing, and moved into the declared range."""
    drawn = iter((5, 12))
    specs = {"a": SeedInput(), "b": SeedInput(default=1), "c": SeedInput(minimum=10, maximum=19), "d": SeedInput()}
    found = resolve_inputs(specs, {"d": 4}, base=Path(), draw_seed=lambda: next(drawn))
    assert ({"a": 5, "b": 1, "c": 12, "d": 4}, ("a", "c")) == (found, seeds_to_draw(specs, {"d": 4}, {}))


def test_drawn_seeds_fit_into_53_bits_and_differ() -> None:
    """A browser keeps a drawn seed exactly; two draws are not the same."""
    drawn = {draw_seed() for _ in range(100)}
    assert (100, True) == (len(drawn), all(0 <= seed < 1 << 53 for seed in drawn))


@pytest.mark.parametrize("written", ["photo.png", "@photo.jpg"[:-3] + "png", Path("photo.png")])
def test_a_path_becomes_a_hashed_file(tmp_path: Path, written: object) -> None:
    """A path, with ``@`` or without, is relative to the base, and read to know its digest."""
    expected = photo(tmp_path)
    assert expected == resolve({"subject": "a", "reference": written}, base=tmp_path)["reference"]


def test_a_url_is_taken_as_it_is() -> None:
    """A URL is not fetched here; its last part names the file."""
    url = "https://example.com/a%20b/photo%201.png?size=large"
    found = resolve({"subject": "a", "reference": url})["reference"]
    assert FileValue("photo 1.png", "image", None, url, None) == found


def test_an_output_of_another_run_is_taken_by_its_digest(tmp_path: Path) -> None:
    """A stored file needs no reading: it knows its digest."""

    @dataclass
    class Output:
        path: Path
        filename: str
        sha256: str

    found = resolve({"subject": "a", "reference": Output(tmp_path / "blob", "cut.png", "ab" * 32)})["reference"]
    assert FileValue("cut.png", "image", tmp_path / "blob", None, "ab" * 32) == found


def test_a_file_value_without_a_digest_is_read(tmp_path: Path) -> None:
    """A file given as a value is hashed when it is not yet."""
    expected = photo(tmp_path)
    given = FileValue("photo.png", "image", tmp_path / "photo.png")
    assert expected == resolve({"subject": "a", "reference": given})["reference"]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """The digest is that of the bytes at the time of asking."""
    first = photo(tmp_path, b"one")
    assert first == resolve({"subject": "a", "reference": "photo.png"}, base=tmp_path)["reference"]
    second = photo(tmp_path, b"two")
    assert second == resolve({"subject": "a", "reference": "photo.png"}, base=tmp_path)["reference"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("phot.png", "reads phot.png, which does not exist\n  hint: did you mean photo.png?"),
        ("no/photo.png", "reads no/photo.png, but there is no folder no"),
        (".", "reads ., which is a folder"),
        ("empty.png", "reads empty.png, which is empty"),
        ("a\0b", 'takes a path or URL of an image, not the text "a\0b"'),
        ("", 'takes a path or URL of an image, not the text ""'),
        (7, "takes a path or URL of an image, not the number 7"),
        (
            "https://key@example.com/a.png",
            'cannot use the URL "https://key@example.com/a.png": a user name or key does not belong in it',
        ),
        ("s3://bucket/a.png", 'cannot use the URL "s3://bucket/a.png": it begins with neither https:// nor http://'),
    ],
)
def test_what_is_no_file_is_told(tmp_path: Path, value: object, expected: str) -> None:
    """A file that cannot be read is told by the name that was given for it, with the closest one that is there."""
    photo(tmp_path)
    (tmp_path / "empty.png").touch()
    assert f"input reference {expected}" == refused({"subject": "a", "reference": value}, InputInvalid, base=tmp_path)


def test_paths_of_defaults_belong_to_the_project(tmp_path: Path) -> None:
    """What the manifest names lies in the project, wherever the command is called."""
    expected = photo(tmp_path)
    specs: Mapping[str, InputSpec] = {
        "a": ImageInput(default="photo.png"),
        "b": ListInput(items=ImageInput(), default=("photo.png",)),
    }
    found = resolve_inputs(specs, {}, base=tmp_path / "elsewhere", root=tmp_path)
    assert {"a": expected, "b": [expected]} == found


def test_the_place_within_a_list_is_told() -> None:
    """A bad item is named by its index."""
    with pytest.raises(InputInvalid) as caught:
        resolve_inputs({"n": ListInput(items=IntegerInput())}, {"n": [1, "x"]}, base=Path())
    assert 'input n[1] takes an integer, not the text "x"' == str(caught.value)
