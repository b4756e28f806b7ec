"""Names of published files, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.file_name import ENDING, FileName, parse_name, write_name

NAMES = {
    "wav2letter_modified_ucsf_timit_trf_lags200_bw50_ahmed_25": FileName(
        "ucsf", "timit", "wav2letter", "trained", 200, 50, "ahmed_25"
    ),
    "whisper_tiny_ucsf_reset_mVocs_trf_lags300_bw20": FileName("ucsf", "mvocs", "whisper_tiny", "reset", 300, 20),
    "cochresnet50_ucsf_reset_timit_trf_lags200_bw50_ahmed_25_permuted": FileName(
        "ucsf", "timit", "cochresnet50", "permuted", 200, 50, "ahmed_25"
    ),
    "w2v2_audioset_ucdavis_reset_timit_trf_lags200_bw50_x_reset-2_l11": FileName(
        "ucdavis", "timit", "w2v2_audioset", "reset-2", 200, 50, "x", layer=11
    ),
    "whisper_base_ucsf_timit_trf_lags200_ahmed_25_LPF_20": FileName(
        "ucsf", "timit", "whisper_base", "trained", 200, 20, "ahmed_25", "lowpass"
    ),
    "whisper_base_ucsf_mVocs_trf_lags200_bw50_bootstrap_epoch_3": FileName(
        "ucsf", "mvocs", "whisper_base", "trained", 200, 50, "epoch_3", "bootstrap-training"
    ),
    "whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_test_epoch_3": FileName(
        "ucsf", "timit", "whisper_base", "trained", 200, 50, "epoch_3", "bootstrap-test"
    ),
    "STRF_freqs80_wavlet_ucsf_timit_trf_lags200_bw50_ahmed_25": FileName(
        "ucsf", "timit", "wavelet", "fixed", 200, 50, "ahmed_25"
    ),
    **{
        f"STRF_freqs80_{tag}_ucsf_mVocs_trf_lags200_bw50": FileName("ucsf", "mvocs", network, "fixed", 200, 50)
        for tag, network in {
            "coch": "cochleagram",
            "mel": "mel_speech2text",
            "mel_wh": "mel_whisper",
            "mel_ds": "mel_deepspeech2",
            "mel_lib": "mel_librosa",
        }.items()
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_names__are_read_and_written(name):
    assert parse_name(name + ENDING) == NAMES[name]
    assert write_name(NAMES[name]) == name + ENDING


def test_parse_name__bins_and_low_pass_anywhere_in_the_identifier():
    of = parse_name(f"whisper_base_ucsf_timit_trf_lags200_bw40_ahmed_25_LPF_20_review{ENDING}")
    assert (of.kind, of.bin_width, of.identifier) == ("lowpass", 20, "ahmed_25_review")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pretrained_networks_WERs.csv", "its name is not"),
        (f"whisper_tiny_naplib_matched{ENDING}", "its name is not"),
        (f"whisper_tiny_ucsd_timit_trf_lags200_bw50{ENDING}", "its name is not"),
        (f"STRF_freqs128_coch_ucsf_timit_trf_lags200_bw50{ENDING}", "its spectrogram has 128 bands; expected 80"),
        (f"STRF_freqs80_coch_ucsf_reset_timit_trf_lags200_bw50{ENDING}", "reset or bootstrap, which there are of net"),
        (f"n_ucsf_timit_trf_lags200_bw50_bootstrap_a_LPF_20{ENDING}", "says bootstrap and LPF"),
    ],
)
def test_parse_name__says_why_it_is_none(name, why):
    with pytest.raises(ResultsFileError, match=why):
        parse_name(name)


@pytest.mark.parametrize(
    "of",
    [
        FileName("ucsf", "timit", "wav2letter_modified", "trained", 200, 50),
        FileName("ucsf", "timit", "mel_wh", "fixed", 200, 50),
        FileName("ucsf", "words", "wav2vec2", "trained", 200, 50),
        FileName("ucsf", "timit", "wav2vec2", "reset", 200, 50, "my_permuted"),
        FileName("ucsf", "timit", "wav2vec2", "trained", 200, 50, "bootstrap_of_mine"),
        FileName("ucsf", "timit", "wav2vec2", "trained", 200, 50, "run_l2"),
        FileName("ucsf", "timit", "wav2vec2", "trained", 200, 100 / 3),
    ],
    ids=str,
)
def test_write_name__refuses_what_would_be_read_as_something_else(of):
    with pytest.raises(ResultsFileError, match="such a name does not show what the file is of"):
        write_name(of)


@given(
    st.builds(
        FileName,
        dataset=st.sampled_from(["ucsf", "ucdavis"]),
        stimuli=st.sampled_from(["timit", "mvocs"]),
        network=st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True),
        weights=st.sampled_from(["trained", "fixed", "reset", "reset-3", "permuted", "random_uniform-1", "scaled-0.5"]),
        lag=st.sampled_from([50, 200, 12.5]),
        bin_width=st.sampled_from([20, 50, 12.5]),
        identifier=st.from_regex(r"[a-zA-Z0-9_]{0,12}", fullmatch=True),
        kind=st.sampled_from(["grid", "lowpass", "bootstrap-training", "bootstrap-test"]),
    )
)
def test_names__are_inverse_or_refused(of):
    try:
        name = write_name(of)
    except ResultsFileError:
        return
    assert parse_name(name) == of
