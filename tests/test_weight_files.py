"""Weight files of `keras.applications`, made locally with random numbers in the legacy format that it publishes."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from cnnlab.errors import CnnlabError
from cnnlab.layers.factory import build_network
from cnnlab.layers.weights import load_weights
from cnnlab.spec import NetworkOptions

# Keras's variables do not know the `copy` argument with which numpy 2.4 asks for an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PUBLISHED_STEM = NetworkOptions(stem="published")


def pixels(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")


def save_legacy(model: keras.Model, path: Path) -> None:
    """Write weights as in the files of `keras.applications`: Keras 3 still does inside a whole model in HDF5."""
    whole = path.with_name("whole.h5")
    model.save(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        for layer in source["model_weights"]:
            source.copy(f"model_weights/{layer}", target)
        target.attrs.update(source["model_weights"].attrs)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    reference = keras.applications.VGG19(weights=None, include_top=False, input_shape=(32, 32, 3))
    path = tmp_path_factory.mktemp("vgg") / "notop.h5"
    save_legacy(reference, path)
    return reference, path


def test_vgg19_without_top_computes_what_keras_applications_computes(vgg: tuple[keras.Model, Path]) -> None:
    reference, path = vgg
    model = build_network("vgg19", image_size=32, classes=4)
    head = to_numpy(model.get_layer("fc1").kernel)
    loaded = load_weights(model, "vgg19", str(path))
    assert loaded.head is False and loaded.layers[0] == "block1_conv1" and len(loaded.layers) == 16
    np.testing.assert_array_equal(to_numpy(model.get_layer("fc1").kernel), head)
    base = keras.Model(model.inputs, model.get_layer("block5_pool").output)
    expected = reference.predict_on_batch(keras.applications.vgg19.preprocess_input(pixels(32)))
    np.testing.assert_allclose(base.predict_on_batch(pixels(32)), expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_resnet50_with_top_computes_what_keras_applications_computes(tmp_path: Path) -> None:
    reference = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=7)
    for layer in reference.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # else the idle statistics would hide a mistake
            layer.moving_mean.assign(np.linspace(-0.1, 0.1, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2, layer.moving_variance.shape[0]))
    path = tmp_path / "top.h5"
    save_legacy(reference, path)
    expected = reference.predict_on_batch(keras.applications.resnet50.preprocess_input(pixels(64)))
    assert expected.std() > 1e-4
    for fused in (False, True):
        model = build_network("resnet50", image_size=64, classes=7, options=PUBLISHED_STEM, fused_batch_norm=fused)
        assert load_weights(model, "resnet50", str(path)).head is True
        np.testing.assert_allclose(model.predict_on_batch(pixels(64)), expected, rtol=1e-3, atol=1e-5)
    assert load_weights(model, "resnet50", str(path.with_name("whole.h5"))).head is True  # a whole model's file too
    other = build_network("resnet50", image_size=64, classes=8, options=PUBLISHED_STEM)
    loaded = load_weights(other, "resnet50", str(path))
    assert loaded.head is False and len(loaded.layers) == 106
    plain = build_network("resnet50", image_size=64, classes=7, options=PUBLISHED_STEM)
    plain.load_weights(path)  # Keras's own loader matches by order: names and order are theirs
    np.testing.assert_array_equal(
        to_numpy(plain.get_layer("conv5_block3_3_conv").kernel),
        to_numpy(reference.get_layer("conv5_block3_3_conv").kernel),
    )


@pytest.mark.parametrize(
    ("name", "options", "file", "error"),
    [
        ("vgg19", NetworkOptions(batch_norm=True), "notop.h5", r"does not fit vgg19[\s\S]*block1_bn1: missing"),
        ("resnet50", NetworkOptions(), "notop.h5", "conv1_conv: missing"),
        ("vgg19", NetworkOptions(), "absent.h5", "cannot be read"),
        ("vgg19", NetworkOptions(), "wrong.h5", "cannot be read"),
        ("vgg19", NetworkOptions(), "native.weights.h5", "cannot be read"),
        ("alexnet", NetworkOptions(), "imagenet", "no pre-trained weights for alexnet"),
    ],
)
def test_what_does_not_fit_or_cannot_be_read_is_refused(
    vgg: tuple[keras.Model, Path], name: str, options: NetworkOptions, file: str, error: str
) -> None:
    folder = vgg[1].parent
    (folder / "wrong.h5").write_text("not HDF5")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(folder / "native.weights.h5")
    model = build_network(name, image_size=32, classes=2, options=options)
    with pytest.raises(CnnlabError, match=error):
        load_weights(model, name, file if file == "imagenet" else str(folder / file))


def test_imagenet_weights_come_from_keras_with_their_hash_or_an_error_says_why(
    vgg: tuple[keras.Model, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, str] = {}
    model = build_network("vgg19", image_size=32, classes=2)
    monkeypatch.setattr(
        keras.utils, "get_file", lambda name, url, **rest: asked.update(name=name, url=url, **rest) or str(vgg[1])
    )
    load_weights(model, "vgg19", "imagenet")
    name = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert asked == {
        "name": name, "url": f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{name}",
        "cache_subdir": "models", "file_hash": "253f8cb515780f3b799900260a226db6",
    }  # fmt: skip

    def get_file(*_: str, **__: str) -> str:
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(CnnlabError, match=r"cannot be fetched[\s\S]*no route to host[\s\S]*give its path"):
        load_weights(model, "vgg19", "imagenet")


@pytest.mark.parametrize("kind", ["link to another file", "link", "external", "virtual", "bomb"])
def test_a_weight_file_that_asks_for_more_than_it_holds_is_refused(kind: str, tmp_path: Path) -> None:
    path, other, name = tmp_path / "asking.h5", tmp_path / "secret.h5", "fc/kernel"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(3)
    with h5py.File(path, "w") as file:
        file["fc/empty"], file["fc/bias"] = h5py.Empty("f"), np.zeros(100)
        if kind == "link to another file":
            file[name] = h5py.ExternalLink(other, "secret")
        elif kind == "link":
            file[name] = h5py.SoftLink("/fc/bias")
        elif kind == "external":
            file.create_dataset(name, (3,), "f8", external=str(other))
        elif kind == "virtual":
            layout = h5py.VirtualLayout((3,), "f8")
            layout[:] = h5py.VirtualSource(other, "secret", (3,))
            file.create_virtual_dataset(name, layout)
        else:
            file.create_dataset(name, (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
    with pytest.raises(CnnlabError, match=r"does not hold[\s\S]*asking.h5[\s\S]*fc/kernel"):
        load_weights(build_network("vgg19", image_size=32, classes=2), "vgg19", str(path))
