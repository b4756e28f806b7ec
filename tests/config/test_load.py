"""Study files, recipes and tables: what is wrong with one is said in words that help."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.config.analyses import load_word_errors
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import listed, load, locate, shipped
from distributed_trf.config.study import LagSettings, RidgeSettings, StudySettings, load_study
from distributed_trf.errors import ConfigError
from distributed_trf.features.families.registry import FAMILIES, family
from distributed_trf.features.table import NetworkTable, chosen_layers, chosen_weights, load_table

MINIMAL = {
    "name": "small",
    "recordings": {"format": "ucsf", "path": "recordings"},
    "output": "study",
    "networks": [{"name": "mel_whisper"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def problems(folder: Path):
    """Load a study with some fields changed; the lines of the error it gives."""

    def of(**changes):
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
        with pytest.raises(ConfigError) as caught:
            load_study(path)
        lines = str(caught.value).splitlines()
        assert all(line.startswith(f"{path}: ") for line in lines)
        return [line.removeprefix(f"{path}: ") for line in lines]

    return of


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bin_width": [50]}, "bin_width = [50]: unknown field; did you mean 'bin_widths'?"),
        ({"lags": {"tmx": 0.3}}, "lags.tmx = 0.3: unknown field; did you mean 'tmax'?"),
        ({"ridge": {"nfolds": 3}}, "ridge.nfolds = 3: unknown field; did you mean 'n_folds'?"),
        (
            {"networks": [{"name": "mel_whisper", "weihgts": ["reset"]}]},
            "networks.0.weihgts = ['reset']: unknown field; did you mean 'weights'?",
        ),
        ({"lags": {"zebra": 1}}, "lags.zebra = 1: unknown field; known fields: lead_in, tmax, tmin"),
    ],
)
def test_misspelt_field__is_named_with_its_value_and_the_nearest_known_one(problems, changes, problem):
    assert problems(**changes) == [problem]


@pytest.mark.parametrize(
    ("changes", "field", "value", "expected"),
    [
        (
            {"extraction": {"batch": 0}},
            "extraction.batch",
            "0",
            "expected a whole number of stimuli, at least 1, or auto",
        ),
        (
            {"extraction": {"batch": "many"}},
            "extraction.batch",
            "'many'",
            "expected a whole number of stimuli, at least 1, or auto",
        ),
        ({"bin_widths": []}, "bin_widths", "[]", "at least 1 item"),
        ({"bin_widths": [50, -20]}, "bin_widths.1", "-20", "greater than 0"),
        ({"bin_widths": [float("inf")]}, "bin_widths.0", "inf", "finite number"),
        ({"lags": {"tmax": float("nan")}}, "lags.tmax", "nan", "finite number"),
        ({"lags": {"lead_in": -0.1}}, "lags.lead_in", "-0.1", "greater than or equal to 0"),
        ({"lags": 0.2}, "lags", "0.2", "expected fields of its own, among tmin, tmax, lead_in"),
        ({"ridge": {"n_folds": 1}}, "ridge.n_folds", "1", "greater than or equal to 2"),
        ({"networks": []}, "networks", "[]", "at least 1 item"),
        ({"networks": [{"name": "mel_whisper", "layers": "some"}]}, "networks.0.layers", "'some'", "'all'"),
        (
            {"networks": [{"name": "w", "weights": ["best"]}]},
            "networks.0.weights.0",
            "'best'",
            "not among trained, reset",
        ),
        ({"name": "../outside"}, "name", "'../outside'", "match pattern"),
        ({"stimuli": ["ti/mit"]}, "stimuli.0", "'ti/mit'", "match pattern"),
    ],
)
def test_value_that_cannot_be_used__is_named_with_what_was_expected(problems, changes, field, value, expected):
    found = problems(**changes)
    assert any(line.startswith(f"{field} = {value}: ") and expected in line for line in found), found


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bin_widths": 50}, r"bin_widths = 50: expected a list; write \[50\]"),
        ({"stimuli": "timit"}, r"stimuli = 'timit': expected a list; write \[timit\]"),
        ({"networks": ["a"]}, "networks.0 = 'a': expected fields of its own, among name, .*; write {name: a}"),
        ({"name": 5}, "name = 5: expected text; put it in quotes"),
        ({"bin_widths": [0.05]}, r"bin_widths.0 = 0.05: expected milliseconds \(ms\), 1 at least; 0.05 s is 50"),
        (
            {"bin_widths": [60001]},
            r"bin_widths.0 = 60001: expected milliseconds \(ms\), 60000 at most; .*us is 60.001",
        ),
        ({"lags": {"tmax": 200}}, "lags.tmax = 200: expected seconds, 60 at most; 200 ms is 0.2"),
        ({"lags": {"tmin": -200}}, "lags.tmin = -200: expected seconds, 60 at most; -200 ms is -0.2"),
        ({"lags": {"lead_in": 350}}, "lags.lead_in = 350: expected seconds, 60 at most; 350 ms is 0.35"),
        ({"delay": 100}, "delay = 100: expected seconds, 60 at most; 100 ms is 0.1"),
        (
            {"lowpass": [{"network": "a", "layer": 0, "weights": "fixed", "lowpass_bins": [0.1]}]},
            r"lowpass.0.lowpass_bins.0 = 0.1: expected milliseconds .* 0.1 s is 100",
        ),
        (
            {"reliability": {"bootstrap": {"n_repeats": [2], "percent_duration": [0.2]}}},
            "reliability.bootstrap.percent_duration.0 = 0.2: expected percent, 1 at least; the fraction 0.2 is 20",
        ),
        ({"output": "~nobody.here/x"}, "output = .* write the whole path"),
        ({"output": "x" * 256}, "output = .* expected names of up to 255 bytes"),
        (
            {"networks": [{"name": "a", "source": "a\0b"}]},
            r"networks.0.source = 'a\\x00b': no file can be called that.*",
        ),
    ],
)
def test_another_unit_or_shape__is_told_with_what_to_write(problems, changes, problem):
    (found,) = problems(**changes)
    assert re.fullmatch(problem, found)


def test_example__names_every_field_of_a_study():
    text = (shipped("configs") / "example.yaml").read_text()
    named = {name for name in StudySettings.model_fields if re.search(rf"^(# )?{name}:", text, re.MULTILINE)}
    assert named == set(StudySettings.model_fields)
    load_study("example")


def test_limits__are_taken_themselves(folder):
    changes = {"bin_widths": [1, 60_000], "lags": {"tmin": -60, "tmax": 60, "lead_in": 60}, "delay": -60}
    (folder / "study.yaml").write_text(yaml.safe_dump({**MINIMAL, **changes, "output": "x" * 255}))
    assert load_study("study.yaml").bin_widths == [1, 60_000]


def test_units_of_tables_and_recipes__are_told_alike(folder):
    (folder / "net.yaml").write_text(yaml.safe_dump({**TABLE, "sfreq": 16}))
    with pytest.raises(ConfigError, match="sfreq = 16: expected hertz, 100 at least; 16 kHz is 16000"):
        load_table("net.yaml")
    for memory in (16, "9" * 400 + " GB"):
        with pytest.raises(ConfigError, match=r"memory = .*: expected .* 16 GiB"):
            load_recipe("local", memory=memory)
    with pytest.raises(ConfigError, match=r"walltime = 4: .* seconds, so write 4 h"):
        load_recipe("slurm", walltime=4)
    with pytest.raises(ConfigError, match="walltime = .*: expected a duration"):
        load_recipe("slurm", walltime="9" * 400 + "-00:00:00")


def test_hundreds_of_problems__are_counted(problems):
    found = problems(bin_widths=[-1] * 500)
    assert len(found) == 21
    assert found[-1] == "and 480 more problems"


def test_missing_field__is_named(folder, problems):
    assert problems(networks=[{}]) == ["networks.0.name: this field is required"]
    (folder / "study.yaml").write_text(yaml.safe_dump({k: v for k, v in MINIMAL.items() if k != "output"}))
    with pytest.raises(ConfigError, match=r"study\.yaml: output: this field is required$"):
        load_study("study.yaml")


def test_several_problems__are_listed_at_once(problems):
    found = problems(extraction={"batch": 0}, ridge={"n_folds": 1, "sead": 2}, stimulus=["timit"])
    assert sorted(line.split(" ")[0] for line in found) == [
        "extraction.batch",
        "ridge.n_folds",
        "ridge.sead",
        "stimulus",
    ]


def test_tmax_before_tmin__says_which_must_be_later(problems):
    (found,) = problems(lags={"tmin": 0.3, "tmax": 0.1})
    assert found.endswith("tmax = 0.1 is before tmin = 0.3; tmax must be the later lag")


def test_tmax_equal_to_tmin__is_one_lag():
    assert LagSettings(tmin=0.1, tmax=0.1).tmax == 0.1


def test_network_named_twice__is_refused_by_name(problems):
    (found,) = problems(networks=[{"name": "mel_whisper"}, {"name": "whisper_tiny"}, {"name": "mel_whisper"}])
    assert "mel_whisper: named twice" in found
    assert "whisper_tiny stand" not in found


def test_long_value__is_shortened_in_the_message(problems):
    (found,) = problems(extraction={"batch": "x" * 500})
    assert len(found) < 200


def test_missing_file__is_named(folder):
    with pytest.raises(ConfigError, match=r"gone\.yaml: no such file"):
        load(folder / "gone.yaml", StudySettings)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"name: [unclosed", "not valid YAML"),
        (b"name: x\n\tname: y", "not valid YAML"),
        (b"\xff\xfe\x00name", "not valid YAML"),
        (b"- one\n- two\n", "expected fields and values, found list"),
        (b"", "expected fields and values, found NoneType"),
        (b"quickstart", "expected fields and values, found str"),
        (b"name: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_file_that_is_no_mapping__is_named(folder, content, problem):
    (folder / "study.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"study\.yaml: {problem}"):
        load_study("study.yaml")


def test_settings__do_not_change_after_loading(folder):
    (folder / "study.yaml").write_text(yaml.safe_dump(MINIMAL))
    study = load_study("study.yaml")
    with pytest.raises(ValueError, match="frozen"):
        study.attempts = 2


def test_paths__are_absolute_from_the_folder_of_the_study_file(folder, monkeypatch):
    (folder / "sub/weights").mkdir(parents=True)
    (folder / "weights").mkdir()
    networks = [{"name": "a", "source": "weights"}, {"name": "b", "source": "openai/whisper-tiny"}]
    tested = {"splits": "tables/splits.csv"}
    content = {**MINIMAL, "output": "~/study", "networks": networks, "test": tested}
    (folder / "sub/study.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("HOME", str(folder / "home"))
    study = load_study("sub/study.yaml")
    assert study.recordings.path == folder / "sub/recordings"
    assert study.output == folder / "home/study"
    assert study.test.splits == folder / "sub/tables/splits.csv"
    assert [n.source for n in study.networks] == [str(folder / "sub/weights"), "openai/whisper-tiny"]


@pytest.mark.parametrize("name", ["mine", "configs/mine.yaml"])
def test_paths__of_a_study_in_configs_are_from_the_folder_around_it(folder, name):
    (folder / "configs").mkdir()
    (folder / "configs/mine.yaml").write_text(yaml.safe_dump(MINIMAL))
    assert load_study(name).output == folder / "study"


@pytest.mark.parametrize("name", ["quickstart", str(shipped("configs") / "quickstart.yaml")])
def test_paths__of_a_study_that_ships_are_from_the_working_directory(folder, name):
    assert load_study(name).output == folder / "quickstart/study"


def test_paths__that_are_in_the_working_directory_alone_are_taken_with_a_word(folder, caplog):
    """As they were meant once; a folder that is in neither place is one to be made beside the study file."""
    (folder / "sub").mkdir()
    (folder / "recordings").mkdir()
    (folder / "sub/study.yaml").write_text(yaml.safe_dump(MINIMAL))
    study = load_study("sub/study.yaml")
    (said,) = caplog.messages
    assert said.startswith("recordings is taken from the working directory")
    assert said.endswith(f"Write {Path(os.pardir, 'recordings')}")
    assert study.recordings.path == folder / "recordings"
    assert study.output == folder / "sub/study"


def test_stimuli__are_by_default_those_that_were_presented(folder):
    (folder / "study.yaml").write_text(yaml.safe_dump(MINIMAL))
    study = load_study("study.yaml")
    assert study.with_sets(["timit", "mvocs"]).stimuli == ["timit", "mvocs"]
    assert study.model_copy(update={"stimuli": ["mvocs"]}).with_sets(["timit", "mvocs"]).stimuli == ["mvocs"]


def test_number_in_scientific_notation_without_a_dot__is_still_a_number(folder):
    """YAML 1.1 reads ``1e-5`` as text."""
    text = yaml.safe_dump(MINIMAL)
    (folder / "grid.yaml").write_text(text + "ridge: {alphas: {min: 1e-5, max: 1e15}}\n")
    (folder / "list.yaml").write_text(text + "ridge: {alphas: [1e-5, 1e2]}\n")
    assert load_study("grid.yaml").ridge.penalties == RidgeSettings().penalties
    assert load_study("list.yaml").ridge.penalties == [1e-5, 100.0]


def test_penalties__of_the_default_grid_are_the_published_ones():
    np.testing.assert_allclose(RidgeSettings().penalties, np.logspace(-5, 15, 21), rtol=1e-12, atol=0)


def test_penalties__of_a_list_are_sorted_and_distinct():
    assert RidgeSettings(alphas=[10, 1, 10.0, 0.1]).penalties == [0.1, 1.0, 10.0]


@given(low=st.floats(1e-8, 1e8), factor=st.floats(1, 1e8), num=st.integers(2, 30))
def test_penalties__of_a_grid_go_from_min_to_max(low, factor, num):
    found = RidgeSettings(alphas={"min": low, "max": low * factor, "num": num}).penalties
    assert len(found) == num
    np.testing.assert_allclose([found[0], found[-1]], [low, low * factor], rtol=1e-12)
    steps = np.diff(np.log(found))
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    "alphas", [[0.0], [-1.0], [float("nan")], {"min": 0}, {"num": 0}, {"mni": 1.0}, [], {"min": 10.0, "max": 1.0}]
)
def test_penalties__that_no_fit_can_use_are_refused(problems, alphas):
    names = {line.split(" ")[0] for line in problems(ridge={"alphas": alphas})}
    inner = next(iter(alphas), None) if isinstance(alphas, dict) else 0
    assert names <= {"ridge.alphas", f"ridge.alphas.{inner}"}


def test_shipped_files__all_load():
    studies = sorted(shipped("configs").glob("*.yaml"))
    tables = sorted(shipped("configs/networks").glob("*.yaml"))
    recipes = sorted(shipped("cluster").glob("*.yaml"))
    assert studies
    assert tables
    assert recipes
    for path in tables:
        table = load_table(str(path))
        assert table.name == path.stem
    for path in studies:
        study = load_study(path)
        assert study.name == path.stem
        for network in study.networks:
            table = load_table(network.name)
            assert chosen_layers(table, network)
            assert chosen_weights(table, network)
    for path in recipes:
        assert load_recipe(path)
    evaluations = sorted(shipped("configs/word_errors").glob("*.yaml"))
    assert evaluations
    for path in evaluations:
        assert all(load_table(network.name) for network in load_word_errors(path).networks)


def test_ahmed25__asks_for_what_was_published():
    study = load_study("ahmed25")
    assert study.stimuli == ["timit", "mvocs"]
    assert study.bin_widths == [50.0]
    assert study.lags == LagSettings(tmin=0.0, tmax=0.2, lead_in=0.35)
    np.testing.assert_allclose(study.ridge.penalties, np.logspace(-5, 15, 21), rtol=1e-12, atol=0)
    assert study.ridge.n_folds == 3
    networks = {n.name: chosen_weights(load_table(n.name), n) for n in study.networks}
    assert sum(weights == ("fixed",) for weights in networks.values()) == 6
    assert networks.pop("cochresnet50") == ("trained", "reset", "permuted")
    assert sum(weights == ("trained", "reset") for weights in networks.values()) == 7
    assert len(networks) == 13


def test_locate__takes_an_explicit_path_then_the_working_directory_then_what_ships(folder):
    name = "quickstart.yaml"
    assert locate(name, "configs") == shipped("configs") / name
    (folder / "configs").mkdir()
    (folder / "configs" / name).write_text("a: 1")
    assert locate(name, "configs") == Path("configs") / name
    (folder / name).write_text("a: 1")
    assert locate(name, "configs") == Path(name)


def test_locate__takes_a_word_for_a_name_first(folder):
    """Weights may lie in a file or folder that is called like their network."""
    Path("whisper_tiny").write_bytes(b"\x80weights")
    assert locate("whisper_tiny", "configs/networks") == shipped("configs/networks") / "whisper_tiny.yaml"
    Path("mine").write_text("name: mine")
    assert locate("mine", "configs/networks") == Path("mine")


@pytest.mark.parametrize("place", ["here", "shipped"])
def test_locate__takes_names_with_and_without_ending(folder, place):
    if place == "here":
        (folder / "configs").mkdir()
        (folder / "configs/quickstart.yaml").write_text("a: 1")
    assert locate("quickstart", "configs") == locate("quickstart.yaml", "configs")
    assert locate("quickstart", "configs").is_absolute() == (place == "shipped")


def test_locate__a_folder_of_that_name_is_no_file(folder):
    (folder / "quickstart").mkdir()
    (folder / "quickstart.yaml").mkdir()
    assert locate("quickstart", "configs") == shipped("configs") / "quickstart.yaml"


def test_locate__says_where_it_looked_and_what_exists(folder):
    with pytest.raises(ConfigError) as caught:
        locate("quickstrat", "configs")
    message = str(caught.value)
    assert message.startswith("quickstrat: no such file")
    assert "configs/quickstrat.yaml" in message
    assert str(shipped("configs") / "quickstrat.yaml") in message
    known = sorted(path.stem for path in shipped("configs").glob("*.yaml"))
    known += sorted(f"examples/{path.stem}" for path in shipped("configs/examples").glob("*.yaml"))
    assert {"quickstart", "examples/podcast"} <= set(known)
    assert message.endswith(f" Did you mean quickstart? Shipped in configs/: {', '.join(known)}")


def test_locate__means_only_what_is_near(folder):
    with pytest.raises(ConfigError, match=r"configs/zzz\.yaml, zzz\. Shipped in configs/"):
        locate("zzz", "configs")


def test_listed__are_the_names_here_and_those_that_ship(folder):
    (folder / "configs").mkdir()
    for name in ("mine.yaml", "quickstart.yaml", "notes.txt"):
        (folder / "configs" / name).write_text("")
    names = listed("configs")
    assert names == sorted({"mine", *(path.stem for path in shipped("configs").glob("*.yaml"))})
    assert all(locate(name, "configs").is_file() for name in names)


TABLE = {
    "name": "net",
    "family": "whisper",
    "sfreq": 16000,
    "layers": [{"id": k, "name": f"m{k}", "type": "conv", "width": 4, "rate": 50} for k in (0, 3, 5)],
}


def test_table__layer_ids_must_differ(folder):
    doubled = {**TABLE, "layers": [TABLE["layers"][0]] * 2}
    (folder / "net.yaml").write_text(yaml.safe_dump(doubled))
    with pytest.raises(ConfigError, match=r"net\.yaml: .*layer ids \[0, 0\] must differ"):
        load_table("net.yaml")


def test_table__of_an_unknown_family_is_refused_with_the_known_ones():
    table = NetworkTable.model_validate({**TABLE, "family": "whimsper"})
    with pytest.raises(ConfigError, match=f"family 'whimsper' is unknown; expected one of {', '.join(FAMILIES)}"):
        family(table, "trained")


def test_chosen_layers__come_in_the_order_of_the_table():
    table = NetworkTable.model_validate(TABLE)
    assert [x.id for x in chosen_layers(table, NetworkSettings(name="net"))] == [0, 3, 5]
    assert [x.id for x in chosen_layers(table, NetworkSettings(name="net", layers=[5, 0]))] == [0, 5]
    with pytest.raises(ConfigError, match=r"net has no layer 4; it has \[0, 3, 5\]"):
        chosen_layers(table, NetworkSettings(name="net", layers=[0, 4]))


def test_chosen_weights__default_to_trained_and_for_a_spectrogram_to_fixed():
    network, mel = NetworkTable.model_validate(TABLE), load_table("mel_whisper")
    assert chosen_weights(network, NetworkSettings(name="net")) == ("trained",)
    twice = NetworkSettings(name="net", weights=["reset", "trained", "reset"])
    assert chosen_weights(network, twice) == ("reset", "trained")
    assert chosen_weights(mel, NetworkSettings(name="mel_whisper")) == ("fixed",)
    with pytest.raises(ConfigError, match="net has weights"):
        chosen_weights(network, NetworkSettings(name="net", weights=["fixed"]))
    with pytest.raises(ConfigError, match="mel_whisper is a spectrogram"):
        chosen_weights(mel, NetworkSettings(name="mel_whisper", weights=["trained"]))


def test_load__a_field_that_stands_there_twice_is_named(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: one\nridge: {seed: 1, seed: 2}\n")
    with pytest.raises(
        ConfigError, match=r"study\.yaml: not valid YAML: line 2, .*seed is given twice; the first is on line 2"
    ):
        load_study(path)


def test_seeds__are_zero_unless_a_study_says_otherwise():
    """What was computed before stays what it is only while they are."""
    place = {"network": "mel_whisper", "layer": 0, "weights": "fixed"}
    settings = {
        **MINIMAL,
        "together": [{"network": "mel_whisper"}],
        "bootstraps": [{**place, "training_percent": [10]}],
    }
    study = StudySettings.model_validate(settings)
    assert study.reliability is not None
    seeded = [study.ridge, study.reliability, *study.together, *study.bootstraps]
    assert [settings.seed for settings in seeded] == [0] * 4


@pytest.mark.parametrize(
    ("context", "names"),
    [(2.0, ["net@2.0s"]), (2, ["net@2.0s"]), ([0.5, 2], ["net@0.5s", "net@2.0s"]), (None, ["net"])],
)
def test_contexts__make_plain_networks_of_one_table(folder, context, names):
    path = folder / "study.yaml"
    together = [{"network": name} for name in names]
    path.write_text(yaml.safe_dump(MINIMAL | {"networks": [{"name": "net", "context": context}], "together": together}))
    study = load_study(path)
    assert [network.name for network in study.networks] == names
    assert [network.table for network in study.networks] == ["net"] * len(names)
    assert [network.past for network in study.networks] == [float(n[4:-1]) if "@" in n else None for n in names]
    assert StudySettings.model_validate(study.model_dump(mode="json")) == study  # as records keep it


def test_several_contexts__are_no_single_one():
    with pytest.raises(ConfigError, match=r"net has contexts \[0.5, 2.0\]; take one of `each_context`"):
        _ = NetworkSettings(name="net", context=[0.5, 2.0]).past


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        ({"context": 2000}, "networks.0.context = 2000: expected seconds, 60 at most; 2000 ms is 2"),
        ({"context": "long"}, "networks.0.context = 'long': input should be a valid number"),
        ({"context": []}, r"networks.0.context = \[\]: list should have at least 1 item"),
        ({"context": [2.0, 0]}, "networks.0.context.1 = 0: input should be greater than 0"),
        ({"context": [2.0, 2]}, "networks = .*: net@2.0s: named twice; name each network once"),
        ({"name": "net@2.0s"}, "'net@2.0s' holds @, .*; write the name of its table and, .* `context: 2.0`"),
        ({"name": "net@2.0s", "context": 1.0}, "'net@2.0s' holds @, which stands before a network's context"),
    ],
)
def test_context_that_cannot_be__is_named_with_what_was_expected(problems, network, problem):
    (found,) = problems(networks=[{"name": "net", **network}])
    assert re.search(problem, found)
