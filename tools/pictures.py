"""Make the pictures of the documentation from a run of the reference lab, just made.

The topology is drawn by hopscope itself; of the report a browser takes a photograph.
Needs Chromium, and what `make test` installs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from hopscope.model import codec
from hopscope.model.record import Record
from hopscope.render.topology import picture

IMAGES = Path(__file__).parents[1] / "docs" / "images"
HOPSCOPE = Path(sys.executable).parent / "hopscope"


def main() -> None:
    """Run the lab in a folder of its own, and draw."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no chromium; install the package chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = {**os.environ, "HOPSCOPE_STATE": str(folder / "state")}  # beside labs that stand
        command = [str(HOPSCOPE), "run", "bridge", "--out", name, "--quiet"]
        subprocess.run(command, check=True, env=own)
        topology(codec.load((folder / "journeys.json").read_bytes()), IMAGES / "topology.svg")
        comparison(chromium, folder / "report.html", IMAGES / "comparison.png")


def topology(record: Record, to: Path) -> None:
    """The way of the first echo request."""
    ping = record.pings[0]
    echo = next(journey for journey in ping.journeys if journey.title == "echo request")
    to.write_text(picture(ping.before, echo) + "\n", encoding="utf-8")


def comparison(chromium: str, page: Path, to: Path) -> None:
    """The echo request with the switch at 0 and at 1, side by side."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1000, "height": 1000}, color_scheme="light")
        shown.goto(page.as_uri())
        shown.locator("#comparison table").first.screenshot(path=to)
        browser.close()


if __name__ == "__main__":
    main()
