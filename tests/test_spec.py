"""Identity: what changes a run's name, and what does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cnnlab.identity import architecture_id, canonical_json, hash8, make_run_id
from cnnlab.spec import DatasetSpec, HubSource, NetworkOptions, Recipe, RunSpec, Split

DATA = DatasetSpec(reader="folder", image_size=32)
SPEC = RunSpec(dataset="shapes", data=DATA, network="alexnet", recipe=Recipe())
PRINT = "0" * 64


def test_canonical_json_is_independent_of_order_and_refuses_nan() -> None:
    assert canonical_json({"b": 1, "a": [True, None, "ñ"]}) == '{"a":[true,null,"ñ"],"b":1}'
    assert hash8({"a": 1, "b": 2}) == hash8({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_run_is_named_after_data_network_seed_and_hash() -> None:
    assert make_run_id(SPEC, PRINT).startswith("shapes-alexnet-s0-")
    assert len(make_run_id(SPEC, PRINT).rsplit("-", 1)[1]) == 8


def test_the_identity_of_the_default_run_is_pinned() -> None:
    """Published runs are found again by this hash: a change here retrains every user's runs and needs a reason."""
    assert make_run_id(SPEC, PRINT) == "shapes-alexnet-s0-4aba131b"


@pytest.mark.parametrize(
    "other",
    [
        SPEC.model_copy(update={"recipe": Recipe(learning_rate=0.1)}),
        SPEC.model_copy(update={"seed": 1}),
        SPEC.model_copy(update={"network": "vgg19"}),
        SPEC.model_copy(update={"options": NetworkOptions(dropout=0.1)}),
        SPEC.model_copy(update={"data": DatasetSpec(reader="folder", image_size=64)}),
        SPEC.model_copy(update={"data": DatasetSpec(reader="folder", image_size=32, split=Split(seed=1))}),
        SPEC.model_copy(update={"data": DatasetSpec(reader="folder", image_size=32, split=Split(policy="official"))}),
        SPEC.model_copy(update={"data": DatasetSpec(reader="folder", image_size=32, split=Split(leaks="exclude"))}),
    ],
)
def test_what_changes_the_numbers_changes_the_name(other: RunSpec) -> None:
    assert make_run_id(other, PRINT) != make_run_id(SPEC, PRINT)


def test_other_images_change_the_name() -> None:
    assert make_run_id(SPEC, "1" * 64) != make_run_id(SPEC, PRINT)


def test_what_only_presents_or_locates_does_not() -> None:
    data = DatasetSpec(reader="folder", image_size=32, title="T", credit="C", stand_in_for="S", path="/elsewhere")
    assert make_run_id(SPEC.model_copy(update={"data": data}), PRINT) == make_run_id(SPEC, PRINT)


def test_an_architecture_is_named_by_what_it_is_built_from() -> None:
    one = architecture_id("vgg19", image_size=32, classes=10, options=NetworkOptions())
    assert one.startswith("vgg19-32-")
    assert one != architecture_id("vgg19", image_size=32, classes=11, options=NetworkOptions())
    assert one != architecture_id("vgg19", image_size=32, classes=10, options=NetworkOptions(batch_norm=True))


def test_splits_take_shares_or_counts() -> None:
    split = Split.model_validate({"train": 3000, "validation": 0.1, "test": 2000})
    assert (split.train, split.validation, split.test) == (3000, 0.1, 2000)
    assert isinstance(split.train, int)
    with pytest.raises(ValidationError, match="more than 1"):
        Split(train=0.9, validation=0.1, test=0.1)


def test_specs_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SPEC.seed = 2  # type: ignore[misc]


def test_the_official_division_leaves_nothing_to_ask_but_validation() -> None:
    assert Split(policy="official", validation=0.5).validation == 0.5
    with pytest.raises(ValidationError, match="give only validation"):
        Split(policy="official", test=0.2)


def test_a_hub_source_is_a_commit_never_a_branch() -> None:
    assert HubSource(repo="owner/name", revision="a" * 40).files == ("*.parquet",)
    for wrong in ("main", "A" * 40, "a" * 39):
        with pytest.raises(ValidationError, match="revision"):
            HubSource(repo="owner/name", revision=wrong)
