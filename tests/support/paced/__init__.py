"""A strategy that tests pace: each attempt does what its file says, line by line, while the test writes the lines.

It touches no table. Runs find it as a plugin: `installed` makes a folder for PYTHONPATH.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

VARIABLE = "PACED_FOLDER"
"""Environment variable: the folder of the files, one per attempt."""


def installed(folder: Path) -> Path:
    """The plugin as pip would leave it in a folder of its own."""
    site = folder / "paced-site"
    info = site / "alterd_paced-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: alterd-paced\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alterd.plugins]\npaced = alterd_paced\n")
    shutil.copy(Path(__file__).parent / "alterd_paced.py", site)
    return site


class Script:
    """The test's end of the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def tell(self, attempt: int, step: str, **fields: Any) -> None:
        """The next thing for this attempt to do."""
        with (self.folder / str(attempt)).open("a") as file:
            file.write(json.dumps({"step": step, **fields}) + "\n")
