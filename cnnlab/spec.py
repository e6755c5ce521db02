"""The frozen types that a lab file is made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FORMAT = 1
"""Version of every JSON file under `runs/`: older ones are read, newer ones refused."""

SPLITS = ("train", "validation", "test")

_REPO = r"\w[\w.-]*/\w[\w.-]*(?<![.-])(?<!\.git)"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Share = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=10_000)]


class Frozen(BaseModel):
    """Base of all specs: immutable, unknown keys refused, as are NaN and infinities, which no record can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Split(Frozen):
    """How images are divided, stratified inside each class.

    Fractions in (0, 1] are shares of the data set, whole numbers are images in all; what is left over is not used.
    With the policy "official", training and test images are those that the data set's authors say; `validation` is
    then drawn from the training images, where the authors did not set any aside.
    """

    train: Share = Field(0.8, description="share of the images or, as a whole number, images")
    validation: Share = Field(0.1, description="as above")
    test: Share = Field(0.1, description="as above")
    seed: int = Field(0, ge=0, description="of what is drawn")
    policy: Literal["random", "official"] = Field("random", description="whose division: this lab's, or the authors'")
    leaks: Literal["keep", "exclude"] = Field("keep", description="validation and test images with a copy seen before")

    @model_validator(mode="after")
    def _fits(self) -> Split:
        if self.policy == "official" and (self.train, self.test) != (0.8, 0.1):
            raise ValueError("with the policy “official”, train and test are the data set's own: give only validation")
        shares = [share for share in (self.train, self.validation, self.test) if isinstance(share, float)]
        if self.policy == "random" and sum(shares) > 1 + 1e-9:
            raise ValueError(f"the shares of the split add up to {sum(shares):g}, more than 1")
        return self


class HubSource(Frozen):
    """A data set on the Hugging Face hub, at one commit."""

    repo: str = Field(description="owner/name")
    revision: str = Field(description="the commit, 40 hexadecimal digits")
    files: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        ("*.parquet",), min_length=1, description="patterns, of which a file matches one; `*` also stands for `/`"
    )
    sha256: dict[str, Digest] = Field({}, description="by file, needed where the hub does not know it")

    @field_validator("repo")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if len(value) > 96 or ".." in value or "--" in value or not re.fullmatch(_REPO, value, re.ASCII):
            raise ValueError("expected “owner/name” as in the address of the data set's page")
        return value

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, value: str) -> str:
        if not re.fullmatch("[0-9a-f]{40}", value):
            raise ValueError("a branch or tag can be moved to other data: give the commit, 40 hexadecimal digits")
        return value


class DatasetSpec(Frozen):
    """One data set of a lab.

    `image_size`, `fit` and `split` change the numbers of the same images and enter the run id; what chooses the images
    (`path`, `classes`, `images_per_class`, …) enters it through their fingerprint; `title`, `credit` and
    `stand_in_for` only present them.
    """

    reader: str = Field(description="which reads it: see datasets.md")
    path: Path | None = Field(None, description="its folder or file, for readers that need one")
    labels: Path | None = Field(None, description="reader folder: a CSV with the columns filename and label")
    name: str | None = Field(None, description="reader keras: which of keras.datasets")
    hub: HubSource | None = Field(None, description="where `cnnlab data fetch` gets it from")
    classes: tuple[str, ...] | Annotated[int, Field(ge=2)] | None = Field(
        None, description="the classes to use, by name or id; or how many, drawn by the split's seed"
    )
    images_per_class: int | None = Field(None, ge=3, description="images to use of each class, drawn by that seed")
    max_bad: float = Field(0.01, ge=0, lt=1, description="share of missing or undecodable images that is put up with")
    image_size: int = Field(84, ge=16, le=1024, description="side in pixels of the square images the networks see")
    fit: Literal["crop", "pad", "stretch"] = Field("crop", description="how they become square")
    split: Split = Field(Split(), description="how they are divided")
    title: str | None = Field(None, description="in place of the reader's")
    credit: str | None = Field(None, description="in place of the reader's")
    stand_in_for: str | None = Field(None, description="the data set of the assignment in whose place it is used")

    def identity(self) -> dict[str, Any]:
        """What of this spec changes a run's numbers (the images themselves enter through their fingerprint)."""
        return self.model_dump(mode="json", include={"image_size", "fit", "split"})


class NetworkOptions(Frozen):
    """Departures from a network as published; every one that is taken is stated in the report."""

    batch_norm: bool = Field(False, description="batch normalisation after each convolution (VGG-19 only)")
    dropout: float | None = Field(None, ge=0, lt=1, description="rate in the dense head; None: as published")
    dense_units: int | None = Field(None, ge=1, description="width of the dense head; None: as published")
    stem: Literal["auto", "published", "small"] = Field("auto", description="auto: small below 112 px")


class EarlyStopping(Frozen):
    """Stop when `monitor` has not improved for `patience` epochs; the best epoch's weights are kept."""

    monitor: Literal["val_loss", "val_accuracy"] = Field("val_loss", description="what has to improve")
    patience: int = Field(10, ge=1, description="epochs without improvement before the end")
    min_delta: float = Field(0.0, ge=0, description="least improvement that counts")


Augmentation = Literal["crop", "cutmix", "erase", "flip", "mixup", "randaugment"]
"""What may be done to training images; see `cnnlab.training.batches` for each."""


class Recipe(Frozen):
    """How a network is trained. Cross entropy on softmax outputs is the loss of every recipe."""

    optimizer: Literal["sgd", "adam", "adamw"] = Field("sgd", description="the rule of the steps")
    learning_rate: float = Field(0.05, gt=0, le=10, description="peak rate of the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="of `sgd`")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="L2 decay on kernels only, per step, times the rate")
    batch_size: BatchSize = Field(64, description="images a step")
    epochs: Epochs = Field(30, description="at most")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="`cosine` falls to zero")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps over which the rate rises from 0")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="curves show plain cross entropy all the same")
    gradient_clip: float | None = Field(None, gt=0, description="global norm above which gradients are scaled down")
    augmentation: tuple[Augmentation, ...] = Field((), description="what is done to training images")
    ema: float = Field(0.0, ge=0, lt=1, description="decay a step of the weights' moving average; 0: none is kept")
    early_stopping: EarlyStopping | None = Field(EarlyStopping(), description="when to stop; the best epoch is kept")
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto", description="`auto`: what the processor computes in natively"
    )
    weights: str | None = Field(None, description='"imagenet", or the path of a keras.applications weight file')
    frozen: bool = Field(False, description="train the classifier only, the base keeps its weights")
    frozen_epochs: int = Field(0, ge=0, description="first epochs in which only the classifier learns")
    rate_decay: float = Field(1.0, gt=0, le=1, description="factor of the rate from each block to the one before it")

    @model_validator(mode="after")
    def _thaws(self) -> Recipe:
        if self.frozen and self.frozen_epochs:
            raise ValueError("frozen keeps the base frozen in all epochs, frozen_epochs in the first: give one of them")
        return self

    @field_validator("augmentation")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(value)))


class Fold(Frozen):
    """One fold of a k-fold cross-validation: part `index` (0-based) of the `of` into which the training and validation
    images are divided together is the validation set, the others are trained on. Test images stay what they are.
    """

    index: int = Field(ge=0)
    of: int = Field(ge=2, le=20)

    @model_validator(mode="after")
    def _exists(self) -> Fold:
        if self.index >= self.of:
            raise ValueError(f"there is no fold {self.index} of {self.of}: the first is 0")
        return self


class Range(Frozen):
    """The interval that a hyper-parameter is drawn from, evenly, or evenly in its logarithm."""

    low: float = Field(ge=0, description="least value")
    high: float = Field(gt=0, description="greatest value")
    log: bool = Field(True, description="evenly in its logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g}, which is not below high, {self.high:g}")
        if self.log and self.low == 0:
            raise ValueError("a logarithmic range cannot start at 0: give a small number, or log = false")
        return self


class SearchSpec(Frozen):
    """A search over hyper-parameters: what is varied, how often, and how trials without a future are cut short.

    Everything that is not varied is the run group's recipe. A trial is judged by its best validation accuracy.
    """

    trials: int = Field(20, ge=1, le=1000, description="recipes that are tried")
    seed: int = Field(0, ge=0, description="of the sampler")
    pruning: Literal["median", "none"] = Field("median", description="`median`: trials worse than that are cut short")
    learning_rate: Range | None = Field(None, description="varied in this range")
    weight_decay: Range | None = Field(None, description="varied in this range")
    batch_size: tuple[BatchSize, ...] | None = Field(None, min_length=1, description="varied among these")
    epochs: tuple[Epochs, ...] | None = Field(None, min_length=1, description="varied among these")
    augmentation: tuple[tuple[Augmentation, ...], ...] | None = Field(
        None, min_length=1, description="varied among these"
    )

    @model_validator(mode="after")
    def _varies(self) -> SearchSpec:
        if not self.varied:
            raise ValueError(f"nothing is varied: give at least one of {', '.join(SEARCHABLE)}")
        return self

    @property
    def varied(self) -> tuple[str, ...]:
        """The recipe's keys that trials differ in."""
        return tuple(key for key in SEARCHABLE if getattr(self, key) is not None)


SEARCHABLE = ("learning_rate", "weight_decay", "batch_size", "epochs", "augmentation")
"""Keys of a recipe that a search can vary."""


class RunSpec(Frozen):
    """One network trained on one data set by one recipe from one seed: all that its numbers depend on.

    `fold` is None for the run on the split's own validation images.
    """

    dataset: Name
    data: DatasetSpec
    network: str
    options: NetworkOptions = NetworkOptions()
    recipe: Recipe
    seed: int = Field(0, ge=0)
    fold: Fold | None = None

    @property
    def label(self) -> str:
        """The run in a few words, for messages."""
        fold = f", fold {self.fold.index + 1} of {self.fold.of}" if self.fold else ""
        return f"{self.network} on {self.dataset} (seed {self.seed}{fold})"
