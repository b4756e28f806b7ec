"""The files that describe a model, of folders and of a hub, and what is said where they cannot be had."""

from __future__ import annotations

import json
import time

import pytest
from huggingface_hub import constants

from distributed_trf.errors import FeatureError
from distributed_trf.features.weights import model_files as module
from distributed_trf.features.weights.model_files import model_files
from tests.features.local_hub import COMMIT, local_hub

NAME = "someone/hears"
CONFIG = {"model_type": "hubert", "hidden_size": 16}
PREPARES = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False}
WITH_WEIGHTS = {"config__json": CONFIG, "preprocessor_config__json": PREPARES, "model__safetensors": b"0" * 99}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with local_hub(monkeypatch, tmp_path / "cache") as served:
        yield served


def written(folder, **files):
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


# Folders


def test_folder__gives_its_files_and_its_licence(tmp_path):
    readme = "---\nlanguage: en\nlicense: cc-by-nc-4.0 # of the weights\n---\n# Hears\nlicense: none\n"
    source = written(tmp_path, config__json=CONFIG, preprocessor_config__json=PREPARES, README__md=readme)
    found = model_files(source)
    assert (found.source, found.commit, found.folder) == (source, None, tmp_path)
    assert (found.config, found.preprocessor) == (CONFIG, PREPARES)
    assert found.preprocessor_file == tmp_path / "preprocessor_config.json"
    assert found.licence == "cc-by-nc-4.0"


def test_folder__without_a_preprocessor_or_licence_says_none(tmp_path):
    found = model_files(written(tmp_path, config__json=CONFIG, README__md="# Hears\nlicense: mit\n"))
    assert (found.preprocessor, found.preprocessor_file, found.licence) == (None, None, None)


def test_licence__is_else_the_first_line_of_its_file(tmp_path):
    found = model_files(written(tmp_path, config__json=CONFIG, LICENSE__txt="\n  MIT License\n\nCopyright\n"))
    assert found.licence == "MIT License"


def test_processor__is_its_part_of_one(tmp_path):
    source = written(tmp_path, config__json=CONFIG, processor_config__json={"feature_extractor": PREPARES})
    found = model_files(source)
    assert found.preprocessor == PREPARES
    assert found.preprocessor_file == tmp_path / "processor_config.json"


def test_folder__that_describes_no_model_is_named(tmp_path):
    with pytest.raises(FeatureError, match=rf"^{tmp_path}: holds no config\.json.*save_pretrained.*family module"):
        model_files(str(tmp_path))
    with pytest.raises(FeatureError, match=r"config\.json: cannot be read as the configuration of a network"):
        model_files(written(tmp_path, config__json="{"))
    with pytest.raises(FeatureError, match=r"is a file, expected the folder that holds config\.json"):
        model_files(str(tmp_path / "config.json"))


def test_code_beside_the_weights__is_refused_unless_transformers_has_the_model(tmp_path):
    code = {"AutoModel": "modeling.Hears"}
    with pytest.raises(FeatureError, match=r"model_type 'hears'.*auto_map.*never run.*Convert.*family module"):
        model_files(written(tmp_path, config__json={"model_type": "hears", "auto_map": code}))
    assert model_files(written(tmp_path, config__json={**CONFIG, "auto_map": code})).config["auto_map"] == code


# The hub


def test_hub__commit_is_looked_up_and_no_weights_are_fetched(hub):
    hub.add(NAME, {"license": "mit"}, **WITH_WEIGHTS)
    found = model_files(NAME)
    assert (found.commit, found.licence) == (COMMIT, "mit")
    assert (found.config, found.preprocessor) == (CONFIG, PREPARES)
    assert sorted(hub.downloaded) == ["config.json", "preprocessor_config.json"]


@pytest.mark.parametrize("revision", [None, "main", COMMIT, COMMIT[:7]])
def test_hub__revision_becomes_the_full_commit(hub, revision):
    hub.add(NAME, **WITH_WEIGHTS)
    assert model_files(NAME, revision).commit == COMMIT


def test_hub__what_is_in_the_cache_needs_no_hub(hub):
    hub.add(NAME, **{key: value for key, value in WITH_WEIGHTS.items() if key != "preprocessor_config__json"})
    online = model_files(NAME, COMMIT)
    hub.asked.clear()
    offline = model_files(NAME, COMMIT)
    assert hub.asked == []
    assert (offline.folder, offline.config, offline.preprocessor) == (online.folder, CONFIG, None)


@pytest.mark.parametrize("revision", [None, "main"])
def test_hub__that_is_gone_leaves_the_newest_that_was_fetched(hub, monkeypatch, revision):
    hub.add(NAME, **WITH_WEIGHTS)
    folder = model_files(NAME).folder
    (folder.parents[1] / "refs").mkdir(exist_ok=True)
    (folder.parents[1] / "refs/main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = model_files(NAME, revision)
    assert (found.commit, found.config, found.preprocessor) == (COMMIT, CONFIG, PREPARES)


def test_hub__a_preprocessor_that_may_exist_is_not_taken_to_be_missing(hub, monkeypatch):
    hub.add(NAME, **WITH_WEIGHTS)
    (model_files(NAME).folder / "preprocessor_config.json").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FeatureError, match="HF_HUB_OFFLINE forbids it"):
        model_files(NAME, COMMIT)


REFUSALS = [
    ((404, "RepoNotFound"), "there is no such model, or it is private .*hf auth login"),
    ((401, "RepoNotFound"), "there is no such model, or it is private"),
    ((403, "GatedRepo"), "access to it must be granted: ask for it on its page, and log in with `hf auth login`"),
    ((404, "RevisionNotFound"), "there is no such revision"),
    ((404, "EntryNotFound"), r"it has no config\.json, so it is no model of transformers"),
]


@pytest.mark.parametrize(("refusal", "message"), REFUSALS)
def test_hub__that_refuses_says_why_and_the_way_without(hub, refusal, message):
    hub.refusal = refusal
    with pytest.raises(FeatureError, match=message) as caught:
        model_files(NAME)
    assert f"`hf download {NAME}` (or `huggingface-cli download {NAME}`), and give that folder" in str(caught.value)


def test_hub__model_without_configuration_is_none_of_transformers(hub):
    hub.add(NAME, model__safetensors=b"0")
    with pytest.raises(FeatureError, match=r"it has no config\.json, so it is no model of transformers"):
        model_files(NAME)


def test_hub__name_that_is_none_is_said_to_be(hub):
    with pytest.raises(
        FeatureError, match=r"^a/b/c: .* neither a folder here nor a hub id, which is written owner/name"
    ):
        model_files("a/b/c")
    assert hub.asked == []


def test_hub__without_a_network_is_an_error_at_once(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(FeatureError, match=r"someone/hears: config\.json could not be fetched.*Connect"):
        model_files(NAME)
    assert time.monotonic() - begun < 10


def test_hub__that_never_answers_is_not_waited_for(hub, monkeypatch):
    assert module.MOST_SECONDS < 10
    monkeypatch.setattr(module, "MOST_SECONDS", 0.5)
    hub.hangs = True
    begun = time.monotonic()
    with pytest.raises(FeatureError, match=r"it did not answer within 0\.5 s\. Download it where"):
        model_files(NAME)
    assert time.monotonic() - begun < 3


def test_hub__that_hangs_does_not_matter_for_what_is_in_the_cache(hub, monkeypatch):
    hub.add(NAME, **WITH_WEIGHTS)
    model_files(NAME, COMMIT)
    hub.hangs = True
    assert model_files(NAME, COMMIT).preprocessor == PREPARES
