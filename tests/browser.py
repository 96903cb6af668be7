"""A headless Chromium that looks at a page on disk, and tells of all that it should not do."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")


def require_chromium() -> None:
    """Skip a test where there is no Chromium; in CI that is an error."""
    if CHROMIUM and DRIVER:
        return
    message = "There is no chromium and chromedriver: run .ci/packages"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Browser:
    """A window on one page after the other.

    Attributes:
        driver: Selenium's.
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def window(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Make the window as wide as a desk's or a phone's, and light or dark."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, page: Path, state: str = "") -> None:
        """Open a page anew, and wait until its scripts say that it is ready."""
        self.forget()
        self.driver.get("about:blank")
        self.driver.get(f"{page.resolve().as_uri()}{state}")
        try:
            self.settle()
        except TimeoutException:
            pytest.fail("\n".join(["The page does not get ready.", *self.complaints()]))

    def go(self, state: str) -> None:
        """Go to another state of the page."""
        # The page hears of it later; until then it must not count as ready.
        self.run(
            "document.documentElement.dataset.state = 'asked'; location.hash = arguments[0]", state
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the page says that all its charts are drawn."""
        self.until("return document.documentElement.dataset.state === 'ready'")

    def until(self, script: str, seconds: float = 20) -> Any:
        """Wait for a script to give something that is true."""
        return WebDriverWait(self.driver, seconds, 0.05).until(
            lambda driver: driver.execute_script(script)
        )

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        """Click on something, wherever it is."""
        self.run("arguments[0].click()", self.find(selector))

    def texts(self, selector: str) -> list[str]:
        """The text of all elements that a selector finds, hidden ones included."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())",
            selector,
        )

    def screenshot(self, file: Path) -> Path:
        """The whole page as a picture."""
        size = self._devtools("Page.getLayoutMetrics", {})["cssContentSize"]
        picture = self._devtools(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}},
        )
        file.write_bytes(base64.b64decode(picture["data"]))
        return file

    def forget(self) -> None:
        """Forget what the page has done so far."""
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def complaints(self) -> list[str]:
        """What the console told since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        entries = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        urls = [
            entry["params"]["request"]["url"]
            for entry in entries
            if entry["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("about:", "data:"))]

    def _devtools(self, command: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return self.driver.execute_cdp_cmd(command, parameters)


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser for as long as the block lasts; its profile is in a folder of its own."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # CI runs as root.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=str(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
