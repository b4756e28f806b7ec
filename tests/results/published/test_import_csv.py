"""Published files read into a folder of results."""

from __future__ import annotations

import errno

import numpy as np
import pandas as pd
import pytest

from distributed_trf import (
    import_published_csv,
    open_bootstraps,
    open_lowpass,
    open_recordings,
    open_results,
    simulate,
)
from distributed_trf.errors import RecordingError, ResultsFileError, StoreError
from distributed_trf.results.best_layers import layer_table
from distributed_trf.results.open_results import study_of, unpacked
from distributed_trf.store.study_store import StudyStore
from tests.published_files import SMALL, PublishedFiles, small_folder
from tests.round_trip import assert_written_and_read
from tests.small_results import write_small_study

UNITS = [(str(session), str(channel)) for session, n in SMALL.items() for channel in range(n)]
TINY = "whisper_tiny_ucsf_timit_trf_lags200_bw50_ahmed_25_corr_results.csv"


SENTENCES, CALLS = ("test_cc_raw", "opt_lmbda", ""), ("mVocs_test_cc_raw", "opt_lmbda", "mVocs_")
"""Columns of r and of the penalty, and what those of normalisers begin with."""
RUN = "trf_lags200_bw50_ahmed_25"
PLACES = [
    (f"wav2letter_modified_ucsf_timit_{RUN}", ("timit", "wav2letter", "trained", 50), SENTENCES),
    (f"wav2letter_modified_ucsf_reset_mVocs_{RUN}", ("mvocs", "wav2letter", "reset", 50), CALLS),
    (f"whisper_tiny_ucsf_reset_timit_{RUN}_permuted", ("timit", "whisper_tiny", "permuted", 50), SENTENCES),
    ("whisper_tiny_ucsf_timit_trf_lags200_bw20_ahmed_25", ("timit", "whisper_tiny", "trained", 20), SENTENCES),
    (f"STRF_freqs80_mel_wh_ucsf_mVocs_{RUN}", ("mvocs", "mel_whisper", "fixed", 50), (CALLS[0], "lmbda", CALLS[2])),
]
"""Files, and where in the results they are."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Files of every kind, and the folder that they were imported into; no test may change them."""
    path = tmp_path_factory.mktemp("imported")
    files = small_folder(path / "in")
    for draw in ("e2", "e10", "e1"):
        files.bootstrap("whisper_base", 2, draw, [10, 100])
    files.bootstrap("whisper_base", 2, "e3", [100])
    for draw in ("a", "b"):
        files.bootstrap("whisper_base", 2, draw, [20, 60], trials=[1, 11])
    import_published_csv(path / "in", path / "out")
    return path


def published(imported, name):
    frame = pd.read_csv(imported / "in" / f"{name}_corr_results.csv", dtype=object)
    numbers = [column for column in frame if column != "layer_type"]
    return frame.assign(**{column: frame[column].map(float) for column in numbers})  # to the last digit


def test_import__every_number_is_at_its_place(imported):
    ds = open_results(imported / "out")
    for name, (*place, bin_width), (r, lmbda, prefix) in PLACES:
        frame = published(imported, name)
        at = dict(zip(("stimuli", "network", "weights", "bin_width"), (*place, bin_width), strict=True))
        assert len(frame) > 0
        for row in frame.to_dict("records"):
            unit = UNITS.index((f"{row['session']:g}", f"{row['channel']:g}"))
            fit = ds.sel(at).sel(layer=row.get("layer", 0)).isel(unit=unit)
            np.testing.assert_array_equal(fit.r, row[r])
            assert fit.alpha == float(f"1e{row[lmbda]:g}")
            np.testing.assert_array_equal(fit.normaliser, row[f"{prefix}normalizer"])
            np.testing.assert_array_equal(fit.null_mean, row[f"{prefix}null_mean"])
            np.testing.assert_array_equal(fit.null_std, row[f"{prefix}null_std"])
            if row[f"{prefix}normalizer"] > 0:
                np.testing.assert_array_equal(fit.rho, row[f"{prefix}normalized_test_cc"])


def test_import__what_is_not_in_the_files_is_nan(imported):
    ds = open_results(imported / "out").load()
    deaf = ds.session == "190726"
    assert ds.r.sel(stimuli="mvocs").isel(unit=deaf.values).isnull().all()
    assert ds.normaliser.sel(stimuli="mvocs", bin_width=50).isel(unit=deaf.values).isnull().all()
    assert ds.cv_score.isnull().all()
    assert len(layer_table(ds)) == 24


def test_import__labels_are_those_of_networks_and_sites(imported):
    ds = open_results(imported / "out")
    assert list(zip(ds.session.values, ds.channel.values, strict=True)) == UNITS
    assert ds.network.values.tolist() == [
        *("wav2letter", "whisper_tiny", "whisper_base", "cochleagram", "mel_whisper", "their_own")
    ]
    assert ds.weights.values.tolist() == ["trained", "reset", "permuted", "fixed"]
    assert ds.stimuli.values.tolist() == ["timit", "mvocs"]
    assert ds.bin_width.values.tolist() == [20, 50]
    site = ds.isel(unit=0)
    assert (site.area, site.subject, site.x, site.y) == ("non-primary", "b_RH", 0.4, -0.4)
    layer = ds.sel(network="whisper_tiny", layer=5)
    assert (layer.layer_name, layer.layer_type) == ("encoder.layers.3.final_layer_norm", "transformer")
    unknown = ds.sel(network="their_own", layer=1)
    assert (unknown.layer_name, unknown.layer_type) == ("", "")


def test_import__says_what_the_numbers_are(imported, tmp_path):
    ds = open_results(imported / "out")
    assert "N / (N - 1) times Pearson r" in ds.r.attrs["comment"]
    assert study_of(ds) == {
        "name": "ahmed_25",
        "recordings": {"format": "ucsf"},
        "lags": {"tmin": 0.0, "tmax": 0.2},
        "delay": 0.0,
    }
    assert set(unpacked(ds.attrs)["imported"]["files"]) == {path.name for path in (imported / "in").iterdir()}
    assert_written_and_read(ds, tmp_path / "fits")
    assert_written_and_read(open_lowpass(imported / "out"), tmp_path / "lowpass")


def test_import__low_passed_features_are_an_analysis(imported):
    ds = open_lowpass(imported / "out")
    frame = published(imported, "whisper_base_ucsf_timit_trf_lags200_ahmed_25_LPF_20")
    assert ds.lowpass_bin.values.tolist() == [20, 40, 800]
    for cut, rows in frame.groupby("bin_width"):
        fit = ds.sel(network="whisper_base", layer=2, bin_width=20, lowpass_bin=cut).squeeze()
        np.testing.assert_array_equal(fit.r, rows["test_cc_raw"])
        np.testing.assert_array_equal(fit.alpha, [float(f"1e{x:g}") for x in rows["opt_lmbda"]])
    results = open_results(imported / "out")
    np.testing.assert_array_equal(results.normaliser.sel(stimuli="timit", bin_width=20), rows["normalizer"])


def test_import__bootstraps_are_draws_in_natural_order(imported):
    ds = open_bootstraps(imported / "out", of="training").squeeze()
    assert ds.training_percent.values.tolist() == [10, 100]
    assert ds.r.transpose("training_percent", "draw", "unit").shape == (2, 4, 7)
    for draw, identifier in enumerate(["e1", "e2", "e10"]):
        frame = published(imported, f"whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_{identifier}")
        found = ds.r.sel(training_percent=10).isel(draw=draw)
        np.testing.assert_array_equal(found[:5], frame["test_cc_raw"][frame["percent_duration"] == 10])
        assert np.isnan(found[5:]).all()  # a session that was not drawn from
    order = published(imported, "whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_e3")
    np.testing.assert_array_equal(ds.r.sel(training_percent=100).isel(draw=2)[:5], order["test_cc_raw"])
    assert ds.r.sel(training_percent=10).isel(draw=3).isnull().all()

    test = open_bootstraps(imported / "out", of="test").squeeze()
    frame = published(imported, "whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_test_b")
    rows = frame[(frame["percent_duration"] == 60) & (frame["n_test_trials"] == 11)]
    np.testing.assert_array_equal(test.r.sel(test_percent=60, n_repeats=11).isel(draw=1)[:5], rows["test_cc_raw"])


def test_import__draws_that_do_not_say_what_was_drawn_are_left_out(tmp_path):
    files = PublishedFiles(tmp_path / "in")
    files.network("whisper_tiny", [0])
    frame = files.bootstrap("whisper_base", 2, "a", [20, 60], trials=[1, 11])
    path = tmp_path / "in/whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_test_a_corr_results.csv"
    frame.loc[frame["percent_duration"] == 20, "percent_duration"] = np.nan
    frame.to_csv(path, index=False)
    (note,) = import_published_csv(tmp_path / "in", tmp_path / "out").notes
    assert note == f"{path.name}: 10 rows do not say percent_duration or n_test_trials and are left out"
    assert open_bootstraps(tmp_path / "out", of="test").test_percent.values.tolist() == [60]
    (tmp_path / "in" / TINY).unlink()
    frame.assign(n_test_trials=np.nan).to_csv(path, index=False)
    with pytest.raises(
        ResultsFileError, match="nothing can be kept of its files: .* 20 rows do not say percent_duration"
    ):
        import_published_csv(tmp_path / "in", tmp_path / "new")
    frame.assign(n_test_trials=1.5).to_csv(path, index=False)
    with pytest.raises(ResultsFileError, match="column n_test_trials, row 2: found '1.5', expected a number of trials"):
        import_published_csv(tmp_path / "in", tmp_path / "new")


def test_import__files_of_layers_before_they_are_merged(tmp_path):
    files = PublishedFiles(tmp_path / "in")
    whole = files.network("whisper_tiny", [0, 1])
    (tmp_path / "in" / TINY).unlink()
    for layer in (0, 1):
        name = TINY.replace("_corr", f"_l{layer}_corr")
        whole[whole["layer"] == layer].to_csv(tmp_path / "in" / name, index=False)
    assert len(import_published_csv(tmp_path / "in", tmp_path / "out").files) == 2
    ds = open_results(tmp_path / "out").squeeze()
    np.testing.assert_array_equal(ds.r.transpose("layer", "unit").values.ravel(), whole["test_cc_raw"])
    whole.to_csv(tmp_path / "in" / TINY, index=False)
    with pytest.raises(ResultsFileError, match=r"_l0_corr_results.csv: row 2 is of layer 0 .* and so is a row of whi"):
        import_published_csv(tmp_path / "in", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_import__sessions_that_stand_there_twice_are_taken_once(tmp_path):
    frame = PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    again = frame.assign(test_cc_raw=0.9)
    pd.concat([frame, again]).to_csv(tmp_path / "in" / TINY, index=False)
    done = import_published_csv(tmp_path / "in", tmp_path / "out")
    assert done.notes == (
        f"{TINY}: 7 rows are of a fit and unit that an earlier row is of, such as row 9; the earlier ones were taken",
    )
    np.testing.assert_array_equal(open_results(tmp_path / "out").r.squeeze(), frame["test_cc_raw"])


def test_import__normalisers_that_differ_are_told(tmp_path):
    files = PublishedFiles(tmp_path / "in")
    frame = files.network("whisper_tiny", [0])
    other = files.network("whisper_base", [0])
    name = TINY.replace("tiny", "tiny_x").replace("whisper_tiny_x", "whisper_tiny")
    other["null_std"] += 0.5
    frame.to_csv(tmp_path / "in" / name, index=False)
    other.to_csv(tmp_path / "in" / TINY.replace("tiny", "base"), index=False)
    (note,) = import_published_csv(tmp_path / "in", tmp_path / "out").notes
    assert note.startswith(f"{TINY}: 7 normalisers or nulls in bins of 50 ms are not those of rows or files before")
    found = open_results(tmp_path / "out").null_std.squeeze()
    np.testing.assert_array_equal(found, other["null_std"])  # whisper_base comes first


def test_import__other_files_are_left_out_with_the_reason(tmp_path):
    files = small_folder(tmp_path / "in", later=False)
    files.network("whisper_tiny", [0], end="older")
    (tmp_path / "in" / "pretrained_networks_WERs.csv").write_text("model\n")
    (tmp_path / "in" / "plots").mkdir()
    with pytest.raises(ResultsFileError, match=r"identifiers ahmed_25, older, .* such as identifier='ahmed_25'"):
        import_published_csv(tmp_path / "in", tmp_path / "out")
    done = import_published_csv(tmp_path / "in", tmp_path / "out", identifier="ahmed_25")
    assert set(done.left_out) == {"pretrained_networks_WERs.csv", "plots", TINY.replace("ahmed_25", "older")}
    assert done.left_out["plots"] == "no file"
    assert "figure S5 takes it as it is: dtrf figures --word-errors" in done.left_out["pretrained_networks_WERs.csv"]
    assert done.left_out[TINY.replace("ahmed_25", "older")] == "of the identifier older; import it into another folder"
    assert unpacked(open_results(tmp_path / "out").attrs)["imported"]["left_out"] == done.left_out
    assert open_results(tmp_path / "out").normaliser.isnull().all()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"lag": 300}, r"no file of the lag 300; there are 200"),
        ({"identifier": "mine"}, r"no file of the identifier mine; there are ahmed_25"),
        ({"dataset": "ucdavis"}, r"no file of the dataset ucdavis; there are ucsf"),
    ],
)
def test_import__a_choice_that_is_not_there_is_an_error(imported, tmp_path, choice, said):
    with pytest.raises(ResultsFileError, match=said):
        import_published_csv(imported / "in", tmp_path / "out", **choice)


def test_import__a_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(ResultsFileError, match="there is no such folder"):
        import_published_csv(tmp_path / "gone", tmp_path / "out")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.csv").write_text("a\n")
    with pytest.raises(ResultsFileError, match=r"no file of published results; .*\n  notes.csv: its name is not"):
        import_published_csv(tmp_path / "in", tmp_path / "out")


def test_import__replaces_an_import_and_nothing_else(tmp_path):
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    for output in (write_small_study(tmp_path / "study"), tmp_path / "in"):
        before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
        with pytest.raises(StoreError, match="something is there that is no import of published results"):
            import_published_csv(tmp_path / "in", output)
        assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    (tmp_path / "empty").mkdir()
    import_published_csv(tmp_path / "in", tmp_path / "empty")
    marker = tmp_path / "empty/store.json"
    marker.write_text(marker.read_text().replace('"format_version": ', '"format_version": 1'))  # by another version
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0, 1])
    import_published_csv(tmp_path / "in", tmp_path / "empty")
    assert open_results(tmp_path / "empty").layer.values.tolist() == [0, 1]


def test_import__that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    import_published_csv(tmp_path / "in", tmp_path / "out")
    before = open_results(tmp_path / "out").load()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("distributed_trf.results.published.import_csv.write_fit", full)
    for output in (tmp_path / "out", tmp_path / "new"):
        with pytest.raises(StoreError, match="no room to write it"):
            import_published_csv(tmp_path / "in", output)
    assert open_results(tmp_path / "out").load().identical(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_import__delays_that_differ_are_an_error(tmp_path):
    frame = PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    frame.loc[3, "delay"] = 20
    frame.to_csv(tmp_path / "in" / TINY, index=False)
    with pytest.raises(ResultsFileError, match=r"column delay, row 5: found 20, expected 0 as in other rows and files"):
        import_published_csv(tmp_path / "in", tmp_path / "out")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    path = tmp_path_factory.mktemp("recordings") / "ucsf"
    simulate(path, sessions=2, channels=11, sentences=11)
    return path


def test_import__channels_pair_with_those_of_recordings(tmp_path, recordings):
    opened = open_recordings("ucsf", recordings)
    PublishedFiles(tmp_path / "in", {int(s.name): 11 for s in opened.sessions}).network("whisper_tiny", [0])
    done = import_published_csv(tmp_path / "in", tmp_path / "out", recordings=opened)
    ds = open_results(tmp_path / "out")
    expected = [(session.name, channel) for session in opened.sessions for channel in session.channels]
    assert list(zip(ds.session.values, ds.channel.values, strict=True)) == expected
    assert expected[0][1] == "Ch10"  # before Ch1, as the files are sorted
    assert done.notes == ()

    PublishedFiles(tmp_path / "in", {180413: 12, 190726: 2}).network("whisper_tiny", [0])
    with pytest.raises(ResultsFileError, match=r"column channel, row 13: found 11, expected 0 to 10, as session 1804"):
        import_published_csv(tmp_path / "in", tmp_path / "out", recordings=opened)
    PublishedFiles(tmp_path / "in", {180413: 11, 190726: 2}).network("whisper_tiny", [0])
    (note,) = import_published_csv(tmp_path / "in", tmp_path / "out", recordings=opened).notes
    assert note == "sessions 190726 are not in the recordings; their channels are called by their index"


def test_import__areas_and_sites_from_the_metadata_file(tmp_path, recordings):
    files = PublishedFiles(tmp_path / "in", {180413: 2, 123456: 1})
    files.network("whisper_tiny", [0])
    metadata = recordings / "sessions_metadata.yml"
    metadata_changed = tmp_path / "sessions_metadata.yml"
    metadata_changed.write_text(metadata.read_text().replace("180413: [0.4, -0.4]", "180413: [7.5, 8]"))
    (note,) = import_published_csv(tmp_path / "in", tmp_path / "out", sessions_metadata=metadata_changed).notes
    assert note == "area and site of sessions 123456 are not known"
    ds = open_results(tmp_path / "out")
    assert ds.session.values.tolist() == ["123456", "180413", "180413"]
    np.testing.assert_array_equal(ds.x, [np.nan, 7.5, 7.5])
    assert ds.area.values.tolist() == ["unknown", "non-primary", "non-primary"]
    with pytest.raises(RecordingError, match="there is no such file"):
        import_published_csv(tmp_path / "in", tmp_path / "out", sessions_metadata=tmp_path / "gone.yml")


def test_import__uc_davis_sessions_are_numbered_and_units_are_codes(tmp_path):
    frame = PublishedFiles(tmp_path / "in", {3: 3, 4: 2}).network("whisper_base", [2])
    (path,) = (tmp_path / "in").iterdir()
    path.unlink()
    frame["channel"] = [1001, 1002, 201, 4001, 3001]
    frame.to_csv(tmp_path / "in" / path.name.replace("ucsf", "ucdavis"), index=False)
    assert import_published_csv(tmp_path / "in", tmp_path / "out").notes == ()
    ds = open_results(tmp_path / "out")
    assert ds.channel.values.tolist() == ["1001", "1002", "201", "3001", "4001"]  # tetrode by tetrode
    assert ds.session.values[[0, -1]].tolist() == ["relayz_2024-12-26b_boilermaker", "relayz_2024-12-30b_boilermaker"]
    assert set(ds.subject.values) == {"relayz"}
    np.testing.assert_array_equal(ds.r.squeeze(), frame["test_cc_raw"][[0, 1, 2, 4, 3]])
    frame["session"] = 9
    frame.to_csv(tmp_path / "in" / path.name.replace("ucsf", "ucdavis"), index=False)
    with pytest.raises(ResultsFileError, match=r"column session, row 2: found 9, expected 0 to 8, the published"):
        import_published_csv(tmp_path / "in", tmp_path / "out")


def test_import__is_the_folder_of_a_study(imported):
    assert StudyStore.open(imported / "out").results.is_dir()


def test_import__other_types_of_layers_are_told(tmp_path):
    frame = PublishedFiles(tmp_path / "in").network("whisper_tiny", [0, 5])
    frame["layer_type"] = "rnn"
    frame.to_csv(tmp_path / "in" / TINY, index=False)
    assert import_published_csv(tmp_path / "in", tmp_path / "out").notes == (
        "layer 0 of whisper_tiny: column layer_type says rnn, the table conv, as kept",
        "layer 5 of whisper_tiny: column layer_type says rnn, the table transformer, as kept",
    )
    assert open_results(tmp_path / "out").layer_type.squeeze().values.tolist() == ["conv", "transformer"]
    frame.to_csv(tmp_path / "in" / TINY.replace("whisper_tiny", "theirs"), index=False)
    import_published_csv(tmp_path / "in", tmp_path / "out")
    assert open_results(tmp_path / "out").layer_type.sel(network="theirs").values.tolist() == ["rnn", "rnn"]
