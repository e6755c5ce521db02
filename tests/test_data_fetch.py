"""`cnnlab data fetch` from a hub, then everything without it; and what it says when there is nothing to fetch from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import cnnlab
from tests.test_data_faults import write_lab
from tests.test_datasets_hub import COMMIT, REPO, Hub, hub
from tests.test_datasets_layouts import Encoded, hugging_face, images

__all__ = ["hub", "images"]  # fixtures


@pytest.fixture
def lab(tmp_path: Path) -> str:
    path = Path(write_lab(tmp_path, reader="mini-imagenet"))
    source = f'hub = {{ repo = "{REPO}", revision = "{COMMIT}" }}'
    path.write_text(path.read_text().replace('path = "photos"', f'path = "photos"\n{source}'))
    return str(path)


def test_fetched_once_and_used_without_network(hub: Hub, lab: str, images: Encoded, tmp_path: Path) -> None:
    hugging_face(tmp_path / "made", images)
    hub.files = {f"data/{path.name}": path.read_bytes() for path in (tmp_path / "made" / "data").iterdir()}
    there = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    done = cnnlab("data", "fetch", lab, cwd=tmp_path, **there)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"photos: 3 files in {tmp_path / 'photos'}\n"
    nowhere = {**there, "HF_ENDPOINT": "http://127.0.0.1:9"}
    assert cnnlab("data", "fetch", lab, cwd=tmp_path, **nowhere).returncode == 0
    (only,) = json.loads(cnnlab("data", "describe", lab, "--json", cwd=tmp_path, **nowhere).stdout)
    assert only["images"] == 60 and [one["name"] for one in only["classes"]][:2] == ["house finch", "American robin"]
    listed = json.loads(cnnlab("data", "list", lab, "--json", cwd=tmp_path).stdout)
    assert listed["datasets"] == [
        {"name": "photos", "reader": "mini-imagenet", "path": str(tmp_path / "photos"), "state": "there"}
    ]


def test_nothing_to_fetch_from_is_one_message(tmp_path: Path) -> None:
    done = cnnlab("data", "fetch", write_lab(tmp_path, reader="mini-imagenet"), cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "there is no copy of mini-ImageNet" in done.stderr and "cnnlab data fetch" in done.stderr


def test_a_branch_is_refused_by_the_lab(lab: str, tmp_path: Path) -> None:
    path = Path(lab)
    path.write_text(path.read_text().replace(COMMIT, "main"))
    done = cnnlab("data", "fetch", lab, cwd=tmp_path)
    assert done.returncode == 2 and "datasets.photos.hub.revision" in done.stderr and "a branch or tag" in done.stderr
