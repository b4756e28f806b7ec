"""Laying out what a module gives as frames, against loops over every number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import FeatureError
from distributed_trf.features.frames import as_frames
from distributed_trf.features.table import Grid, Layer

SIZES = st.integers(1, 4)


def layer(width, **options):
    return Layer(id=3, name="blocks.0", type="transformer", width=width, rate=50, **options)


def numbered(*shape):
    return torch.arange(float(np.prod(shape))).reshape(shape)


@given(n=SIZES, t=SIZES, a=SIZES, b=SIZES)
@settings(deadline=None)
def test_axes__in_any_order_give_every_number_its_place(n, t, a, b):
    values = numbered(n, t, a, b)
    expected = np.array([[[float(values[k, i, p, q]) for p in range(a) for q in range(b)] for i in range(t)]
                         for k in range(n)])  # fmt: skip
    orders = {
        "time_last": (values.permute(0, 2, 3, 1), {"time_last": True}),
        "time second": (values, {"time_axis": 1}),
        "time third": (values.permute(0, 2, 1, 3), {"time_axis": 2}),
        "time first": (values.permute(1, 0, 2, 3), {"time_axis": 0}),
        "plain": (values.flatten(2), {}),
        "packed": (values.flatten(2).flatten(0, 1), {"packed": True}),
    }
    for name, (output, options) in orders.items():
        found = as_frames(layer(a * b, **options), output, n, "net")
        np.testing.assert_array_equal(found.numpy(), expected, err_msg=name)


@given(n=SIZES, columns=SIZES, bands=SIZES, folds=SIZES, special=st.integers(0, 2), first=st.booleans())
@settings(deadline=None)
def test_grid__puts_each_patch_at_its_time(n, columns, bands, folds, special, first):
    width, n_tokens = 3, special + bands * folds * columns
    tokens = numbered(n, n_tokens, width)
    rows = folds * bands
    expected = np.empty((n, folds * columns, bands, width))
    for k in range(n):
        for fold in range(folds):
            for band in range(bands):
                for column in range(columns):
                    row = fold * bands + band  # pieces of time are stacked along frequency
                    token = row * columns + column if first else column * rows + row
                    expected[k, fold * columns + column, band] = tokens[k, special + token]
    grid = {"bands": bands, "folds": folds, "special": special, "bands_first": first}
    flat = as_frames(layer(bands * width, grid=Grid(**grid)), tokens, n, "net")
    np.testing.assert_array_equal(flat.numpy(), expected.reshape(n, folds * columns, -1))
    mean = as_frames(layer(width, grid=Grid(**grid, keep="mean")), tokens, n, "net")
    np.testing.assert_allclose(mean.numpy(), expected.mean(2), rtol=1e-6)


def test_grid__of_a_convolution_is_that_of_its_patches():
    patches = numbered(2, 5, 3, 4)  # sound, feature, band, time
    found = as_frames(layer(15, grid=Grid(bands=3), time_last=True), patches, 2, "net")
    np.testing.assert_array_equal(found.numpy(), patches.permute(0, 3, 2, 1).flatten(2).numpy())


def test_columns__are_a_part_of_the_features():
    values = numbered(2, 3, 8)
    found = as_frames(layer(4, columns=(4, 8)), values, 2, "net")
    np.testing.assert_array_equal(found.numpy(), values[..., 4:].numpy())


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (2, 7, 5), r"net layer 3 \(blocks\.0\) gives shape \(2, 7, 5\) for 2 sounds; expected \(2, frames, 4\)"),
        ({}, (14, 4), r"gives shape \(14, 4\)"),
        ({"time_last": True}, (2, 5, 7), r"expected \(2, 4 in all, frames\)"),
        ({"time_axis": 2}, (2, 3, 7), r"expected time on axis 2 and 4 features"),
        ({"time_axis": 0}, (7, 3, 4), r"expected time on axis 0"),
        ({"packed": True}, (7, 4), r"expected \(frames of all, 4\)"),
        ({"grid": Grid(bands=3, special=1)}, (2, 9, 4), r"expected \(2, 1 \+ 3 times the frames"),
        ({"columns": (4, 8)}, (2, 7, 6), r"expected \(2, frames, 8 or more\)"),
    ],
)
def test_shape_that_is_not_as_the_table_says__is_named(options, shape, message):
    with pytest.raises(FeatureError, match=message):
        as_frames(layer(4, **options), torch.zeros(shape), 2, "net")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_last": True, "packed": True}, "time_last, time_axis and packed exclude each other"),
        ({"columns": (3, 3)}, r"columns \[3, 3\] are no range"),
    ],
)
def test_fields_that_contradict_each_other__are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layer(4, **options)


def test_identity__holds_later_fields_only_where_they_are_given():
    plain = layer(4)
    assert plain.identity() == {"id": 3, "name": "blocks.0", "type": "transformer", "width": 4, "rate": 50.0,
                                "receptive_field": None, "time_last": False}  # fmt: skip
    assert layer(4, grid=Grid(bands=2), hop=320).identity() == plain.identity() | {"grid": {"bands": 2}, "hop": 320}
