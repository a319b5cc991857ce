# SPDX-License-Identifier: GPL-2.0-only
"""TAP is printed and read here as it is on the lab host: by labhost.tap."""

import sys

from cache import LAB

sys.path.insert(0, str(LAB / "host"))

# pylint: disable=wrong-import-position,unused-import
from labhost.tap import PLAN, RESULT, Tap      # noqa: E402,F401
