"""Latent nodes make, move, scale, join and compute as ComfyUI's do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from comfypipe.engine.latents.value import Latent
from comfypipe.engine.nodes import latent_batch, latent_empty, latent_files, latent_math, latent_shape
from comfypipe.engine.registry import Context, Registry, Result

FAMILIES = (latent_batch, latent_empty, latent_files, latent_math, latent_shape)
REGISTRY = Registry([node for family in FAMILIES for node in family.NODES])


def run(class_type: str, **inputs: Any) -> Any:
    """Call a node and return its only output, or all of them."""
    result = REGISTRY[class_type].function(**inputs)
    assert isinstance(result, tuple)
    return result[0] if len(result) == 1 else result


def noise(*shape: int) -> NDArray[np.float32]:
    """Return normally distributed numbers."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def latent(*shape: int, **others: Any) -> Latent:
    """Return a latent of noise."""
    return {"samples": noise(*shape), **others}


@pytest.mark.parametrize(
    ("expected", "class_type", "inputs"),
    [
        ((2, 4, 8, 12), "EmptyLatentImage", {"width": 100, "height": 64}),
        ((2, 16, 8, 12), "EmptySD3LatentImage", {"width": 96, "height": 64}),
        ((2, 64, 2, 3), "EmptyHunyuanImageLatent", {"width": 96, "height": 64}),
        ((2, 3, 64, 96), "EmptyChromaRadianceLatentImage", {"width": 96, "height": 64}),
        ((2, 16, 7, 8, 12), "EmptyHunyuanLatentVideo", {"width": 96, "height": 64, "length": 25}),
        ((2, 12, 5, 8, 12), "EmptyMochiLatentVideo", {"width": 96, "height": 64, "length": 25}),
        ((2, 128, 4, 2, 3), "EmptyLTXVLatentVideo", {"width": 96, "height": 64, "length": 25}),
        ((2, 16, 4, 8, 12), "EmptyCosmosLatentVideo", {"width": 96, "height": 64, "length": 25}),
        ((2, 64, 77), "EmptyLatentHunyuan3Dv2", {"resolution": 77}),
        ((2, 64, 72), "EmptyLatentAudio", {"seconds": 3.3}),
        ((2, 8, 16, 35), "EmptyAceStepLatentAudio", {"seconds": 3.3}),
    ],
)
def test_empty(expected: tuple[int, ...], class_type: str, inputs: dict[str, Any]) -> None:
    """Each family of models has zeros of a shape of its own."""
    samples = run(class_type, batch_size=2, **inputs)["samples"]
    assert (expected, np.float32) == (samples.shape, samples.dtype)
    assert not samples.any()


def test_empty_of_stable_cascade() -> None:
    """Stable Cascade has two stages."""
    stage_c, stage_b = run("StableCascade_EmptyLatentImage", width=1024, height=512, compression=42, batch_size=1)
    assert ((1, 16, 12, 24), (1, 4, 128, 256)) == (stage_c["samples"].shape, stage_b["samples"].shape)


def test_empty_too_large() -> None:
    """What would not fit into any memory is refused with its size and the inputs that make it."""
    with pytest.raises(ValueError, match=r"width, height, batch_size: .* would take 256 GiB"):
        run("EmptyLatentImage", width=16384, height=16384, batch_size=4096)


@pytest.mark.parametrize(
    ("expected", "inputs"),
    [
        ((11, 25), {"width": 200, "height": 88}),
        ((8, 8), {"width": 10, "height": 10}),
        ((12, 16), {"width": 0, "height": 0}),
        ((24, 32), {"width": 256, "height": 0}),
        ((24, 32), {"width": 0, "height": 192}),
        ((8, 10), {"width": 0, "height": 1}),
    ],
)
@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "bislerp"])
@pytest.mark.parametrize("crop", ["disabled", "center"])
def test_upscale_sizes(expected: tuple[int, int], inputs: dict[str, int], method: str, crop: str) -> None:
    """Sizes are in pixels and at least 64; 0 keeps the proportions; videos are scaled frame by frame."""
    for given_ in (latent(1, 4, 12, 16), latent(1, 4, 3, 12, 16)):
        scaled = run("LatentUpscale", samples=given_, upscale_method=method, crop=crop, **inputs)["samples"]
        assert (*given_["samples"].shape[:-2], *expected) == scaled.shape


@pytest.mark.parametrize("method", ["bilinear", "bislerp"])
def test_frames_are_scaled_one_by_one(method: str) -> None:
    """A frame of a video comes out as it would as an image."""
    video = latent(2, 4, 3, 6, 5)
    scaled = run("LatentUpscaleBy", samples=video, upscale_method=method, scale_by=1.7)["samples"]
    frame = {"samples": video["samples"][:, :, 1]}
    np.testing.assert_array_equal(
        run("LatentUpscaleBy", samples=frame, upscale_method=method, scale_by=1.7)["samples"], scaled[:, :, 1]
    )


def test_turning_and_mirroring() -> None:
    """Four quarters, or two mirrorings, give the latent back; one quarter is clockwise."""
    given_ = latent(1, 2, 3, 4, batch_index=[7])
    turned = given_
    for _ in range(4):
        turned = run("LatentRotate", samples=turned, rotation="90 degrees")
    np.testing.assert_array_equal(given_["samples"], turned["samples"])
    assert [7] == turned["batch_index"]
    quarter = run("LatentRotate", samples=given_, rotation="90 degrees")["samples"]
    np.testing.assert_array_equal(given_["samples"][0, 0, ::-1, 0], quarter[0, 0, 0])
    for method in ("x-axis: vertically", "y-axis: horizontally"):
        once = run("LatentFlip", samples=given_, flip_method=method)
        np.testing.assert_array_equal(given_["samples"], run("LatentFlip", samples=once, flip_method=method)["samples"])


def test_crop() -> None:
    """A rectangle that would begin too near the end begins 64 pixels before it."""
    given_ = latent(1, 4, 12, 16)
    cropped = run("LatentCrop", samples=given_, width=64, height=64, x=104, y=96)["samples"]
    np.testing.assert_array_equal(given_["samples"][:, :, 4:12, 8:16], cropped)


@pytest.mark.parametrize(
    ("expected", "dim", "index", "amount"),
    [
        (slice(11, 14), "x", -5, 3),
        (slice(15, 16), "x", 99, 3),
        (slice(0, 4), "x", -99, 4),
        (slice(2, 16), "x", 2, 16384),
        (slice(14, 16), "x", -2, 5),
    ],
)
def test_cut(expected: slice, dim: str, index: int, amount: int) -> None:
    """A cut is kept inside, whichever end it is counted from."""
    given_ = latent(1, 4, 12, 16)
    cut = run("LatentCut", samples=given_, dim=dim, index=index, amount=amount)["samples"]
    np.testing.assert_array_equal(given_["samples"][..., expected], cut)


def test_cut_of_frames() -> None:
    """Videos are cut along time, images along their channels."""
    video = latent(1, 4, 5, 2, 3)
    cut = run("LatentCut", samples=video, dim="t", index=1, amount=2)["samples"]
    np.testing.assert_array_equal(video["samples"][:, :, 1:3], cut)
    np.testing.assert_array_equal(
        video["samples"][:, :, 2:], run("TrimVideoLatent", samples=video, trim_amount=2)["samples"]
    )
    image = latent(1, 4, 2, 3)
    np.testing.assert_array_equal(
        image["samples"][:, 1:3], run("LatentCut", samples=image, dim="t", index=1, amount=2)["samples"]
    )


@pytest.mark.parametrize(("dim", "axis"), [("x", -1), ("y", -2), ("t", -3)])
def test_concatenate(dim: str, axis: int) -> None:
    """The second latent stands behind the first, or before it with a minus; its batch is repeated."""
    first, second = latent(2, 4, 3, 2, 5), latent(1, 4, 3, 2, 5)
    repeated = np.repeat(second["samples"], 2, axis=0)
    for sign, parts in (("", [first["samples"], repeated]), ("-", [repeated, first["samples"]])):
        joined = run("LatentConcat", samples1=first, samples2=second, dim=sign + dim)["samples"]
        np.testing.assert_array_equal(np.concatenate(parts, axis), joined)


def test_batches() -> None:
    """Joining, repeating and picking keep the indices by which samplers draw noise."""
    first, second = latent(2, 4, 8, 8), latent(1, 4, 4, 4, batch_index=[9])
    joined = run("LatentBatch", samples1=first, samples2=second)
    assert (3, 4, 8, 8) == joined["samples"].shape
    assert [0, 1, 9] == joined["batch_index"]
    picked = run("LatentFromBatch", samples=joined, batch_index=1, length=9)
    np.testing.assert_array_equal(joined["samples"][1:], picked["samples"])
    assert [1, 9] == picked["batch_index"]
    repeated = run("RepeatLatentBatch", samples=picked, amount=3)
    np.testing.assert_array_equal(np.concatenate([picked["samples"]] * 3), repeated["samples"])
    assert [1, 9, 10, 18, 19, 27] == repeated["batch_index"]


def test_masks_follow_their_items() -> None:
    """Noise masks are picked and repeated with the samples."""
    masks = noise(2, 1, 8, 8)
    given_ = latent(2, 4, 1, 1, noise_mask=masks)
    np.testing.assert_array_equal(
        masks[1:], run("LatentFromBatch", samples=given_, batch_index=1, length=1)["noise_mask"]
    )
    np.testing.assert_array_equal(
        np.concatenate([masks, masks]), run("RepeatLatentBatch", samples=given_, amount=2)["noise_mask"]
    )
    single = {**given_, "noise_mask": masks[:1]}
    np.testing.assert_array_equal(
        masks[:1], run("LatentFromBatch", samples=single, batch_index=1, length=1)["noise_mask"]
    )


@pytest.mark.parametrize(("expected", "masks"), [(1, 1), (6, 2), (6, 3), (10, 5)])
def test_masks_are_repeated_as_their_number_says(expected: int, masks: int) -> None:
    """One mask stays one; fewer than items become as many, more stay more; then they are repeated as the items are."""
    given_ = latent(3, 4, 1, 1, noise_mask=noise(masks, 1, 8, 8))
    assert expected == len(run("RepeatLatentBatch", samples=given_, amount=2)["noise_mask"])


def test_seed_behavior() -> None:
    """Fixed gives every item the first one's index, random forgets them."""
    given_ = latent(3, 4, 1, 1, batch_index=[5, 6, 7])
    fixed = run("LatentBatchSeedBehavior", samples={**given_, "noise_mask": None}, seed_behavior="fixed")
    assert (["samples", "batch_index", "noise_mask"], [5, 5, 5]) == ([*fixed], fixed["batch_index"])
    assert "batch_index" not in run("LatentBatchSeedBehavior", samples=given_, seed_behavior="random")


def test_rebatch() -> None:
    """Items are grouped in order, and another size begins a new group; masks stay only where they mask."""
    mask = np.zeros((1, 1, 16, 16), np.float32)
    latents = [latent(3, 4, 2, 2), latent(2, 4, 2, 2, noise_mask=mask), latent(1, 4, 3, 2)]
    groups = run("RebatchLatents", latents=latents, batch_size=[2])
    assert [(2, 4, 2, 2), (2, 4, 2, 2), (1, 4, 2, 2), (1, 4, 3, 2)] == [each["samples"].shape for each in groups]
    assert [[0, 1], [2, 3], [4], [5]] == [each["batch_index"] for each in groups]
    assert [False, True, True, False] == ["noise_mask" in each for each in groups]
    assert [] == run("RebatchLatents", latents=[], batch_size=[2])


def test_rebatched_masks_keep_their_size() -> None:
    """Masks are grouped as they are, and those of unlike sizes do not go together."""
    masked, other = latent(2, 4, 2, 2, noise_mask=noise(2, 1, 3, 5)), latent(1, 4, 2, 2)
    groups = run("RebatchLatents", latents=[masked], batch_size=[1])
    assert [["samples", "noise_mask", "batch_index"]] * 2 == [[*each] for each in groups]
    np.testing.assert_array_equal(masked["noise_mask"], np.concatenate([each["noise_mask"] for each in groups]))
    with pytest.raises(RuntimeError, match="noise masks are of unlike sizes"):
        run("RebatchLatents", latents=[masked, other], batch_size=[1])


@given(ratio=st.floats(0, 1))
def test_arithmetic(ratio: float) -> None:
    """Sums, differences, products and mixtures are those of the numbers."""
    first, second = latent(2, 4, 3, 5), latent(2, 4, 3, 5)
    a, b = first["samples"], second["samples"] + 1
    second = {"samples": b}
    np.testing.assert_array_equal(a + b, run("LatentAdd", samples1=first, samples2=second)["samples"])
    np.testing.assert_array_equal(a - b, run("LatentSubtract", samples1=first, samples2=second)["samples"])
    np.testing.assert_allclose(a * ratio, run("LatentMultiply", samples=first, multiplier=ratio)["samples"], rtol=1e-6)
    blended = run("LatentBlend", samples1=first, samples2=second, blend_factor=ratio)["samples"]
    np.testing.assert_allclose(a * ratio + b * (1 - ratio), blended, atol=1e-5)


def test_interpolate_ends() -> None:
    """Ratio 1 is the first latent and 0 the second, also where a vector is zero."""
    first, second = latent(1, 4, 3, 5), {"samples": noise(1, 4, 3, 5) * 2 + 1}
    first["samples"][:, :, 0, 0] = 0
    for ratio, expected in ((1.0, first), (0.0, second)):
        mixed = run("LatentInterpolate", samples1=first, samples2=second, ratio=ratio)["samples"]
        np.testing.assert_allclose(expected["samples"], mixed, atol=1e-5)


def test_interpolating_a_batch_needs_as_many_items_as_channels() -> None:
    """The lengths of vectors lose their axis of channels, so those of item number c are applied to channel c."""
    first, second = np.full((2, 2, 1, 1), 3, np.float32), np.zeros((2, 2, 1, 1), np.float32)
    first[1] = 6
    mixed = run("LatentInterpolate", samples1={"samples": first}, samples2={"samples": second}, ratio=1.0)["samples"]
    np.testing.assert_allclose(first[..., 0, 0] / np.sqrt([0.625, 2.5]), mixed[..., 0, 0], rtol=1e-6)
    with pytest.raises(RuntimeError, match="samples1: 3 items of 2 channels"):
        run("LatentInterpolate", samples1=latent(3, 2, 1, 1), samples2=latent(3, 2, 1, 1), ratio=0.5)


@pytest.mark.parametrize(("place", "feather"), [({"x": 800, "y": 0}, 0), ({"x": 16, "y": 640}, 16)])
def test_nothing_is_pasted_far_outside(place: dict[str, int], feather: int) -> None:
    """A place further beyond the border than the latent is long leaves the target as it is."""
    target = latent(1, 4, 5, 6)
    pasted = run("LatentComposite", samples_to=target, samples_from=latent(1, 4, 3, 3), **place, feather=feather)
    np.testing.assert_array_equal(target["samples"], pasted["samples"])


def test_a_place_just_outside_is_refused() -> None:
    """What is seen then, counted from the end, has no room."""
    with pytest.raises(RuntimeError, match="does not fit into samples_to"):
        run("LatentComposite", samples_to=latent(1, 4, 5, 6), samples_from=latent(1, 4, 3, 3), x=56, y=0, feather=0)


def test_nodes_for_images_take_frames_of_videos_for_rows() -> None:
    """Turning, mirroring, cropping, pasting and trimming work on the third and fourth axis, whatever they are."""
    video = latent(1, 2, 9, 10, 3)
    samples = video["samples"]
    turned = run("LatentRotate", samples=video, rotation="180 degrees")["samples"]
    np.testing.assert_array_equal(samples[:, :, ::-1, ::-1], turned)
    mirrored = run("LatentFlip", samples=video, flip_method="x-axis: vertically")["samples"]
    np.testing.assert_array_equal(samples[:, :, ::-1], mirrored)
    cropped = run("LatentCrop", samples=video, width=64, height=64, x=16, y=0)["samples"]
    np.testing.assert_array_equal(samples[:, :, :8, 2:], cropped)
    trimmed = run("TrimVideoLatent", samples=latent(1, 2, 4, 5), trim_amount=1)["samples"]
    np.testing.assert_array_equal(noise(1, 2, 4, 5)[:, :, 1:], trimmed)
    small: Latent = {"samples": np.ones((1, 2, 1, 1, 3), np.float32)}
    pasted = run("LatentComposite", samples_to=video, samples_from=small, x=16, y=8, feather=8)["samples"]
    assert {1.0} == set(pasted[:, :, 1, 2].flat)
    np.testing.assert_array_equal(samples[:, :, 2:], pasted[:, :, 2:])


def test_only_images_are_sharpened() -> None:
    """Videos can be tone-mapped, but have no two sides to sharpen along."""
    video = latent(1, 4, 3, 6, 7)
    tonemap = run("LatentOperationTonemapReinhard", multiplier=1.0)
    assert (1, 4, 3, 6, 7) == run("LatentApplyOperation", samples=video, operation=tonemap)["samples"].shape
    sharpen = run("LatentOperationSharpen", sharpen_radius=1, sigma=1.0, alpha=0.1)
    with pytest.raises(NotImplementedError, match="is a video"):
        run("LatentApplyOperation", samples=video, operation=sharpen)


def test_composite() -> None:
    """A latent is pasted at a place in pixels, cut at the border."""
    target, source = latent(1, 4, 12, 16), latent(1, 4, 9, 10)
    pasted = run("LatentComposite", samples_to=target, samples_from=source, x=88, y=64, feather=0)["samples"]
    expected = target["samples"].copy()
    expected[:, :, 8:, 11:] = source["samples"][:, :, :4, :5]
    np.testing.assert_array_equal(expected, pasted)


def test_feathered_composite() -> None:
    """Edges inside the target fade in step by step, edges at its border do not."""
    target: Latent = {"samples": np.zeros((1, 1, 6, 8), np.float32)}
    source: Latent = {"samples": np.ones((1, 1, 4, 4), np.float32)}
    pasted = run("LatentComposite", samples_to=target, samples_from=source, x=16, y=0, feather=16)["samples"]
    np.testing.assert_allclose(pasted[0, 0, 0], [0, 0, 0.5, 1, 1, 0.5, 0, 0])
    np.testing.assert_allclose(pasted[0, 0, :, 3], [1, 1, 1, 0.5, 0, 0])


def test_composite_through_a_mask() -> None:
    """Where the mask is 1 the source shows, where it is 0 the target."""
    target, source = latent(1, 4, 8, 8), latent(1, 4, 4, 4)
    mask = np.zeros((1, 4, 4), np.float32)
    mask[:, :, 2:] = 1
    inputs = {"destination": target, "source": source, "x": 16, "y": 8, "resize_source": False}
    pasted = run("LatentCompositeMasked", mask=mask, **inputs)["samples"]
    expected = target["samples"].copy()
    expected[:, :, 1:5, 4:6] = source["samples"][..., 2:]
    np.testing.assert_array_equal(expected, pasted)
    stretched = run("LatentCompositeMasked", **(inputs | {"x": 0, "y": 0, "resize_source": True}))["samples"]
    scaled = run("LatentUpscaleBy", samples=source, upscale_method="bilinear", scale_by=2.0)["samples"]
    np.testing.assert_allclose(scaled, stretched, atol=1e-6)


def test_noise_mask() -> None:
    """A mask is kept beside the samples, one channel an item."""
    masked = run("SetLatentNoiseMask", samples=latent(1, 4, 2, 2), mask=noise(3, 16, 16))
    assert (3, 1, 16, 16) == masked["noise_mask"].shape


def test_operations() -> None:
    """Tone mapping compresses magnitudes and keeps directions; sharpening by nothing changes nothing."""
    given_ = latent(2, 4, 6, 7)
    mapped = run(
        "LatentApplyOperation", samples=given_, operation=run("LatentOperationTonemapReinhard", multiplier=0.7)
    )
    before, after = (np.sqrt(np.square(each["samples"]).sum(axis=1)) for each in (given_, mapped))
    assert (after < before).all()
    np.testing.assert_allclose(given_["samples"] / before[:, None], mapped["samples"] / after[:, None], atol=1e-5)
    operation = run("LatentOperationSharpen", sharpen_radius=3, sigma=1.0, alpha=0.0)
    same = run("LatentApplyOperation", samples=given_, operation=operation)["samples"]
    np.testing.assert_allclose(given_["samples"], same, atol=1e-5)


@pytest.mark.parametrize(
    ("message", "class_type", "inputs"),
    [
        ("samples: expected .* height, width., got .2, 3", "LatentFlip", {"samples": latent(2, 3), "flip_method": "x"}),
        ("samples: expected samples of .* got NoneType", "LatentMultiply", {"samples": {}, "multiplier": 1}),
        ("samples1: expected", "LatentAdd", {"samples1": latent(1), "samples2": latent(1, 4, 2, 2)}),
        (
            "samples1 and samples2 do not fit",
            "LatentAdd",
            {"samples1": latent(1, 4, 2, 2), "samples2": latent(1, 16, 2, 2)},
        ),
        (
            "samples1 and samples2 do not fit",
            "LatentBlend",
            {"samples1": latent(1, 4, 2, 2), "samples2": latent(1, 16, 2, 2), "blend_factor": 0.5},
        ),
        (
            "samples1 and samples2 do not fit along x",
            "LatentConcat",
            {"samples1": latent(1, 4, 2, 2), "samples2": latent(1, 4, 3, 2), "dim": "x"},
        ),
        (
            "dim: 'w', expected x, y or t",
            "LatentCut",
            {"samples": latent(1, 4, 2, 2), "dim": "w", "index": 0, "amount": 1},
        ),
        (
            "does not fit into samples_to",
            "LatentComposite",
            {"samples_to": latent(1, 4, 2, 2), "samples_from": latent(1, 4, 3, 3), "x": 24, "y": 0, "feather": 0},
        ),
    ],
)
def test_refused(message: str, class_type: str, inputs: dict[str, Any]) -> None:
    """Wrong ranks, latents that do not fit and unknown directions are named with the input."""
    with pytest.raises((ValueError, RuntimeError), match=message):
        run(class_type, **inputs)


def test_sharpening_needs_room() -> None:
    """A radius as large as a side cannot be reflected at the edges."""
    operation = run("LatentOperationSharpen", sharpen_radius=4, sigma=1.0, alpha=1.0)
    with pytest.raises(RuntimeError, match="sharpen_radius: 4, must be less than both sides of samples 9x4"):
        run("LatentApplyOperation", samples=latent(1, 4, 4, 9), operation=operation)


def test_saved_latent_loads_again(context: Context) -> None:
    """SaveLatent says where the file is, and LoadLatent gives the samples back."""
    given_ = latent(1, 4, 2, 3)
    result = REGISTRY["SaveLatent"].function(samples=given_, filename_prefix="l/a", context=context)
    entry = {"filename": "a_00001_.latent", "subfolder": "l", "type": "output"}
    assert Result(ui={"latents": [entry]}) == result
    np.testing.assert_array_equal(
        given_["samples"], run("LoadLatent", latent="l/a_00001_.latent [output]", context=context)["samples"]
    )
    check = REGISTRY["LoadLatent"].validate
    assert check is not None
    assert "Invalid latent file: nope" == check(latent="nope", folders=context.folders)
