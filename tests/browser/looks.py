"""What eyes and fingers notice, measured in the page: contrast, the order and the mark of the focus, overflow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Contrast as WCAG 2.2 defines it, of every visible element that has text of its own; colours are mixed by their alpha.
_CONTRAST = """(root) => {
  const parse = (text) => {
    const [r, g, b, a] = text.match(/[\\d.]+(?:e-?\\d+)?/g).map(Number);
    const unit = text.startsWith("color(srgb") ? 255 : 1;  // as color-mix computes, in parts of 1
    return [r * unit, g * unit, b * unit, a ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (node) => {
    if (!node) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(node).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(node.parentElement));
  };
  const light = (colour) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of [root, ...root.querySelectorAll("*")]) {
    if (node instanceof SVGElement) continue;
    const own = [...node.childNodes].filter((one) => one.nodeType === 3);
    const text = own.map((one) => one.data.trim()).join(" ").trim();
    const style = getComputedStyle(node);
    const seen = node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
    if (!text || !seen || node.closest(":disabled")) continue;
    const box = node.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;  // for screen readers only
    const below = ground(node);
    const [a, b] = [light(over(parse(style.color), below)), light(below)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ text: text.slice(0, 60), ratio: (a + 0.05) / (b + 0.05), needed: large ? 3 : 4.5 });
  }
  return found;
}"""

# The focused element, what a screen reader would call it, and whether the focus looks different from none.
_FOCUS = """() => {
  const node = document.activeElement;
  const style = getComputedStyle(node);
  const labels = [...(node.labels ?? [])].map((one) => one.textContent).join(" ");
  const named = (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id));
  const told = named.map((one) => one?.textContent ?? "").join("");
  const name = node.getAttribute("aria-label") || told || labels || node.title || node.textContent;
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return {
    key: node.dataset.testid ?? "", tag: node.tagName.toLowerCase(), name: (name ?? "").trim().slice(0, 120),
    visible: outlined || style.boxShadow !== "none",
  };
}"""

# Elements that reach over the right edge of the root and cannot be scrolled to inside it.
_CUT_OFF = """(root) => {
  const edge = root.getBoundingClientRect().right + 0.5;
  const own = (node) => /auto|scroll/.test(getComputedStyle(node).overflowX);
  const scrolls = (node) => node !== root && (own(node) || scrolls(node.parentElement));
  const over = [...root.querySelectorAll("*")].filter((node) => node.getBoundingClientRect().right > edge);
  return over.filter((node) => !scrolls(node.parentElement)).map((node) => node.outerHTML.slice(0, 100));
}"""


@dataclass(frozen=True)
class Stop:
    """One stop of the Tab key: its data-testid, element, accessible name and whether one sees that it has the focus."""

    key: str
    tag: str
    name: str
    visible: bool


def contrasts(root: "Locator") -> list[dict[str, Any]]:
    """Text, contrast and the contrast needed (WCAG 2.2, AA) of every visible text below an element."""
    found: list[dict[str, Any]] = root.evaluate(_CONTRAST)
    return found


def too_pale(root: "Locator") -> list[dict[str, Any]]:
    """The texts of `contrasts` that are hard to read."""
    return [one for one in contrasts(root) if one["ratio"] < one["needed"] - 0.005]


def focused(page: "Page") -> Stop:
    """The element that has the focus."""
    return Stop(**page.evaluate(_FOCUS))


def tab_stops(page: "Page", within: "Locator", most: int = 200) -> list[Stop]:
    """Press Tab until the focus leaves an element; gives the stops inside it, in order."""
    found: list[Stop] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        if not within.evaluate("(root) => root !== document.activeElement && root.contains(document.activeElement)"):
            break
        found.append(focused(page))
    return found


def overflow(page: "Page") -> int:
    """By how many pixels the page is wider than its window."""
    wider: int = page.evaluate("() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    return wider


def cut_off(root: "Locator") -> list[str]:
    """What reaches over the right edge of an element, where nobody can see it."""
    found: list[str] = root.evaluate(_CUT_OFF)
    return found
