"""Settings of the documentation site; ``scripts/docs`` builds it.

The source is the whole checkout, so that a link between documents is the same on the site and where the code is
browsed.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from docs.figure_gallery import write_gallery  # noqa: E402
from docs.reference_pages import ERRORS, RETURNED, write_reference  # noqa: E402

project = "distributed_trf"
author = "The distributed_trf developers"
release = metadata.version("distributed_trf")
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "notebooks/*",
    "scripts/*.md",
    "cluster/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "MIGRATION.md",
]
exclude_patterns = ["docs/templates/**", "notebooks/*/**", "scripts/gpu_check.md"]
extensions = [
    "docs.equations",
    "docs.type_links",
    "docs.pages_below",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # `scripts/docs --notebooks` executes them
suppress_warnings = ["misc.highlighting_failure"]  # commands of notebooks, such as `!dtrf`
nitpicky = True  # each name in a signature leads somewhere
autodoc_typehints_format = "short"
# A name that only type checkers import, and those that would be written out on several lines.
autodoc_type_aliases = {
    "ArrayLike": "numpy.typing.ArrayLike",
    "Figure": "matplotlib.figure.Figure",
    "Recipe": "distributed_trf.clusters.recipe.Recipe",
    "Watcher": "distributed_trf.pipeline.events.Watcher",
}
nitpick_ignore = [("py:class", name) for name in ("Padding", "Precision", "SolverName")]  # a few words each, in `TRF`
nitpick_ignore_regex = [  # built-in types, and what fields hold for the package alone
    ("py:.*", "python:.*"),
    ("py:class", r"distributed_trf\.pipeline\.(costs\.Operations|execute\.Outcome|forecast\.Rates|items\.Item)"),
    ("py:class", r"distributed_trf\.(pipeline\.study_context\.Context|figures\.inputs\.Inputs)"),
    ("py:class", r"distributed_trf\.store\.(item_locks|receipts|stored_model|study_store)\.\w+"),
    ("py:class", r"distributed_trf\.recordings\.recording_set\.Extent"),
    ("py:class", r"distributed_trf\.trf\.(moments|scaled_gram)\.\w+"),
]
python_maximum_signature_line_length = 88
maximum_signature_line_length = 88
autosummary_generate = True
numpydoc_show_class_members = False  # the templates list them
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    **{name: f"distributed_trf.errors.{name}" for name in ERRORS},
    **{name.rpartition(".")[2]: f"distributed_trf.{name}" for names in RETURNED.values() for name in names},
    **{name: name for name in ("numpy.ndarray", "pandas.DataFrame", "matplotlib.figure.Figure")},
    "xarray.Dataset": "xarray.core.dataset.Dataset",
    "xarray.DataArray": "xarray.core.dataarray.DataArray",
}
numpydoc_xref_ignore = "all"
templates_path = [str(HERE / "templates")]

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "distributed_trf"
html_static_path = ["static"]
html_extra_path = ["front"]  # the way from / to the first page
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the distributed_trf developers, BSD-3-Clause"

write_reference(HERE / "reference")
write_gallery(HERE / "reference")
