"""What a reader's browser makes of the site, without any network but the site itself.

`make docs-check` builds the site first. The pages are opened in Debian's Chromium, which playwright drives.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.chromium import BROWSER, FLAGS

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
PAGES = sorted(f"{page.parent.relative_to(SITE).as_posix()}/".removeprefix("./") for page in SITE.rglob("index.html"))
SCHEMES = {1280: ("light", "dark"), 390: ("dark", "light")}  # of each width: the one that a page is opened in, and then
PALETTE = {"light": "default", "dark": "slate"}
SEARCHES = {
    "async": "async/",
    "IAM": "deploy/",
    "idempotency": "powertools/neighbours/",
    "layer": "deploy/",
    "migrate": "coming-from/official-sdk/",
    "stuck": "troubleshooting/",
    "terraform": "deploy/",
    "timeout": "troubleshooting/",
}

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: `make docs-check`")
if BROWSER is None:
    pytest.skip("there is no Chromium: apt-get install chromium", allow_module_level=True)


class Reader:
    """A browser's window and what went wrong in it."""

    def __init__(self, browser, address, width):
        self.address, self.problems = address, []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=SCHEMES[width][0])
        # The theme draws diagrams into closed shadow trees, which a script could not look into.
        context.add_init_script(
            "const attach = Element.prototype.attachShadow;"
            "Element.prototype.attachShadow = function (o) { return attach.call(this, { ...o, mode: 'open' }); };"
        )
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)  # a busy machine is not a fault of the page
        self.page.on("console", lambda message: self.note(message.type in {"error", "warning"}, message.text))
        self.page.on("pageerror", lambda error: self.note(True, str(error)))
        self.page.on("request", lambda request: self.note(not self.is_ours(request.url), f"asks for {request.url}"))
        self.page.on("requestfailed", lambda request: self.note(True, f"{request.url}: {request.failure}"))
        self.page.on("response", lambda answer: self.note(answer.status >= 400, f"{answer.url}: {answer.status}"))

    def is_ours(self, url):
        return url.startswith((self.address, "data:", "blob:"))

    def note(self, wrong, text):
        if wrong:
            self.problems.append(text)

    def open(self, path):
        self.problems.clear()
        self.page.goto(self.address + path)
        self.page.wait_for_function("!document.querySelector('pre.mermaid')")

    def look(self, script):
        return self.page.evaluate(script)


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--directory", str(SITE)], text=True, **pipes) as server:
        _, _, port = server.stdout.readline().partition(" port ")
        yield f"http://127.0.0.1:{port.split()[0]}/"
        server.terminate()


@pytest.fixture(scope="module")
def readers(address):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield {width: Reader(browser, address, width) for width in SCHEMES}
        browser.close()


# What is wider than the window, by its tag and class; nothing if there is nothing to scroll sideways.
TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('article *')]
        .filter(it => it.getBoundingClientRect().right > width && !it.closest('.md-typeset__scrollwrap, pre'))
        .map(it => `${it.tagName} ${it.className}`);
}"""
# Blocks of code whose lines are longer than the block is wide.
CUT = """() => [...document.querySelectorAll('.highlight pre > code')]
    .filter(it => it.scrollWidth > it.clientWidth).map(it => it.innerText)"""
# Diagrams that were not drawn, or say that there is an error in them.
UNDRAWN = """() => [...document.querySelectorAll('.mermaid')].filter(it => {
    const svg = it.shadowRoot?.querySelector('svg');
    return !svg || svg.getBoundingClientRect().height < 20 || svg.textContent.includes('Syntax error');
}).map(it => it.outerHTML)"""
# Markdown that was printed instead of being read; code may hold anything.
RAW = """() => {
    const copy = document.querySelector('article').cloneNode(true);
    copy.querySelectorAll('code, pre, script, style').forEach(it => it.remove());
    return copy.textContent.match(/--8<--|```|^!!! |^=== "|\\]\\([\\w./#-]+\\)/gm) ?? [];
}"""


def test_there_are_pages():
    assert len(PAGES) > 40


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_complete_and_in_order(readers, path):
    for width, reader in readers.items():
        reader.open(path)
        for scheme in SCHEMES[width]:
            if scheme != SCHEMES[width][0]:
                reader.look(f"() => {{ document.body.dataset.mdColorScheme = {PALETTE[scheme]!r} }}")
            assert reader.look("document.body.dataset.mdColorScheme") == PALETTE[scheme]
            assert reader.look(TOO_WIDE) == [], (width, scheme)
            assert reader.look(UNDRAWN) == [], (width, scheme)
            if width == 1280:
                assert reader.look(CUT) == [], scheme
        assert reader.look(RAW) == []
        assert reader.problems == [], width


@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_that_asks_for_something_else_is_noticed(readers, width):
    reader = readers[width]
    reader.open("")
    for script in (
        "fetch('https://example.com/x.js').catch(() => null)",
        "fetch('no-such-file').catch(() => null)",
        "console.error('wrong')",
    ):
        reader.problems.clear()
        reader.look(f"async () => {{ await {script} }}")
        assert reader.problems, script
    reader.page.goto("about:blank")  # which ends what is on its way, before another test listens


def test_what_is_out_of_order_is_noticed(readers):
    reader = readers[1280]
    reader.open("operations/step/")
    assert reader.look(UNDRAWN) == reader.look(TOO_WIDE) == reader.look(CUT) == reader.look(RAW) == []
    reader.look("() => document.querySelector('.mermaid').shadowRoot.querySelector('svg').remove()")
    assert reader.look(UNDRAWN)
    reader.look("() => { document.querySelector('.highlight pre > code').append('x'.repeat(100)) }")
    assert reader.look(CUT)
    reader.look("() => { document.querySelector('article').append('see [there](#nowhere)') }")
    assert reader.look(RAW)
    reader.look("() => { document.querySelector('article h1').style.width = '3000px' }")
    assert reader.look(TOO_WIDE)


@pytest.mark.parametrize(("words", "path"), SEARCHES.items())
def test_the_search_finds_the_right_page_first(readers, words, path):
    reader = readers[1280]
    reader.open(f"?q={words}")
    first = reader.page.locator(".md-search-result__item a").first
    first.wait_for()
    href = first.get_attribute("href")
    assert href.removeprefix(reader.address).partition("?")[0].partition("#")[0] == path
    assert reader.problems == []
