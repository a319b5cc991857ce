# SPDX-License-Identifier: GPL-2.0-only
# sphinx-build -W Documentation build/doc

project = "vfio-mediate"
highlight_language = "none"
html_theme = "alabaster"
