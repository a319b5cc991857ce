# SPDX-License-Identifier: GPL-2.0-only
# sphinx-build -W Documentation build/doc

import pathlib
import tomllib

project = "vfio-mediate"
highlight_language = "none"
html_theme = "alabaster"

# |oldest| and |kernels| come from the list of supported kernels.
with open(pathlib.Path(__file__).parents[1] / "kernels.toml", "rb") as file:
    table = tomllib.load(file)
kernels = [name if name == about["debian"] else f"{about['debian']} ({name})"
           for name, about in table["kernel"].items() if "debian" in about]
rst_prolog = f"""
.. |oldest| replace:: {table["oldest"]}
.. |kernels| replace:: {", ".join(kernels[:-1])} and {kernels[-1]}
"""
