"""The report of an execution in Chromium: what is drawn, what it answers to, and that it asks for nothing."""

from __future__ import annotations

import json
import random

import pytest

from powertools_durable import Completion, Retry, durable
from powertools_durable._report import render_report
from powertools_durable._timeline import read_execution
from powertools_durable.testing import Simulator, explore
from tests.histories import programs as written
from tests.histories.programs import PROGRAMS
from tests.report.pages import GOLDEN, HOSTILE, data_of, hostile_page, timeline_of
from tests.site.chromium import BROWSER, FLAGS
from tests.twins import twin_module

pytestmark = pytest.mark.site

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: `make docs-check`")
if BROWSER is None:
    pytest.skip("there is no Chromium: apt-get install chromium", allow_module_level=True)

SCHEMES = ("light", "dark")
# Each report is looked at twice: wide and narrow, light and dark.
LOOKS = [
    (name, width, scheme)
    for number, name in enumerate(GOLDEN)
    for width, scheme in zip((1280, 390), SCHEMES if number % 2 else SCHEMES[::-1], strict=True)
]

# Every text must be readable: the contrast of its colour with what is below it, as WCAG 2 computes it.
FAINT = """() => {
    const parse = colour => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const below = it => {
        for (; it; it = it.parentElement) {
            const colour = parse(getComputedStyle(it).backgroundColor);
            if (colour[3] > 250) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const it of document.querySelectorAll("body *")) {
        const own = [...it.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || ["SCRIPT", "NOSCRIPT", "STYLE"].includes(it.tagName) || it.closest(".later, noscript")) continue;
        const [a, b] = [light(parse(getComputedStyle(it).color)), light(below(it))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) faint.push(`${it.className}: ${it.textContent}: ${contrast}`);
    }
    return faint;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, select, [role=row][tabindex]")]
    .filter(it => !it.closest("[hidden]") && it.getAttribute("aria-hidden") !== "true")
    .filter(it => !(it.getAttribute("aria-label") || it.textContent).trim()).map(it => it.outerHTML)"""
ROWS = """() => [...document.querySelectorAll("[data-op]")].map(row => ({
    op: Number(row.dataset.op),
    level: Number(row.getAttribute("aria-level")),
    name: row.querySelector(".name").textContent,
    bars: [...row.querySelectorAll(".b")].map(it => it.getBoundingClientRect()).map(box => [box.left, box.right]),
    view: [row.querySelector(".view").getBoundingClientRect()].map(box => [box.left, box.right])[0],
}))"""


class Window:
    """A browser's window, and what went wrong in it."""

    def __init__(self, browser, folder):
        self.browser, self.folder, self.problems = browser, folder, []
        self.context = self.page = None

    def open(self, text, *, width=1280, scheme="light"):
        if self.context is not None:
            self.context.close()
        self.problems.clear()
        file = self.folder / "report.html"
        file.write_text(text, encoding="utf-8")
        self.context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = page = self.context.new_page()
        page.set_default_timeout(120_000)  # a busy machine is not a fault of the page
        page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.note_request(request.url, file))
        page.goto(file.as_uri())
        return page

    def note_request(self, url, file):
        if url != file.as_uri():
            self.problems.append(f"asks for {url}")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(browser, tmp_path):
    window = Window(browser, tmp_path)
    yield window
    window.context.close()


def report_of(name, **options):
    return render_report(timeline_of(name, **options), **options)


def rows_of(page):
    return page.evaluate(ROWS)


# -- what is drawn ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
def test_every_operation_is_drawn_where_it_belongs(window, name, width, scheme):
    text = report_of(name)
    page = window.open(text, width=width, scheme=scheme)
    (run,) = data_of(text)["runs"]
    rows = rows_of(page)
    assert [(row["op"], row["name"]) for row in rows] == [(i, op["label"]) for i, op in enumerate(run["operations"])]
    for row in rows:
        operation = run["operations"][row["op"]]
        above = operation["up"]
        assert row["level"] == (rows[above]["level"] + 1 if above >= 0 else 1)
        assert row["bars"]
        left, right = row["view"]
        for begins, ends in row["bars"]:
            assert left - 1 <= begins < ends <= right + 1
        if above >= 0:
            assert rows[above]["bars"][0][0] <= row["bars"][0][0] + 1
    assert page.locator(".inv").count() == len(run["invocations"])
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(FAINT) == []
    assert page.evaluate(NAMELESS) == []
    assert window.problems == []


@pytest.mark.parametrize("programs", [PROGRAMS, twin_module(written).PROGRAMS], ids=["def", "async def"])
@pytest.mark.parametrize("name", ["order_flow", "map_with_failures", "saga"])
def test_the_report_of_a_simulated_run(window, tmp_path, name, programs):
    file = programs[name].run().report(tmp_path / "run.html")
    page = window.open(file.read_text(encoding="utf-8"))
    assert page.locator("h1").inner_text() == name
    assert page.locator("[data-op]").count() == len(data_of(file.read_text(encoding="utf-8"))["runs"][0]["operations"])
    assert window.problems == []


def test_the_summary_has_the_price_with_date_and_source(window):
    page = window.open(report_of("ours/order_flow"))
    assert "$0.0000888" in page.locator(".cards").inner_text()
    page.locator(".bill summary").click()
    bill = page.locator(".bill").inner_text()
    assert "Durable operations\t11\t$8.00 per million\t0.00008800" in bill
    assert "November 29, 2026" in bill
    assert "https://aws.amazon.com/lambda/pricing/" in bill


@pytest.mark.parametrize("scheme", SCHEMES)
def test_light_and_dark_follow_the_system_and_the_button(window, scheme):
    page = window.open(report_of("ours/steps"), scheme=scheme)
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(15, 18, 22)'"
    assert page.evaluate(dark) is (scheme == "dark")
    page.get_by_label("Light or dark").click()
    assert page.evaluate(dark) is (scheme == "light")


def test_it_prints_in_light_colours_without_its_controls(window):
    page = window.open(report_of("ours/order_flow"), scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".tools").is_visible()
    assert not page.locator(".bar").is_visible()
    assert page.locator("[data-op] .name").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


# -- what it answers to ----------------------------------------------------------------------------------------


def test_a_click_shows_the_details_and_no_payload(window):
    page = window.open(report_of("ours/retried_step"))
    page.locator("[data-op]").first.click()
    details = page.locator("#details").inner_text()
    assert "fail_at_first" in details
    assert details.count("OSError: not yet") == 2
    assert "Payloads are left out of this report" in details


def test_with_values_the_details_show_the_result(window):
    page = window.open(report_of("ours/steps", values=True))
    page.locator("[data-op]").nth(1).click()
    assert '"parcel-7"' in page.locator("#details pre").inner_text()


def test_an_invocation_has_details_too(window):
    page = window.open(report_of("ours/order_flow"))
    page.get_by_role("button", name="Invocation 2").click()
    assert "3 operations" in page.locator("#details").inner_text()


def test_everything_can_be_done_with_the_keyboard(window):
    page = window.open(report_of("ours/order_flow"))
    focused = "document.activeElement.querySelector('.name')?.textContent"
    page.locator("[data-op][tabindex='0']").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "parcels"
    page.keyboard.press("ArrowLeft")
    assert page.locator("[data-op]").count() == 4
    assert page.locator("[data-op]").last.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "map-item-0"
    page.keyboard.press("Enter")
    assert page.locator("#details h2").inner_text() == "map-item-0"
    assert page.evaluate("document.activeElement.closest('#details') !== null")
    page.keyboard.press("Escape")
    assert page.locator("#details").is_hidden()
    assert page.evaluate(focused) == "map-item-0"
    page.keyboard.press("/")
    page.keyboard.type("send")
    assert page.locator("[data-op]").count() == 5  # two, with the three around them
    page.keyboard.press("Escape")
    assert page.locator("[data-op]").count() == 8
    page.keyboard.press("?")
    assert page.locator("#details h2").inner_text() == "Keys"
    assert window.problems == []


def test_the_scrubber_shows_what_was_recorded_at_a_moment(window):
    page = window.open(report_of("ours/order_flow"))
    slider = page.get_by_label("Moment")
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator(".row.later").count() == 8
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert "charge succeeded" in page.locator(".now").inner_text()
    assert "1 of 8 operations recorded, 1 ended" in page.locator(".now").inner_text()
    assert "charge succeeded" in slider.get_attribute("aria-valuetext")
    assert page.locator(".row.later").count() == 7
    page.keyboard.press("End")
    assert page.locator(".row.later").count() == 0
    box = page.locator(".scale .view").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    assert 0 < page.locator(".row.later").count() < 8


def test_zooming_widens_the_time_and_keeps_the_page(window):
    page = window.open(report_of("ours/order_flow"))
    bar = page.locator("[data-op] .b").first
    before = bar.bounding_box()["width"]
    page.get_by_label("Zoom in").click()
    assert bar.bounding_box()["width"] > before * 1.5
    page.keyboard.press("0")
    assert bar.bounding_box()["width"] == pytest.approx(before)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(("only", "names"), [("Failed", ["all", "map-item-0", "divide"]), ("Open", [])])
def test_operations_are_filtered_by_how_they_ended(window, only, names):
    page = window.open(report_of("ours/map_with_failures"))
    page.get_by_role("button", name=only, exact=True).click()
    assert [row["name"] for row in rows_of(page)] == names


def test_a_fan_out_that_ended_early_has_no_total(window):
    """Failed: 1/2, although nobody knows how many branches had not started."""
    page = window.open(report_of("ours/parallel_flat_early"))
    assert page.locator("[data-op] .info").first.inner_text().strip() == "parallel 1 succeeded, 1 abandoned"


# -- what it does not do ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_and_do_nothing(window, text):
    page = window.open(hostile_page(text))
    page.locator("[data-op]").first.click()
    page.locator(".inv").first.click()
    assert page.title() != "taken"
    assert page.locator("img, iframe, object, embed, link, a, form").count() == 0
    assert page.locator("script").count() == 2
    assert window.problems == []


def test_the_policy_stops_any_other_script_style_and_request(window):
    page = window.open(report_of("ours/steps"))
    page.evaluate("""() => {
        window.refused = [];
        document.addEventListener("securitypolicyviolation", event => refused.push(event.effectiveDirective));
        for (const [tag, text] of [["script", "document.title = 'taken'"], ["style", "body { display: none }"]]) {
            const element = document.createElement(tag);
            element.textContent = text;
            document.head.append(element);
        }
        document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='1'>x</p><img src='https://a.test/x'>");
    }""")
    assert page.evaluate("fetch('https://a.test/').then(() => 'sent', () => 'refused')") == "refused"
    assert page.title() != "taken"
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    page.wait_for_function("refused.length >= 6")
    assert set(page.evaluate("refused")) == {
        *("script-src-elem", "script-src-attr", "style-src-elem", "style-src-attr", "img-src", "connect-src"),
    }


# -- a crash ---------------------------------------------------------------------------------------------------


def by_chance(order, ctx):
    ctx.step(str, order, name="charge")
    ctx.wait(3600, name="cool")
    return ctx.step(str, order, name="ship" if random.random() < 0.5 else "ship-express")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_crashed_run_is_beside_the_clean_one(window, tmp_path, width, scheme):
    exploration = explore(durable(by_chance), 7)
    text = exploration.save_report(tmp_path / "crash.html").read_text(encoding="utf-8")
    page = window.open(text, width=width, scheme=scheme)
    clean, crashed = (page.locator(".run").nth(n).bounding_box() for n in range(2))
    assert (clean["y"] == crashed["y"]) is (width > 1000)
    assert page.locator(".run").nth(0).locator("h2").inner_text().startswith("Without a crash")
    assert page.locator(".run").nth(1).locator(".inv.bad").count() == 1
    differing = page.locator(".differs .name").all_inner_texts()
    assert sorted(differing) == ["ship", "ship-express"]
    assert exploration.failures[0].operation in page.locator(".alert").inner_text()
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert window.problems == []


# -- a large one -----------------------------------------------------------------------------------------------


def charge(n):
    if n % 97 == 5:
        message = f"row {n} has no price"
        raise ValueError(message)
    return n


@durable
def large(rows, ctx):
    def load(child, n):
        price = child.step(charge, n, retry=Retry.none())
        return child.step(lambda: price, name="store")

    return ctx.map(load, range(rows), name="rows", completion=Completion.all_completed()).success_count


def test_of_3000_operations_failures_are_shown_first_and_all_can_be_shown(window):
    text = render_report(read_execution(Simulator(large).start(1_000).finish()))
    assert len(text.encode()) < 2_000_000
    page = window.open(text)
    assert page.locator("[data-op]").count() == 1 + 2 * 11  # the map, the branches that failed and their steps
    page.get_by_role("button", name="show 989 more").click()
    page.get_by_label("Unfold all").click()
    assert page.locator("[data-op]").count() > 2_980
    page.get_by_label("Search operations").fill("item-777")
    assert [row["name"] for row in rows_of(page)] == ["rows", "map-item-777", *(["charge", "store"])]
    assert json.dumps(window.problems) == "[]"
