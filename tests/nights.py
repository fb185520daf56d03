"""Whether the suite runs as by day, a part of what is costly, or as at night (`HYPOTHESIS_PROFILE=nightly`), all of it."""

from __future__ import annotations

import hypothesis

IS_NIGHT = hypothesis.settings.get_current_profile_name() == "nightly"
