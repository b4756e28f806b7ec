"""Published word error rates, and what is wrong with a table of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from distributed_trf.config.analyses import load_word_errors
from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.word_errors import BENCHMARKS, PUBLISHED_NAME, read_word_errors
from tests.published_files import word_errors


def test_read_word_errors__has_a_row_for_each_published_rate(tmp_path):
    wide = word_errors(tmp_path)
    found = read_word_errors(tmp_path / PUBLISHED_NAME)
    assert list(found) == ["network", "benchmark", "wer"]
    assert len(found) == wide.size == 30
    rates = found.set_index(["network", "benchmark"])["wer"]
    for network, row in wide.iterrows():
        for benchmark, rate in row.items():
            assert rates[str(network).replace("_modified", ""), BENCHMARKS[benchmark]] == rate


def test_read_word_errors__names_benchmarks_and_networks_as_the_shipped_evaluation_does():
    settings = load_word_errors("ahmed25")
    assert [of.name for of in settings.benchmarks] == list(BENCHMARKS.values())


def test_read_word_errors__leaves_out_what_was_not_measured(tmp_path):
    wide = word_errors(tmp_path)
    wide.loc["whisper_base", "tedlium"] = np.nan
    wide.to_csv(tmp_path / "a.csv")
    found = read_word_errors(tmp_path / "a.csv")
    assert len(found) == 29
    assert found[found.network == "whisper_base"].benchmark.tolist() == [
        "librispeech_other",
        "librispeech_clean",
        "common_voice",
        "voxpopuli",
    ]


def test_read_word_errors__takes_the_table_of_dtrf_wer(tmp_path):
    own = pd.DataFrame({"network": ["mine"], "benchmark": ["clean"], "wer": [0.4], "words": [1000]})
    own.to_csv(tmp_path / "own.csv", index=False)
    pd.testing.assert_frame_equal(
        read_word_errors(tmp_path / "own.csv"), own[["network", "benchmark", "wer"]], check_dtype=False
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ",tedlium\nwhisper_huge,3.4\n",
            r"row 2: no network is called 'whisper_huge'; expected one of `dtrf networks`",
        ),
        (",tedlium\nwhisper_tiny,0.077\n", r"column tedlium holds 0.077 in row 2, .*expected percentages.*Multiply"),
        (",tedlium\nwhisper_tiny,7.7\nwhisper_base,0.06\n", "column tedlium holds 0.06 in row 3"),
        (",tedlium\nwhisper_tiny,-7.7\n", "column tedlium holds -7.7 in row 2; expected a percentage from 0 up"),
        (",tedlium\nwhisper_tiny,7.7 %\n", "column tedlium holds '7.7 %' in row 2"),
        (",tedlium\n,7.7\n", "column Unnamed: 0 holds nothing in row 2; expected a name"),
        (",tedlium,timit\nwhisper_tiny,7.7,3\n", "column 'timit' is no benchmark; expected .* librispeech-test-clean"),
        ("model\nwhisper_tiny\n", "there is no column beside 'model'; expected the names of networks in the first"),
        (",tedlium\nwhisper_tiny,7.7\nwhisper_tiny,7.9\n", "whisper_tiny has two rates of tedlium; expected one"),
        ("network,wer\nwhisper_tiny,7.7\n", "column benchmark is missing; found network, wer"),
        ("network,benchmark,wer\na,b,1\na,b,2\n", "a has two rates of b; expected one"),
        ("network,benchmark,wer\na,b,-1\n", "column wer holds -1 in row 2"),
        ("", "is empty; expected names of columns"),
    ],
)
def test_read_word_errors__says_what_is_wrong_and_where(tmp_path, text, said):
    file = tmp_path / "rates.csv"
    file.write_text(text)
    with pytest.raises(ResultsFileError, match=f"rates.csv: {said}"):
        read_word_errors(file)
