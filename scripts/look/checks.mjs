// What is asked of a page while it is open. Each function runs in the page and returns sentences on what is wrong;
// `look.mjs` says under which widths, colours and media.

// Nothing is wider than the page, no text is cut off by its own box, and all text is text.
export function layout() {
  const wrong = [];
  const root = document.documentElement;
  const name = (element) => {
    const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
    const label = element.id ? `#${element.id}` : element.getAttribute("class") ? `.${element.getAttribute("class")}` : "";
    return `<${element.tagName.toLowerCase()}>${label} "${text}"`;
  };
  if (root.scrollWidth > root.clientWidth) {
    wrong.push(`overflow: the page is ${root.scrollWidth} px wide in ${root.clientWidth}`);
  }
  const scrolls = (element) => {
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    if (["IMG", "CANVAS", "OBJECT", "EMBED", "VIDEO", "IFRAME"].includes(element.tagName) || element.tagName === "image") {
      wrong.push(`text: ${name(element)} may hold text that is none`);
    }
    if (element.closest("svg") || style.display === "none" || style.display === "inline") continue;
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= 0) continue;
    const hides = (overflow) => ["hidden", "clip"].includes(overflow);
    if (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1) {
      wrong.push(`clipped: ${name(element)} is wider than its box`);
    }
    if (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 1) {
      wrong.push(`clipped: ${name(element)} is higher than its box`);
    }
    if (box.right > root.clientWidth + 1 && !scrolls(element)) {
      wrong.push(`overflow: ${name(element)} ends at ${Math.round(box.right)} px of ${root.clientWidth}`);
    }
  }
  return wrong;
}

// Texts of a picture lie within it, not over each other, are large enough, and differ from what is below them.
export function pictures() {
  const wrong = [];
  const rgba = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return [...parts.slice(0, 3), parts.length > 3 ? parts[3] : 1];
  };
  const light = ([red, green, blue]) => {
    const linear = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const paper = (element) => {
    for (let box = element; box; box = box.parentElement) {
      const colour = rgba(getComputedStyle(box).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const where = svg.closest("[id]")?.id ?? "";
    const behind = paper(svg.parentElement);
    const seen = [];
    for (const text of svg.querySelectorAll("text")) {
      const words = Array.from(text.childNodes, (node) => node.nodeType === 3 ? node.data : "").join("");
      if (words.trim() === "") continue;
      const told = `${where} "${words.slice(0, 40)}"`;
      const box = text.getBoundingClientRect();
      // A box has room for accents and descenders that most texts do not have.
      const own = { left: box.left, right: box.right, top: box.top + box.height * 0.2, bottom: box.bottom - box.height * 0.15 };
      if (own.left < frame.left - 0.75 || own.right > frame.right + 0.75 || own.top < frame.top - 0.75 || own.bottom > frame.bottom + 0.75) {
        wrong.push(`label: ${told} reaches out of its picture`);
      }
      for (const other of seen) {
        const wide = Math.min(own.right, other.right) - Math.max(own.left, other.left);
        const high = Math.min(own.bottom, other.bottom) - Math.max(own.top, other.top);
        if (wide > 0.5 && high > 0.5) wrong.push(`label: ${told} lies over "${other.words.slice(0, 40)}"`);
      }
      seen.push({ ...own, words });
      const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
      if (size < 9) wrong.push(`small: ${told} has ${size.toFixed(1)} px`);
      let below = behind;
      const matrix = svg.getScreenCTM().inverse();
      const middle = new DOMPoint((own.left + own.right) / 2, (own.top + own.bottom) / 2).matrixTransform(matrix);
      for (const shape of svg.querySelectorAll("rect, path, circle")) {
        if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) continue;
        const fill = getComputedStyle(shape).fill;
        if (fill !== "none" && rgba(fill)[3] > 0 && shape.isPointInFill(middle)) below = rgba(fill);
      }
      const ratio = contrast(rgba(getComputedStyle(text).fill), below);
      if (ratio < 4.5) wrong.push(`contrast: ${told} has ${ratio.toFixed(2)} of 4.5`);
    }
    for (const mark of svg.querySelectorAll(".point, .line, .interval")) {
      const ratio = contrast(rgba(getComputedStyle(mark).stroke), behind);
      if (ratio < 3) wrong.push(`contrast: ${where} .${mark.getAttribute("class")} has ${ratio.toFixed(2)} of 3`);
    }
  }
  return wrong;
}

// What axe-core finds, which `look.mjs` has put into the page.
export async function axe() {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await window.axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  return found.violations.flatMap((violation) => violation.nodes.slice(0, 5).map((node) => {
    const kind = violation.id === "color-contrast" ? "contrast" : "axe";
    const told = node.any.concat(node.all, node.none).map((check) => check.message).join("; ").slice(0, 200);
    return `${kind}: ${violation.id} at ${node.target.join(" ")}: ${told}`;
  }));
}

// What a reader without script sees: whatever has a size and is not hidden.
export function shown() {
  const parts = document.querySelectorAll("h1, h2, h3, p, li, summary, caption, figcaption, svg, th, td");
  const seen = {};
  for (const part of parts) {
    if (!part.checkVisibility()) continue;
    const key = part.tagName.toLowerCase() === "svg" ? "svg" : part.textContent.trim().replace(/\s+/g, " ");
    seen[key] = (seen[key] ?? 0) + 1;
  }
  return seen;
}

// All that a keyboard must reach, numbered; how many.
export function controls() {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])");
  let count = 0;
  for (const control of all) {
    if (control.disabled || !control.checkVisibility()) continue;
    control.dataset.lookAt = String(count++);
  }
  return count;
}

// Which of them has the focus, what it is, and whether that shows.
export function focused() {
  const control = document.activeElement;
  if (!control || control.dataset.lookAt === undefined) return null;
  const style = getComputedStyle(control);
  const shows = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  const box = control.getBoundingClientRect();
  return {
    place: Number(control.dataset.lookAt),
    name: `<${control.tagName.toLowerCase()}> "${control.textContent.trim().slice(0, 40)}"`,
    shows: shows && box.right > 0 && box.left < innerWidth && box.width > 0,
  };
}
