"""Links from names in signatures to what other projects, and pages of ours, say of them.

Inventories of other projects would have to be downloaded at each build, and the site is built without internet too. So
each name that a signature has is listed with its page, and a name that is not ends the build; ``scripts/docs --links``
opens them.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

from docs.reference_pages import RETURNED

PYTHON = "https://docs.python.org/3/library/"
PAGES = {
    **{
        f"collections.abc.{name}": f"{PYTHON}collections.abc.html#collections.abc.{name}"
        for name in ("Callable", "Hashable", "Iterable", "Iterator", "Mapping", "Sequence")
    },
    "pathlib.Path": f"{PYTHON}pathlib.html#pathlib.Path",
    "numpy.ndarray": "https://numpy.org/doc/stable/reference/generated/numpy.ndarray.html",
    "numpy.typing.ArrayLike": "https://numpy.org/doc/stable/reference/typing.html#numpy.typing.ArrayLike",
    "pandas.DataFrame": "https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.html",
    "xarray.core.dataset.Dataset": "https://docs.xarray.dev/en/stable/generated/xarray.Dataset.html",
    "xarray.core.dataarray.DataArray": "https://docs.xarray.dev/en/stable/generated/xarray.DataArray.html",
    "xarray.core.datatree.DataTree": "https://docs.xarray.dev/en/stable/generated/xarray.DataTree.html",
    "matplotlib.figure.Figure": "https://matplotlib.org/stable/api/figure_api.html#matplotlib.figure.Figure",
}
"""Page of each class, by its name in a signature."""
SHORT = {
    "np.ndarray": "numpy.ndarray",
    "pd.DataFrame": "pandas.DataFrame",
    "xr.Dataset": "xarray.core.dataset.Dataset",
    "xr.DataArray": "xarray.core.dataarray.DataArray",
    "Figure": "matplotlib.figure.Figure",
}
"""Names as they are in signatures that Sphinx can't evaluate, since type checkers alone import some of them."""
OURS = {
    "distributed_trf.clusters.recipe.Recipe": ("docs/reference/recipe_file", ""),
    "distributed_trf.config.study.StudySettings": ("docs/reference/study_file", ""),
    "distributed_trf.features.table.NetworkTable": ("docs/reference/network_file", ""),
    "distributed_trf.pipeline.events.Watcher": ("docs/reference/python", "events-of-a-run"),
}
"""Page and heading of what is no class with a page of its own."""
ALIAS = re.compile(r"TypeAliasForwardRef\('(.+?)'\)")
"""What Sphinx writes of a name of ``autodoc_type_aliases`` within a longer type."""


def link(app: Any, _: Any, node: Any, words: Any) -> nodes.Node | None:
    """Link a name that has no page by itself, or leave it to Sphinx, which then warns."""
    name = node.get("reftarget")
    if name in OURS:
        page, heading = OURS[name]
        found: nodes.Node = make_refnode(app.builder, node["refdoc"], page, heading, words)
        return found
    page_elsewhere = PAGES.get(SHORT.get(name, name))
    return page_elsewhere and nodes.reference("", "", words, internal=False, refuri=page_elsewhere)


def shorten(_: Any, __: str, name: str, *others: Any) -> tuple[str | None, str | None]:
    """Write aliases in a signature by their names, and none of a class that is returned only."""
    signature, returned = others[-2:]
    if name.removeprefix("distributed_trf.") in [found for group in RETURNED.values() for found in group]:
        return "", None
    signature, returned = (None if text is None else ALIAS.sub(r"~\1", text) for text in (signature, returned))
    return signature, returned


def setup(app: Any) -> dict[str, bool]:
    """Connect both to Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("missing-reference", link)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
