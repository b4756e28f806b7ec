"""Every saved model of a study, opened by what it is."""

from __future__ import annotations

from pathlib import Path

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.items import Fit
from distributed_trf.results.responses.model import Model
from distributed_trf.store.models import open_model
from distributed_trf.store.receipts import Receipt, receipts
from distributed_trf.store.result_grid import Place
from distributed_trf.store.results import has_results, shown_fits
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.vouched import check_files


class Models:
    """Saved models in a study's folder: ``models[stimuli, network, weights, layer, bin_width]``.

    As a result does, a model counts once the receipt of its fit is there, and while the study asks for it.
    """

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._fits: dict[str, tuple[Place, Receipt]] = {}
        shown = shown_fits(store.results) if has_results(store) else lambda _: True
        found = dict(receipts(store, Fit.stage))
        for place in filter(shown, store.places({group for receipt in found.values() for group in receipt.files})):
            self._fits[_key(place)] = place, found[_key(place)]

    def keys(self) -> list[Place]:
        """List (stimuli, network, weights, layer, bin width in ms) of all that can be opened."""
        return [place for place, _ in self._fits.values()]

    def __getitem__(self, place: Place) -> Model:
        if _key(place) not in self._fits:
            raise StoreError(f"{self._store.root}: no model of {_words(place)}; in store: {self._nearest(place)}")
        (_, receipt), path = self._fits[_key(place)], self._store.model(*place)
        files = receipt.files[self._store.name(path)]
        check_files(path, {key: digest for key, digest in files.items() if not key.startswith("coef/c/")})
        return Model(self._store, open_model(path, files), receipt)

    def sel(
        self, *, network: str, layer: int, weights: str = "fixed", stimuli: str = "timit", bin_width: float = 50.0
    ) -> Model:
        """Open the model of one layer; ``bin_width`` is in milliseconds."""
        return self[stimuli, network, weights, layer, bin_width]

    def __repr__(self) -> str:
        lines = [f"  {_words(place)}" for place in self.keys()]
        return "\n".join(["Models (stimuli, network, weights, layer, bin width)", *lines])

    def _nearest(self, place: Place) -> str:
        """List the layers of the network that was asked for, or else the networks."""
        layers = [_words(found) for found in self.keys() if found[:3] == place[:3]]
        networks = dict.fromkeys(", ".join(found[:3]) for found in self.keys())
        return "; ".join(layers or networks) or "nothing yet; set save_models: true in the study and run it"


def open_models(path: str | Path) -> Models:
    """Open the models in a study's output folder; a study with ``save_models: true`` leaves them there.

    Raises
    ------
    StoreError
        If there is no study there.

    Examples
    --------
    >>> model = open_models("quickstart/study").sel(network="whisper_tiny", weights="reset", layer=2)  # doctest: +SKIP
    >>> model.predict(stimuli=["12"]).groupby("session").mean().sel(session="180413")  # doctest: +SKIP
    """
    return Models(StudyStore.open(Path(path)))


def _key(place: Place) -> str:
    stimuli, network, weights, layer, bin_width = place
    return Fit(stimuli, network, weights, layer, bin_width).key


def _words(place: Place) -> str:
    stimuli, network, weights, layer, bin_width = place
    return f"{stimuli}, {network}, {weights}, layer {layer}, {bin_width:g} ms"
