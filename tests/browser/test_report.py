"""The report in a browser: it loads nothing, fits a phone, prints whole, obeys the keyboard."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from hopscope.model.record import Record
from hopscope.render.html import report
from reportcases import bridge_record, hostile_record, long_record, unanswered_record

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
]
RECORDS: dict[str, Callable[[], Record]] = {
    "bridge": bridge_record,
    "unanswered": unanswered_record,
    "hostile": hostile_record,
    "long": lambda: long_record(100),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield running
        running.close()


class Opened:
    """A report in a page of its own, and everything that the page complained of or asked for."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator["Opener"]:
    """Opens records as pages; closes them all at the end."""
    opener = Opener(browser, tmp_path)
    yield opener
    for context in opener.contexts:
        context.close()


class Opener:
    """Makes a page of a record and opens it."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self.folder = folder
        self.contexts: list[BrowserContext] = []

    def __call__(self, record: Record, *, width: int = 1200, dark: bool = False) -> Opened:
        """The page in a window of that width."""
        path = self.folder / "report.html"
        path.write_text(report(record), encoding="utf-8")
        context = self.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        self.contexts.append(context)
        return Opened(context, path)


@pytest.mark.parametrize("name", RECORDS)
def test_it_loads_nothing_and_complains_of_nothing(opened: Opener, name: str) -> None:
    """The file itself is the only request; no error, no warning, on the console."""
    it = opened(RECORDS[name]())
    it.page.wait_for_load_state("networkidle")
    assert [url for url in it.requests if not url.startswith("data:")] == [it.page.url]
    assert it.complaints == []


def test_a_hostile_record_runs_nothing(opened: Opener) -> None:
    """Its image is not there, its handler neither, and no script but ours."""
    it = opened(hostile_record())
    assert it.page.evaluate("window.broken") is None
    assert it.page.locator("img, [onclick], [onerror]").count() == 0
    assert it.page.locator("script").count() == 1


def test_the_policy_stops_what_escaping_would_miss(opened: Opener) -> None:
    """Script and image that got into the page all the same are refused by its own policy."""
    it = opened(bridge_record())
    with it.page.expect_event("requestfailed") as refused:
        it.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.broken = 1";
              document.body.append(script);
              const image = document.createElement("img");
              image.src = "file:///dev/null";
              document.body.append(image);
            }"""
        )
    assert refused.value.failure == "csp"
    assert it.page.evaluate("window.broken") is None
    assert any("script" in one and "Content Security Policy" in one for one in it.complaints)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("width", [320, 360, 768])
def test_the_page_never_scrolls_sideways(opened: Opener, name: str, width: int) -> None:
    """What is wide scrolls within its own place, with every detail open."""
    it = opened(RECORDS[name](), width=width)
    it.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width


def test_texts_stay_legible_on_a_phone(opened: Opener) -> None:
    """No text is set smaller than 10 CSS pixels; the picture keeps its size and scrolls."""
    it = opened(bridge_record(), width=360)
    smallest = it.page.evaluate(
        """() => Math.min(...[...document.querySelectorAll("main *")]
          .filter(one => [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
          .filter(one => one.getClientRects().length && !one.closest(".sr"))
          .map(one => {
            const svg = one.closest("svg.topology");
            const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
            return parseFloat(getComputedStyle(one).fontSize) * scale;
          }))"""
    )
    assert smallest >= 10


# -- the picture -----------------------------------------------------------------------


def test_the_red_line_joins_ns1_to_ns2(opened: Opener) -> None:
    """As painted: red, solid, from within ns1's box to within ns2's."""
    it = opened(bridge_record())
    ends = it.page.evaluate(
        """() => {
          const svg = document.querySelector("#topology svg");
          const line = svg.querySelector(".way.taken");
          const box = name => [...svg.querySelectorAll(".node-name")]
            .find(text => text.textContent === name).parentElement.querySelector(".node").getBBox();
          const within = (spot, b) => spot.x >= b.x && spot.x <= b.x + b.width &&
                                      spot.y >= b.y && spot.y <= b.y + b.height;
          const style = getComputedStyle(line);
          return {
            first: within(line.getPointAtLength(0), box("ns1")),
            last: within(line.getPointAtLength(line.getTotalLength()), box("ns2")),
            colour: style.stroke, dashes: style.strokeDasharray,
          };
        }"""
    )
    assert ends == {"first": True, "last": True, "colour": "rgb(179, 33, 26)", "dashes": "none"}


def test_the_untaken_way_is_dashed_and_leads_from_br0_to_the_stack(opened: Opener) -> None:
    it = opened(bridge_record())
    line = it.page.evaluate(
        """() => {
          const svg = document.querySelector("#topology svg");
          const line = svg.querySelector(".way.untaken");
          const stack = svg.querySelector(".stack").getBBox();
          const bridge = svg.querySelector("rect.bridge").getBBox();
          const low = line.getPointAtLength(0), high = line.getPointAtLength(line.getTotalLength());
          const style = getComputedStyle(line);
          return {low: low.y === bridge.y, high: high.y === stack.y + stack.height,
                  dashed: style.strokeDasharray !== "none", colour: style.stroke};
        }"""
    )
    assert line["low"]
    assert line["high"]
    assert line["dashed"]
    red, green, blue = (int(part) for part in line["colour"][4:-1].split(","))
    assert red > green > blue + 60  # yellow to amber


def test_texts_of_the_picture_stay_within_their_boxes(opened: Opener) -> None:
    """Widths were estimated without a font; the browser has one."""
    it = opened(bridge_record())
    spilt = it.page.evaluate(
        """() => [...document.querySelectorAll("#topology svg g")]
          .filter(g => g.querySelector(":scope > rect.device, :scope > rect.bridge"))
          .flatMap(g => {
            const box = g.querySelector(":scope > rect").getBBox();
            return [...g.querySelectorAll(":scope > text")].filter(text => {
              const t = text.getBBox();
              return t.x < box.x || t.x + t.width > box.x + box.width
                  || t.y < box.y || t.y + t.height > box.y + box.height;
            }).map(text => text.textContent);
          })"""
    )
    assert spilt == []


def test_dots_of_the_time_axis_stand_where_their_times_are(opened: Opener) -> None:
    """The painted distances are in proportion to the times: 0.6 of 35.4 µs, and so on."""
    it = opened(bridge_record())
    shares = it.page.evaluate(
        """() => {
          const table = document.querySelector("#step-2-packet-2").parentElement
            .querySelector("table.axis");
          const xs = [...table.querySelectorAll(".dot")].map(dot => {
            const box = dot.getBoundingClientRect(); return box.x + box.width / 2; });
          return xs.map(x => (x - xs[0]) / (xs[xs.length - 1] - xs[0]));
        }"""
    )
    wanted = [0, 0.6 / 35.4, 0.6 / 35.4, 35.0 / 35.4, 1]
    assert shares == pytest.approx(wanted, abs=0.003)


# -- colours -----------------------------------------------------------------------------

CONTRAST = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const light = ([r, g, b]) => {
    const part = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05);
  };
  const found = {};
  for (const one of document.querySelectorAll("body *")) {
    if (!one.getClientRects().length || one.closest("script, style, .sr")) continue;
    if (![...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const inPicture = one.closest("svg.topology") !== null;
    const style = getComputedStyle(one);
    const ground = inPicture ? behind(one.closest("figure, .picture")) : behind(one);
    const value = ratio(numbers(inPicture ? style.fill : style.color).slice(0, 3), ground);
    const name = one.tagName + "." + (one.getAttribute("class") || "");
    found[name] = Math.min(found[name] ?? 99, value);
  }
  return found;
}"""


@pytest.mark.parametrize("name", ["bridge", "unanswered"])
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(opened: Opener, name: str, *, dark: bool) -> None:
    """WCAG AA, 4.5 to 1, for every text on the page, in both schemes."""
    it = opened(RECORDS[name](), dark=dark)
    it.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = it.page.evaluate(CONTRAST)
    assert len(found) > 20
    assert {name: round(value, 2) for name, value in found.items() if value < 4.5} == {}


def ground(it: Opened) -> str:
    """The page's background."""
    colour: str = it.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def test_it_follows_the_system_and_the_reader_overrules_it(opened: Opener) -> None:
    """Dark when the system is; the button goes light, dark, and back to the system's."""
    it = opened(bridge_record(), dark=True)
    dark = ground(it)
    it.page.emulate_media(color_scheme="light")
    light = ground(it)
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    it.page.emulate_media(color_scheme="dark")
    button = it.page.get_by_role("button", name="Colours")
    button.click()
    assert "light" in button.inner_text()
    assert ground(it) == light
    button.click()
    it.page.emulate_media(color_scheme="light")
    assert ground(it) == dark
    button.click()
    assert ground(it) == light


# -- keyboard --------------------------------------------------------------------------


def focused(it: Opened) -> str:
    """What has the focus: tag, id and class."""
    told: str = it.page.evaluate(
        "(one => `${one.tagName}#${one.id}.${one.className}`)(document.activeElement)"
    )
    return told


def test_the_keyboard_reaches_everything_and_shows_where_it_is(opened: Opener) -> None:
    """The skip link first, then the buttons, links, scrolled places and details; all outlined."""
    it = opened(bridge_record())
    wanted: int = it.page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, summary, [tabindex='0']")]
          .filter(one => one.checkVisibility()).length"""
    )
    seen: list[str] = []
    for _ in range(wanted):
        it.page.keyboard.press("Tab")
        seen.append(focused(it))
        style = it.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", seen[-1]
    assert seen[0] == "A#.skip"
    assert "BUTTON#theme." in seen
    assert "BUTTON#unfold." in seen
    assert any(one.startswith("SUMMARY") for one in seen)
    assert "DIV#.scroll" in seen
    assert "BODY#." not in seen


def test_the_skip_link_leads_to_the_report(opened: Opener) -> None:
    it = opened(bridge_record())
    it.page.keyboard.press("Tab")
    it.page.keyboard.press("Enter")
    assert focused(it).startswith("MAIN#main")


def test_details_open_by_keyboard_and_all_at_once(opened: Opener) -> None:
    it = opened(bridge_record())
    closed = it.page.locator("details:not([open]) > summary").first
    closed.focus()
    it.page.keyboard.press("Enter")
    assert it.page.evaluate("document.activeElement.parentElement.open")
    before = it.page.locator("details[open]").count()
    button = it.page.get_by_role("button", name="Open all details")
    button.focus()
    it.page.keyboard.press("Enter")
    assert it.page.locator("details:not([open])").count() == 0
    it.page.keyboard.press("Enter")
    assert it.page.locator("details[open]").count() == before


def test_code_is_copied_whole(opened: Opener) -> None:
    """The button gives the log lines, all and nothing else."""
    it = opened(bridge_record())
    it.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = it.page.locator("#step-4 .code-block")
    block.get_by_role("button", name="Copy").click()
    block.get_by_role("button", name="Copied").wait_for()
    copied = it.page.evaluate("navigator.clipboard.readText()")
    assert [line.rstrip() for line in copied.splitlines()] == [
        f"{prefix}IN=br0 OUT=br0"
        for prefix in ("Nat-PREROUTING-1-", "Filter-FORWARD-1-", "Nat-POSTROUTING-1-")
    ]


# -- paper -----------------------------------------------------------------------------


def test_on_paper_details_are_open_and_the_ground_is_white(opened: Opener) -> None:
    """Even for a reader with a dark screen and everything folded."""
    it = opened(bridge_record(), dark=True)
    it.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    it.page.emulate_media(media="print", color_scheme="dark")
    assert ground(it) == "rgb(255, 255, 255)"
    hidden = it.page.evaluate(
        """() => [...document.querySelectorAll("details > :not(summary)")]
          .filter(one => one.getBoundingClientRect().height === 0 || !one.checkVisibility())
          .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert hidden == []
    assert not it.page.locator("#theme").is_visible()


def test_printing_opens_details_and_puts_them_back(opened: Opener) -> None:
    """For browsers that cannot style a closed detail: the script opens them meanwhile."""
    it = opened(bridge_record())
    before = it.page.locator("details[open]").count()
    it.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert it.page.locator("details:not([open])").count() == 0
    it.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert it.page.locator("details[open]").count() == before


def test_a_table_printed_keeps_within_the_sheet(opened: Opener) -> None:
    """A4 less its margins is 182 mm, 688 CSS pixels."""
    it = opened(bridge_record(), width=688)
    it.page.emulate_media(media="print")
    assert it.page.evaluate("document.documentElement.scrollWidth") <= 688
    assert it.page.pdf(format="A4").startswith(b"%PDF")


def test_without_script_the_page_says_the_same(browser: Browser, tmp_path: Path) -> None:
    """Buttons that could do nothing are not there; all text is."""
    path = tmp_path / "report.html"
    path.write_text(report(bridge_record()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("button:visible").count() == 0
    assert "Conclusion" in page.inner_text("main")
    context.close()
