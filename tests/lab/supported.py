# SPDX-License-Identifier: GPL-2.0-only
"""The kernels of kernels.toml."""

import tomllib

from cache import REPO

KERNELS = tomllib.loads((REPO / "kernels.toml").read_text(encoding="utf-8"))["kernel"]
NAMES = tuple(KERNELS)
DEFAULT = NAMES[0]
