"""A study of features of one's own: fitted as any network's, stale where a file changed, and shown."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from distributed_trf import Study, open_features, open_results
from distributed_trf.cli.app import app
from distributed_trf.errors import FeatureError
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.stages.extract import Extracted
from distributed_trf.pipeline.status import survey
from distributed_trf.recordings.binned_features import binned_features
from distributed_trf.recordings.recording_set import rows
from distributed_trf.store.receipts import EXTRACT, receipts
from distributed_trf.store.study_store import StudyStore


@pytest.fixture
def place(workplace, write_study):
    """Write numbers for each bin of each sound, in two layers, and words as events."""
    (workplace / "own/binned/timit").mkdir(parents=True)
    columns = {"low": [0, 2], "high": [2, 3]}
    layers = [{"name": name, "width": b - a, "rate": 20, "columns": [a, b]} for name, (a, b) in columns.items()]
    write_table(workplace, "binned", "own/binned", layers)
    write_table(workplace, "words", "own/words.csv", [{"name": "word", "width": 1, "rate": 20}], labels=["word"])
    recordings = open_context(Study.load(write_study()).settings, to_run=False).recordings
    rng, words = np.random.default_rng(2), ["stimulus,onset"]
    for stimulus in recordings.stimuli("timit"):
        n = rows(stimulus.duration, 0, 50)
        np.save(workplace / f"own/binned/timit/{stimulus.id}.npy", rng.normal(size=(n, 3)))
        words += [f"{stimulus.id},{t:.3f}" for t in (0.1, stimulus.duration / 2)]
    (workplace / "own/words.csv").write_text("\n".join(words))
    return workplace


def write_table(workplace, name, source, layers, **config):
    content = {"name": name, "family": "table", "source": source, "config": config, "layers": layers}
    (workplace / f"configs/networks/{name}.yaml").write_text(yaml.safe_dump(content))


def test_binned_features__are_fitted_number_for_number(place, write_study):
    study = Study.load(write_study(networks=[{"name": "binned"}, {"name": "words"}], reliability=None))
    assert study.run(None).ok
    features = open_features(study.output)
    for layer, columns in ((0, slice(0, 2)), (1, slice(2, 3))):
        for stimulus, x in binned_features(features["timit", "binned", "fixed"], layer, 50):
            own = np.load(place / f"own/binned/timit/{stimulus}.npy")[:, columns].astype(np.float32)
            np.testing.assert_allclose(x[:7], 0, atol=1e-12)
            np.testing.assert_allclose(x[7:], own, atol=1e-6)
    for _, x in binned_features(features["timit", "words", "fixed"], 0, 50):
        assert x.sum() == pytest.approx(2, abs=1e-6)
        assert x[9, 0] == pytest.approx(1, abs=1e-6)
    ds = open_results(study.output)
    assert ds["r"].sel(network="binned", layer=[0, 1]).notnull().all()
    assert ds["layer_type"].sel(network="binned", layer=0).item() == "table"


def test_spectrogram_of_ones_own__predicts_as_the_shipped_one(workplace, write_study):
    study = Study.load(write_study(networks=[{"name": "mel_librosa"}], reliability=None))
    assert study.run(None).ok
    (workplace / "own").mkdir()
    for stimulus, x in binned_features(open_features(study.output)["timit", "mel_librosa", "fixed"], 0, 50):
        np.save(workplace / f"own/{stimulus}.npy", x if stimulus != "5" else np.vstack([x, x[-1:]]))
    write_table(workplace, "mel", "nowhere", [{"name": "bands", "width": 80, "rate": 20}], start=-0.35)
    networks = [{"name": "mel_librosa"}, {"name": "mel", "source": "own"}]
    study = Study.load(write_study(networks=networks, reliability=None))
    report = study.run(None)
    assert report.ok
    r = open_results(study.output)["r"].isel(layer=0)
    np.testing.assert_allclose(r.sel(network="mel"), r.sel(network="mel_librosa"), atol=1e-5)
    assert [note.partition(": ")[0] for note in report.features["mel"]] == ["stimulus '5' of timit"]
    assert "1 more than the sound: 1 frames behind the sound cut off" in report.features["mel"][0]
    found = [Extracted.of(receipt).remarks().features for _, receipt in receipts(StudyStore(study.output), EXTRACT, "")]
    assert [note for notes in found for note in notes] == report.features["mel"]


def test_changed_file__makes_its_own_batch_stale(place, write_study):
    study = Study.load(write_study(networks=[{"name": "binned"}, {"name": "words"}], reliability=None))
    assert study.run(None).ok
    file = place / "own/binned/timit" / f"{sorted(p.stem for p in (place / 'own/binned/timit').iterdir())[0]}.npy"
    own = np.load(file)
    np.save(file, own)  # the same numbers
    states = [(p.item.network, p.item.batch, p.state) for p in survey(open_context(study.settings), EXTRACT)]
    assert {state for *_, state in states} == {"done"}
    np.save(file, own + 1)
    stale = [p for p in survey(open_context(study.settings), EXTRACT) if p.state != "done"]
    assert [(p.item.network, p.state, p.reason) for p in stale] == [("binned", "stale", "changed: files")]
    write_study(networks=[{"name": "binned"}, {"name": "words"}], reliability=None, lags={"lead_in": 0.4})
    assert all(p.state != "done" for p in survey(open_context(Study.load("study.yaml").settings), EXTRACT))


def test_stimuli_without_features__are_named_before_anything_is_written(place, write_study):
    study = Study.load(write_study(networks=[{"name": "binned"}, {"name": "words"}]))
    lost = sorted((place / "own/binned/timit").iterdir())[0]
    lost.unlink()
    with pytest.raises(
        FeatureError, match=f"binned/timit has no features of 1 of the 24 stimuli of timit: {lost.stem}"
    ):
        study.run(None)
    assert not study.output.exists()


def test_table_of_another_length__fails_its_batch_and_says_by_how_many_frames(place, write_study):
    file = sorted((place / "own/binned/timit").iterdir())[0]
    np.save(file, np.load(file)[:-3])
    report = Study.load(write_study(networks=[{"name": "binned"}], reliability=None)).run(None)
    (message,) = report.failed.values()
    assert f"features of {file.stem}: " in message
    assert "3 more; expected as many, or up to 1 more or fewer" in message


def test_networks__are_listed_and_drawn_as_others_are(place, write_study):
    write_study(networks=[{"name": "binned"}, {"name": "mel_librosa"}])
    assert Study.load("study.yaml").run(None).ok
    listed = CliRunner().invoke(app, ["networks", "binned"])
    assert listed.exit_code == 0, listed.output
    assert "trained weights: a table has none" in listed.output
    drawn = CliRunner().invoke(app, ["figures", "study.yaml", "--only", "3,controls"])
    assert drawn.exit_code == 0, drawn.output
    assert sorted(path.name for path in (place / "study/figures").iterdir()) == ["figure_3.png", "figure_controls.png"]
