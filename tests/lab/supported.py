# SPDX-License-Identifier: GPL-2.0-only
"""The kernels of kernels.toml."""

import tomllib

from cache import REPO

KERNELS = tomllib.loads((REPO / "kernels.toml").read_text(encoding="utf-8"))["kernel"]
NAMES = tuple(KERNELS)
DEFAULT = NAMES[0]
# Those that are used without being named
UNASKED = tuple(name for name, about in KERNELS.items() if not about.get("named"))
