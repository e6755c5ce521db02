"""Near duplicates are found, and what is only composed alike is not."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image

from cnnlab.datasets.lookalikes import MOST_BITS, NOT_HASHED, _candidates, kin, perceptual_hash
from tests.datasets import encoded

SIDE = 64


def scene(seed: int) -> Image.Image:
    """A smooth random picture with a few sharp shapes."""
    random = np.random.RandomState(seed)
    coarse = Image.fromarray(random.randint(0, 256, (7, 7, 3), dtype=np.uint8))
    image = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    for _ in range(3):
        x, y, side = random.randint(0, SIDE - 12, 3) // (1, 1, 4) + (0, 0, 6)
        image.paste(tuple(random.randint(0, 256, 3).tolist()), (int(x), int(y), int(x + side), int(y + side)))
    return image


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality))).convert("RGB")


def resized(image: Image.Image) -> Image.Image:
    return image.resize((74, 74), Image.Resampling.BICUBIC).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def brighter(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) * 1.05).clip(0, 255).astype(np.uint8))


def groups(images: list[Image.Image] | np.ndarray, twins: list[int] | None = None) -> list[int]:
    pixels = np.stack([np.asarray(image) for image in images])
    hashes = np.array([perceptual_hash(one) for one in pixels], dtype=np.uint64)
    firsts = np.array(twins if twins is not None else range(len(pixels)), dtype=np.int32)
    found = kin(pixels, hashes, firsts)
    assert found.dtype == np.int32
    return found.tolist()


def test_the_hash_is_the_librarys() -> None:
    for image in (*map(scene, range(5)), scene(0).convert("L")):
        assert perceptual_hash(np.asarray(image)) == int(str(imagehash.phash(image)), 16)


@pytest.mark.parametrize("seed", range(12))
def test_copies_are_grouped_with_their_original(seed: int) -> None:
    original = scene(seed)
    copies = [recompressed(original, 90), recompressed(original, 75), resized(original), brighter(original)]
    others = [scene(100 + seed), scene(200 + seed)]
    assert groups([others[0], original, *copies, others[1]]) == [0, 1, 1, 1, 1, 1, 6]


def test_a_copy_of_a_copy_and_an_exact_twin_are_in_the_group() -> None:
    images = [scene(0), scene(1)]
    for _ in range(3):
        images.append(recompressed(resized(images[-1]), 85))
    assert groups(images) == [0, 1, 1, 1, 1]
    assert groups([scene(0), scene(1), scene(0), recompressed(scene(0), 80)], [0, 1, 0, 3]) == [0, 1, 0, 0]


def test_what_is_no_copy_is_not_grouped() -> None:
    assert groups([scene(seed) for seed in range(150)]) == list(range(150))
    image = scene(3)
    assert groups([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.rotate(90)]) == [0, 1, 2]
    faint = Image.fromarray((np.asarray(scene(0)) // 100 + 90).astype(np.uint8))
    assert groups([faint, recompressed(faint, 90)]) == [0, 1], "nearly flat ones"
    copies = np.stack([np.asarray(scene(0)), np.asarray(recompressed(scene(0), 90))])
    nothing = np.array([NOT_HASHED, NOT_HASHED], dtype=np.uint64)
    assert kin(copies, nothing, np.arange(2, dtype=np.int32)).tolist() == [0, 1], "what is not hashed is not searched"
    colours = np.random.RandomState(0).randint(0, 256, (500, 1, 1, 3), dtype=np.uint8)
    flat = np.broadcast_to(colours, (500, SIDE, SIDE, 3))
    assert groups(flat) == list(range(500))
    hashes = np.array([perceptual_hash(one) for one in flat], dtype=np.uint64)
    assert _candidates(hashes, np.arange(500)) == set(), "what is flat is not even compared"


def test_candidates_are_all_pairs_of_like_hashes() -> None:
    random = np.random.RandomState(5)
    hashes = random.randint(0, 2**63, 600, dtype=np.int64).astype(np.uint64)
    for row in range(0, 300, 2):  # a neighbour in one to eight bits
        flipped = random.permutation(64)[: 1 + row // 2 % 8].astype(np.uint64)
        hashes[row + 1] = hashes[row] ^ np.bitwise_or.reduce(np.uint64(1) << flipped)
    twins = np.arange(600)
    twins[599] = 0
    hashes[599] = hashes[0]
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = {(i, j) for i, j in zip(*np.nonzero(bits <= MOST_BITS), strict=True) if i < j < 599}
    assert _candidates(hashes, twins) == expected and len(expected) == 114
